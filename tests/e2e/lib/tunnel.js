// WebSockets over HTTP/2 (RFC 8441) for a library that only knows those over HTTP/1: its handshake is
// answered here, from what the server says to CONNECT; everything after it goes through as it is.

import { createHash } from 'node:crypto';
import { connect } from 'node:http2';
import { Duplex } from 'node:stream';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

class Tunnel extends Duplex {
  #stream;
  #head = Buffer.alloc(0);

  constructor(open) {
    super();
    this.opening = open().then((stream) => {
      this.#stream = stream;
      stream.pause();
      stream.on('data', (piece) => this.push(piece) || stream.pause());
      stream.on('end', () => this.push(null));
      stream.on('error', (error) => this.destroy(error)).on('close', () => this.push(null));
    });
    this.opening.catch((error) => this.destroy(error));
  }

  async #shake(piece) {
    this.#head = Buffer.concat([this.#head, piece]);
    const end = this.#head.indexOf('\r\n\r\n');
    if (end < 0) return;
    await this.opening;
    const [, key] = /^sec-websocket-key: (.*)\r$/im.exec(this.#head.toString('latin1'));
    this.#head = null;
    const { status, headers } = this.#stream.answer;
    const accept = createHash('sha1').update(key + GUID).digest('base64');
    const lines = status === 200
      ? ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Accept: ${accept}`]
      : [`HTTP/1.1 ${status} Refused`, 'Connection: close'];
    for (const name of ['sec-websocket-protocol', 'sec-websocket-extensions']) {
      if (headers[name] !== undefined) lines.push(`${name}: ${headers[name]}`);
    }
    this.push(`${lines.join('\r\n')}\r\n\r\n`);
    this.#stream.resume();
  }

  _write(piece, encoding, done) {
    if (this.#head) this.#shake(piece).then(() => done(), done);
    else this.#stream.write(piece, done);
  }

  _read() {
    if (this.#head === null) this.#stream.resume();
  }

  _final(done) {
    if (this.#stream) this.#stream.end(done);
    else done();
  }

  _destroy(error, done) {
    this.#stream?.session?.destroy();
    done(error);
  }

  // What a socket has besides.
  setNoDelay() {
    return this;
  }

  setTimeout() {
    return this;
  }

  setKeepAlive() {
    return this;
  }

  ref() {
    return this;
  }

  unref() {
    return this;
  }
}

/** For `createConnection` of npm ws. */
export const tunnel = (server, protocols, headers = {}) => () =>
  new Tunnel(
    () =>
      new Promise((resolve, reject) => {
        const session = connect(server.base);
        session.on('error', reject);
        session.once('remoteSettings', ({ enableConnectProtocol }) => {
          if (!enableConnectProtocol) {
            session.destroy();
            reject(new Error('the server offers no WebSockets over HTTP/2'));
            return;
          }
          const stream = session.request({
            ':method': 'CONNECT',
            ':protocol': 'websocket',
            ':path': '/graphql',
            'sec-websocket-version': '13',
            ...(protocols.length > 0 && { 'sec-websocket-protocol': protocols.join(', ') }),
            ...headers,
          });
          stream.on('error', reject);
          stream.on('response', (answer) => {
            stream.answer = { status: answer[':status'], headers: answer };
            resolve(stream);
          });
        });
      }),
  );
