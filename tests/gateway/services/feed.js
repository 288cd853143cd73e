// An async iterator that anybody may end at any time. A generator that waits could not be.

export class Feed {
  #values = [];
  #waiting = [];
  #isOver = false;
  #ended;

  /** `ended` is called once. */
  constructor(...ended) {
    this.#ended = ended;
  }

  whenEnded(then) {
    this.#ended.push(then);
  }

  push(value) {
    if (this.#isOver) return;
    const waiting = this.#waiting.shift();
    if (waiting) waiting({ value, done: false });
    else this.#values.push(value);
  }

  /** No more is coming; what is there may still be taken. */
  end() {
    if (this.#values.length === 0) this.return();
    else this.#values.push(Feed.#END);
  }

  static #END = Symbol('end');

  async next() {
    if (this.#values.length > 0) {
      const value = this.#values.shift();
      return value === Feed.#END ? this.return() : { value, done: false };
    }
    if (this.#isOver) return { value: undefined, done: true };
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async return() {
    const done = { value: undefined, done: true };
    if (!this.#isOver) {
      this.#isOver = true;
      this.#values.length = 0;
      for (const waiting of this.#waiting.splice(0)) waiting(done);
      for (const then of this.#ended.splice(0)) then();
    }
    return done;
  }

  async throw(error) {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}
