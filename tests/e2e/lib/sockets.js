// WebSockets without a GraphQL library, for what no library would send.

import WebSocket from 'ws';

import { tunnel } from './tunnel.js';
import { Inbox, LIMIT, within } from './wait.js';

export const MODERN = 'graphql-transport-ws';
export const LEGACY = 'graphql-ws';
export const PROTOCOLS = [MODERN, LEGACY];

const WORDS = {
  [MODERN]: { start: 'subscribe', stop: 'complete', result: 'next' },
  [LEGACY]: { start: 'start', stop: 'stop', result: 'data' },
};

/** A socket whose messages are read one by one. */
export class Socket {
  /**
   * Opens a socket; with `init` not false it is initialised and acknowledged too. If that is refused,
   * the error's `refusal` has the code, the reason and the messages that came; or the status, if the
   * upgrade is refused.
   */
  static async open(server, protocol, { init, headers, compressed = false, http2 = false } = {}) {
    const socket = new Socket();
    socket.protocol = protocol;
    socket.words = WORDS[protocol];
    socket.inbox = new Inbox();
    const protocols = protocol ? [protocol] : [];
    const options = { headers, perMessageDeflate: compressed };
    // `http2`: a stream of an HTTP/2 connection instead of a connection (RFC 8441).
    if (http2) options.createConnection = tunnel(server, protocols, headers);
    socket.ws = new WebSocket(server.ws, protocols, options);
    socket.closed = new Promise((resolve) => {
      socket.ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    socket.ws.on('message', (data) => {
      const message = JSON.parse(data.toString());
      // Signs of life may come at any time.
      if (message.type !== 'ka' && message.type !== 'ping') socket.inbox.put(message);
    });
    await within(
      'a socket opens',
      new Promise((resolve, reject) => {
        socket.ws.once('open', resolve).once('error', (error) => {
          const [, status] = /^Unexpected server response: (\d+)$/.exec(error.message) ?? [];
          reject(status ? Object.assign(error, { refusal: { status: Number(status) } }) : error);
        });
      }),
    );
    socket.ws.on('error', () => {});
    if (compressed && !socket.ws.extensions.includes('permessage-deflate')) throw new Error('not compressed');
    if (init !== false) {
      socket.init(init);
      const answer = await socket.takeOrClosing('connection_ack');
      if (answer.type !== 'connection_ack') {
        throw Object.assign(new Error(`no connection_ack: ${JSON.stringify(answer)}`), {
          refusal: { ...(await socket.closing()), messages: socket.inbox.history },
        });
      }
    }
    return socket;
  }

  /** The next message, or `{closing}` if the socket is closed first. */
  takeOrClosing(what) {
    return this.inbox.take(what, LIMIT, this.closed.then((closing) => ({ closing })));
  }

  send(message) {
    this.ws.send(JSON.stringify(message));
  }

  init(payload) {
    this.send({ type: 'connection_init', payload });
  }

  start(id, query, variables) {
    this.send({ id, type: this.words.start, payload: { query, variables } });
  }

  stop(id) {
    this.send({ id, type: this.words.stop });
  }

  /** Bytes as they are, as one text message, whatever they hold. */
  sendText(bytes) {
    this.ws.send(bytes, { binary: false });
  }

  /** The next result of an operation, which must be the next message at all. */
  async result(id, what = 'a result') {
    const message = await this.inbox.take(what);
    if (message.id !== id || message.type !== this.words.result) {
      throw new Error(`not ${what} of ${id}: ${JSON.stringify(message)}`);
    }
    return message.payload;
  }

  /** How the server closed the socket. */
  async closing() {
    return within(`the server closes the socket; so far: ${JSON.stringify(this.inbox.history)}`, this.closed);
  }

  async close() {
    this.ws.terminate();
    await this.closed;
  }
}
