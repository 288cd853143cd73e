// Waiting for conditions, never for mere time.

/**
 * How long anything may take that should happen at once. It only keeps tests from hanging, so it is
 * generous: the machine may be busy.
 */
export const LIMIT = 60_000;

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * Waits until `check` returns something truthy and returns it. What `check` throws counts as "not
 * yet"; the last such error explains the failure.
 */
export async function until(what, check, limit = LIMIT) {
  const deadline = Date.now() + limit;
  let last;
  for (;;) {
    try {
      const value = await check();
      if (value) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() >= deadline) {
      const reason = last ? `: ${last.message ?? last}` : '';
      throw new Error(`not within ${limit} ms: ${typeof what === 'function' ? what() : what}${reason}`, {
        cause: last,
      });
    }
    await pause(10);
  }
}

/** The promise's value, or an error that names what did not come in time. */
export async function within(what, promise, limit = LIMIT) {
  let timer;
  const late = new Promise((_, reject) => {
    const text = () => (typeof what === 'function' ? what() : what);
    timer = setTimeout(() => reject(new Error(`not within ${limit} ms: ${text()}`)), limit);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A queue that a test takes from in order, waiting for what has not come yet. */
export class Inbox {
  #items = [];
  #waiting = [];

  /** Everything that ever came, for messages of failures. */
  history = [];

  put(item) {
    this.history.push(item);
    const waiting = this.#waiting.shift();
    if (waiting) waiting(item);
    else this.#items.push(item);
  }

  /** How many items wait to be taken. */
  get size() {
    return this.#items.length;
  }

  /** The most recent item of all. */
  get last() {
    return this.history.at(-1);
  }

  /** The next item; or, if it resolves earlier, what `instead` resolves to. */
  async take(what = 'a message', limit = LIMIT, instead = undefined) {
    if (this.#items.length > 0) return this.#items.shift();
    let resolve;
    const item = new Promise((r) => (resolve = r));
    this.#waiting.push(resolve);
    const forget = () => this.#waiting.includes(resolve) && this.#waiting.splice(this.#waiting.indexOf(resolve), 1);
    try {
      const taken = await within(what, instead ? Promise.race([item, instead]) : item, limit);
      forget();
      return taken;
    } catch (error) {
      forget();
      const seen = JSON.stringify(this.history).slice(0, 2000);
      throw new Error(`${error.message}; so far: ${seen}`);
    }
  }

  /** The next item that fulfils the condition; those before it stay for whoever takes next. */
  async takeOutOfTurn(what, check) {
    const passed = [];
    try {
      for (;;) {
        const item = await this.take(what);
        if (check(item)) return item;
        passed.push(item);
      }
    } finally {
      this.#items.unshift(...passed);
    }
  }

  /** Takes items until one fulfils the condition. */
  async takeUntil(what, check, limit = LIMIT) {
    const deadline = Date.now() + limit;
    for (;;) {
      const item = await this.take(what, Math.max(1, deadline - Date.now()));
      if (check(item)) return item;
    }
  }
}
