// What a service remembers, so that tests can ask what reached it.

import { Feed } from './feed.js';

export class State {
  /** Headers of every upgrade: `{protocols, headers: [[name, value]]}`. */
  upgrades = [];
  /** Every request that was no upgrade: `{method, accept, headers}`. */
  requests = [];
  /** What `onConnect` was called with: payloads of `connection_init`, of sockets and, for Mercurius, of operations. */
  inits = [];
  /** Every root field that was resolved: `{kind, field, args}`. */
  fields = [];
  /** Subscriptions whose source is open: `{field, args}`. */
  live = new Set();
  /** Open sockets: those of upgrades. */
  sockets = new Set();
  /** Responses that have not ended. */
  responses = new Set();
  /** The WebSockets of a library, for closing them with a code. */
  webSockets = new Set();
  /** Whether the schema has `Query.added`. */
  extended = false;
  /** The value of `Query.nothing`. */
  nothing = null;
  #listeners = new Set();

  report() {
    const { upgrades, requests, inits, fields } = this;
    const live = [...this.live];
    return { upgrades, requests, inits, fields, live, sockets: this.sockets.size, responses: this.responses.size };
  }

  reset() {
    for (const list of [this.upgrades, this.requests, this.inits, this.fields]) list.length = 0;
  }

  resolved(kind, field, args) {
    this.fields.push({ kind, field, args });
  }

  /** A source of a subscription that counts as live until it has ended, whoever ends it. */
  source(field, args) {
    this.resolved('subscription', field, args);
    const entry = { field, args };
    this.live.add(entry);
    return new Feed(() => this.live.delete(entry));
  }

  listen(topic, feed) {
    const listener = { topic, feed };
    this.#listeners.add(listener);
    feed.whenEnded(() => this.#listeners.delete(listener));
  }

  publish(topic, value) {
    let count = 0;
    for (const listener of this.#listeners) {
      if (listener.topic !== topic) continue;
      listener.feed.push({ topic, value, subject: 'book:1' });
      count += 1;
    }
    return count;
  }

  /** Closes every socket, with a code if there is one, and cuts every stream. */
  close({ code, reason } = {}) {
    // Connections end a little later. What is published from now on must not get lost with them.
    this.#listeners.clear();
    if (code) for (const socket of this.webSockets) socket.close(code, reason);
    else for (const socket of this.sockets) socket.destroy();
    for (const response of this.responses) response.socket?.destroy();
  }
}
