// What the server asks: key sets and a webhook, as good or as bad as a test wants them.

import { createServer } from 'node:http';

import { pause, until } from '../wait.js';
import { jwk } from './keys.js';

/** A service whose answers are programmed: `respond(request, body)` gives a behaviour. */
class Service {
  /** Everything that was asked: `{method, url, headers, body, aborted}`. */
  asked = [];
  #open = new Set();

  async listen() {
    this.server = createServer((request, response) => this.#take(request, response));
    // Node closes connections that were idle for five seconds, perhaps just when a question is on its way.
    this.server.keepAliveTimeout = 0;
    this.server.on('connection', (socket) => {
      this.#open.add(socket);
      socket.on('close', () => this.#open.delete(socket));
    });
    await new Promise((resolve, reject) => this.server.once('error', reject).listen(0, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
    return this;
  }

  async #take(request, response) {
    let body = '';
    for await (const piece of request.setEncoding('utf8')) body += piece;
    const { method, url, headers, rawHeaders } = request;
    const asked = { method, url, headers, rawHeaders, body, at: Date.now() };
    this.asked.push(asked);
    response.on('close', () => (asked.aborted = !response.writableFinished));
    response.on('error', () => {});
    await this.#answer(await this.respond(asked), response);
  }

  /**
   * A behaviour: `status`, `headers`, and `json`, `text` or so many `bytes` as the body; `delay` in ms
   * comes before it; `end` is `never` (no answer), `cut` (the connection is closed instead) or `half`
   * (closed within the body).
   */
  async #answer(behaviour, response) {
    const { status = 200, headers = {}, json, text, bytes, delay, end } = behaviour;
    if (end === 'never') return;
    if (delay) await pause(delay);
    if (end === 'cut') {
      response.destroy();
      return;
    }
    const body = json !== undefined ? JSON.stringify(json) : text ?? ' '.repeat(bytes ?? 0);
    const type = json !== undefined ? 'application/json' : 'text/html';
    if (end === 'half') {
      response.writeHead(status, { 'content-type': type, 'content-length': body.length + 10, ...headers });
      response.write(body, () => response.destroy());
      return;
    }
    response.writeHead(status, { 'content-type': type, ...headers });
    response.end(body);
  }

  async close() {
    for (const socket of this.#open) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** Key sets by path. */
export class KeySets extends Service {
  #sets = new Map();

  static create() {
    return new KeySets().listen();
  }

  /**
   * What is served at a path: a behaviour, in which `keys` stands for a key set. A key is a name, or
   * `{key, …}` with members to add or replace.
   */
  set(path, { keys, ...behaviour }) {
    const json = keys && {
      keys: keys.map((one) => {
        if (typeof one === 'string') return jwk(one);
        const { key, ...more } = one;
        return key ? jwk(key, more) : more;
      }),
    };
    this.#sets.set(path, keys ? { json, ...behaviour } : behaviour);
  }

  respond({ url }) {
    return this.#sets.get(url.split('?')[0]) ?? { status: 404, text: 'no keys here' };
  }

  /** How often a path was asked for. */
  count(path) {
    return this.asked.filter(({ url }) => url.split('?')[0] === path).length;
  }

  /** Waits until a path was asked for so often. */
  fetched(path, count) {
    return until(`${path} is fetched ${count} times`, () => this.count(path) >= count);
  }
}

/** The name of the header by which a request says which behaviour it wants. */
export const CASE = 'x-case';

/** A webhook. A client chooses its behaviour by a header that is passed on. */
export class Webhook extends Service {
  #behaviours = new Map();

  static create() {
    return new Webhook().listen();
  }

  /** What is answered if the header has this value, or begins with it and `/`. */
  set(name, behaviour) {
    this.#behaviours.set(name, behaviour);
  }

  /** Headers of the client, as the webhook was told of them. */
  static told({ method, headers, body }) {
    return method === 'POST' ? JSON.parse(body).headers : headers;
  }

  static #name(asked) {
    const told = Webhook.told(asked);
    return Object.entries(told).find(([name]) => name.toLowerCase() === CASE)?.[1] ?? '';
  }

  respond(asked) {
    const name = Webhook.#name(asked);
    return this.#behaviours.get(name) ?? this.#behaviours.get(name.split('/')[0]) ?? { status: 401, text: 'who?' };
  }

  /** What was asked with this value of the header. */
  of(name) {
    return this.asked.filter((asked) => Webhook.#name(asked) === name);
  }
}
