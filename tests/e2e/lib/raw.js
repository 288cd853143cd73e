// Bytes as nobody's library would send them: HTTP by hand, and frames by hand.

import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';

import { LIMIT, within } from './wait.js';

/**
 * Bytes to the server's port and all that comes back until it closes. The bytes are one piece, or
 * pieces (an iterable, of any length) that are sent one after the other for as long as the server
 * takes them; `sent` tells how many bytes it took.
 */
export async function exchange(server, bytes, limit = LIMIT) {
  const socket = connect(server.port, '127.0.0.1').setEncoding('latin1').setNoDelay(true);
  let text = '';
  let isOver = false;
  const ended = new Promise((resolve) => {
    socket.on('data', (piece) => (text += piece));
    socket.on('end', () => resolve('end')).on('close', () => resolve('cut')).on('error', () => resolve('cut'));
  });
  ended.then(() => (isOver = true));
  const pieces = typeof bytes === 'string' || Buffer.isBuffer(bytes) ? [bytes] : bytes;
  try {
    await within('a connection', new Promise((resolve) => socket.once('connect', resolve)));
    for (const piece of pieces) {
      if (isOver || text !== '') break;
      if (!socket.write(piece)) {
        await within('the server reads', Promise.race([ended, new Promise((r) => socket.once('drain', r))]), limit);
      } else if (pieces.length === undefined) {
        // Lets the answer come in between.
        await new Promise(setImmediate);
      }
    }
    const end = await within(() => `the end of the answer; so far: ${text.slice(0, 300)}`, ended, limit);
    return { text, end, sent: socket.bytesWritten - socket.writableLength, status: Number(text.slice(9, 12)) };
  } finally {
    socket.destroy();
  }
}

/** The status that a head (text, or pieces of it) is answered with; the connection is left then. */
export async function statusOf(server, pieces) {
  const socket = connect(server.port, '127.0.0.1').setEncoding('latin1').setNoDelay(true);
  let text = '';
  try {
    const answered = new Promise((resolve) => {
      socket.on('data', (piece) => {
        text += piece;
        if (text.includes('\r\n\r\n')) resolve();
      });
      socket.on('error', resolve).on('close', resolve);
    });
    await within('a connection', new Promise((resolve) => socket.once('connect', resolve)));
    for (const piece of typeof pieces === 'string' ? [pieces] : pieces) {
      await new Promise((resolve) => socket.write(piece, resolve));
    }
    await within('an answer', answered);
    return Number(text.slice(9, 12));
  } finally {
    socket.destroy();
  }
}

/** The text of the answer to bytes. */
export const raw = async (server, bytes) => (await exchange(server, bytes)).text;

/** The head of a request. */
export function head({ method = 'POST', path = '/graphql', headers = {}, more = '' }) {
  const all = { Host: 'x', Connection: 'close', ...headers };
  const lines = Object.entries(all).filter(([, value]) => value !== undefined);
  return `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}${more}\r\n`;
}

/** The head of a WebSocket handshake. */
export const upgradeHead = (protocol, headers = {}, more = '') =>
  head({
    method: 'GET',
    headers: {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': 13,
      'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
      'Sec-WebSocket-Protocol': protocol,
      ...headers,
    },
    more,
  });

export const OPCODES = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

/** A frame of a client. `rsv` holds the three reserved bits, as 4, 2 and 1. */
export function frame(payload, { opcode = 'text', fin = true, rsv = 0, masked = true } = {}) {
  const data = Buffer.from(payload);
  const number = typeof opcode === 'number' ? opcode : OPCODES[opcode];
  const first = (fin ? 0x80 : 0) | (rsv << 4) | number;
  const bit = masked ? 0x80 : 0;
  let length;
  if (data.length < 126) {
    length = Buffer.from([first, bit | data.length]);
  } else if (data.length < 1 << 16) {
    length = Buffer.from([first, bit | 126, data.length >> 8, data.length & 0xff]);
  } else {
    length = Buffer.alloc(10);
    length.set([first, bit | 127]);
    length.writeBigUInt64BE(BigInt(data.length), 2);
  }
  if (!masked) return Buffer.concat([length, data]);
  const key = randomBytes(4);
  return Buffer.concat([length, key, data.map((byte, at) => byte ^ key[at & 3])]);
}

/** A WebSocket of which every byte is the test's own. */
export class RawSocket {
  #read = Buffer.alloc(0);

  /** Upgrades; throws unless the server agrees. */
  static async open(server, protocol, headers) {
    const raw = new RawSocket();
    raw.socket = connect(server.port, '127.0.0.1').setNoDelay(true);
    raw.messages = [];
    raw.pongs = 0;
    let opened;
    const head = new Promise((resolve) => (opened = resolve));
    raw.closed = new Promise((resolve) => {
      raw.socket.on('data', (piece) => {
        raw.#read = Buffer.concat([raw.#read, piece]);
        if (raw.head === undefined) {
          const end = raw.#read.indexOf('\r\n\r\n');
          if (end < 0) return;
          raw.head = raw.#read.subarray(0, end).toString('latin1');
          raw.#read = raw.#read.subarray(end + 4);
          opened();
        }
        for (let one; (one = raw.#frame()); ) {
          if (one.opcode === OPCODES.text) raw.messages.push(JSON.parse(one.payload.toString()));
          if (one.opcode === OPCODES.pong) raw.pongs += 1;
          if (one.opcode === OPCODES.close) resolve({ code: one.payload.readUInt16BE(0), reason: one.payload.toString('utf8', 2) });
        }
      });
      raw.socket.on('error', () => {}).on('close', () => resolve({ code: 1006, reason: '' }));
      raw.socket.on('close', opened);
    });
    raw.socket.write(upgradeHead(protocol, headers));
    await within('the answer to the handshake', head);
    if (!raw.head?.startsWith('HTTP/1.1 101 ')) throw new Error(`no upgrade: ${raw.head}`);
    return raw;
  }

  /** The next whole frame of the server, whose frames are not masked. */
  #frame() {
    const read = this.#read;
    if (read.length < 2) return null;
    let [start, length] = [2, read[1] & 0x7f];
    if (length === 126) {
      if (read.length < 4) return null;
      [start, length] = [4, read.readUInt16BE(2)];
    } else if (length === 127) {
      if (read.length < 10) return null;
      [start, length] = [10, Number(read.readBigUInt64BE(2))];
    }
    if (read.length < start + length) return null;
    this.#read = read.subarray(start + length);
    return { opcode: read[0] & 0x0f, payload: read.subarray(start, start + length) };
  }

  send(...frames) {
    this.socket.write(Buffer.concat(frames));
  }

  /** A message in one frame. */
  say(message) {
    this.send(frame(JSON.stringify(message)));
  }

  /** How the server closes: the code of its close frame, 1006 without one. */
  closing() {
    return within('the server closes the socket', this.closed);
  }

  destroy() {
    this.socket.destroy();
  }
}
