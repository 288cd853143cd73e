// One subscription as a client library tells of it.

import { Inbox, until } from '../../e2e/lib/wait.js';

/**
 * What comes: `{next: {data, errors}}`, and one of `{error: [GraphQL errors]}`, `{complete: true}` and
 * `{lost: text}` as the end. Anything after the end is kept in `after`, and is a fault.
 */
export class Following {
  inbox = new Inbox();
  isOver = false;
  after = [];
  #isStopped = false;
  #stop = () => {};

  /** For the observers of the libraries. */
  observer = {
    next: (result) => this.#put({ next: result }),
    error: (error) => this.#put({ error }),
    complete: () => this.#put({ complete: true }),
    lost: (why) => this.isOver || this.#put({ lost: why }),
  };

  #put(event) {
    if (this.#isStopped) return;
    if (this.isOver) {
      this.after.push(event);
      return;
    }
    this.isOver = !event.next;
    this.inbox.put(event);
  }

  whenStopped(stop) {
    this.#stop = stop;
    return this;
  }

  /** Unsubscribes. What the library says then is its own. */
  stop() {
    this.#isStopped = true;
    this.#stop();
  }

  /** `data` of the next result, which has no errors. */
  async data(what = 'a result') {
    const event = await this.inbox.take(what);
    if (!event.next || event.next.errors) throw new Error(`not ${what}: ${JSON.stringify(event)}`);
    return event.next.data;
  }

  /** All that comes until the end, the end included. */
  async all() {
    const events = [];
    for (;;) {
      const event = await this.inbox.take('the end');
      events.push(event);
      if (!event.next) return events;
    }
  }

  /** Waits until there was an end, whatever came before. */
  ended() {
    return until('an end', () => this.isOver);
  }
}
