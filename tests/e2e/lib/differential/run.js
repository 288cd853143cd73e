// Runs a script against a server and gives what the server said, step by step.
//
// There are no pauses: after each step a message of a kind that the server answers at once is sent,
// twice, and what came before the second answer belongs to the step. (Twice, because what a message
// causes may be written after the answer to the next.)

import WebSocket from 'ws';

import { within } from '../wait.js';

let scripts = 0;

/** Says for each step of the script what the server said. */
export async function run(server, protocol, script) {
  scripts += 1;
  const conversation = new Conversation(server, protocol, script, `k${scripts}-`);
  const out = [];
  for (const step of script.steps) {
    const what = `${script.name}: ${step.verb} ${step.text ?? ''}`;
    await within(what, conversation.step(step));
    out.push(conversation.lines.splice(0));
  }
  conversation.end();
  return out;
}

class Conversation {
  lines = [];
  #syncs = 0;

  constructor(server, protocol, script, prefix) {
    Object.assign(this, { server, protocol, script, prefix });
  }

  async step({ verb, text = '' }) {
    const frame = this.#expand(verb === 'init' ? '{"type":"connection_init"}' : text);
    switch (verb) {
      case 'open':
        await this.#open();
        // Nothing is said before the client says something; some servers close at once.
        return this.ws.protocol ? undefined : this.#sync();
      case 'reconnect':
        this.ws.close(1000);
        await this.closed;
        this.lines.length = 0;
        return this.#open();
      case 'closed':
        return this.closed;
      case 'release':
        await this.server.release(`${this.prefix}${text}`, this.script.server);
        return this.#sync();
      case '>>':
        return this.#send(frame);
      case 'b>':
        this.#send(Buffer.from(frame));
        return this.#sync();
      default:
        this.#send(frame);
        return this.#sync();
    }
  }

  end() {
    this.ws.terminate();
  }

  #expand(text) {
    return text
      .replace(/<x(\d+)>/g, (_, times) => 'x'.repeat(Number(times)))
      .replace(/<([a-z])>/g, (_, key) => `${this.prefix}${key}`);
  }

  #shorten(text) {
    return text
      .replaceAll(new RegExp(`${this.prefix}([a-z])`, 'g'), '<$1>')
      .replace(/x{20,}/g, (many) => `<x${many.length}>`);
  }

  #open() {
    const offer = this.script.offer ?? [this.protocol];
    const ws = new WebSocket(this.server.url(this.script.server), offer, { perMessageDeflate: false });
    this.ws = ws;
    return new Promise((opened) => {
      this.closed = new Promise((closed) => {
        ws.on('close', (code, reason) => {
          if (ws === this.ws && !this.failed) this.#say(close(code, reason.toString()));
          this.synced?.();
          opened();
          closed();
        });
      });
      ws.on('error', (error) => {
        this.failed = true;
        this.#say(`handshake: ${error.message}`);
      });
      ws.on('message', (data) => this.#message(data.toString()));
      ws.on('open', () => {
        if (this.script.offer) this.#say(`opened ${ws.protocol || 'without subprotocol'}`);
        opened();
      });
    });
  }

  #send(data) {
    if (this.ws.readyState === WebSocket.OPEN) this.ws.send(data);
  }

  #say(line) {
    this.lines.push(this.#shorten(line));
  }

  async #sync() {
    for (let round = 0; round < 2; round += 1) {
      if (this.ws.readyState !== WebSocket.OPEN) return this.closed;
      this.#syncs += 1;
      const answered = new Promise((resolve) => (this.synced = resolve));
      // Whatever was chosen: `ping` has an answer in one protocol, an unknown type in the other.
      if (this.protocol === 'graphql-transport-ws') {
        this.#send(JSON.stringify({ type: 'ping', payload: { sync: this.#syncs } }));
      } else {
        this.#send(JSON.stringify({ type: 'sync', id: `sync${this.#syncs}` }));
      }
      await answered;
    }
  }

  #message(text) {
    const message = JSON.parse(text);
    const isSync = message.payload?.sync === this.#syncs || message.id === `sync${this.#syncs}`;
    if (isSync) this.synced();
    else this.#say(show(message, text));
  }
}

/** One line: type, id, payload. Texts of errors are not compared. */
function show({ type, id, payload, ...rest }, text) {
  const parts = [type];
  // JSON.parse rounds numbers.
  if (typeof id === 'number') parts.push(/"id":([-\d.]+)/.exec(text)[1]);
  else if (id !== undefined) parts.push(JSON.stringify(id));
  if (payload !== undefined) parts.push(JSON.stringify(shape(type, payload)));
  if (Object.keys(rest).length > 0) parts.push(`and ${JSON.stringify(rest)}`);
  return parts.join(' ');
}

function shape(type, payload) {
  if (type === 'error' || type === 'connection_error') {
    return Array.isArray(payload) ? payload.map(errorShape) : errorShape(payload);
  }
  if ((type === 'next' || type === 'data') && payload?.errors) {
    // Members in one order.
    const { data, errors, ...rest } = payload;
    return { data, ...rest, errors: errors.map(errorShape) };
  }
  return payload;
}

const errorShape = (error) => (typeof error?.message === 'string' ? 'message' : error);

/** The code, and the reason as far as the protocol gives its words. */
function close(code, reason) {
  const words = code >= 4400 && code < 4500 ? reason.split(':')[0] : '';
  return `close ${code} ${words}`.trim();
}
