// Message brokers that a test starts, kills and starts again, with publishers that speak the brokers'
// protocols by hand: https://docs.nats.io/reference/reference-protocols/nats-protocol and
// https://redis.io/docs/latest/develop/reference/protocol-spec/.

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort } from '../../e2e/lib/server.js';
import { Inbox, until, within } from '../../e2e/lib/wait.js';

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** Lines of a connection. */
class Lines {
  constructor(port) {
    this.inbox = new Inbox();
    this.socket = connect(port, '127.0.0.1').setNoDelay().setEncoding('utf8');
    this.socket.on('error', () => {});
    let text = '';
    this.socket.on('data', (piece) => {
      const lines = (text + piece).split('\r\n');
      text = lines.pop();
      lines.forEach((line) => this.inbox.put(line));
    });
    this.opened = new Promise((resolve, reject) => this.socket.once('connect', resolve).once('error', reject));
  }

  close() {
    this.socket.destroy();
  }
}

class Broker {
  /** A port of its own. Unless `running` is false it is started. */
  static async create({ running: isRunning = true } = {}) {
    const broker = new this();
    broker.port = await freePort();
    broker.monitor = await freePort();
    broker.folder = await mkdtemp(join(tmpdir(), 'artesian-broker-'));
    if (isRunning) await broker.start();
    return broker;
  }

  async start() {
    const [program, ...args] = this.command();
    // Debian puts servers where users do not always look.
    const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
    const child = spawn(program, args, { stdio: 'ignore', env });
    this.child = child;
    running.add(child);
    let problem;
    child.once('error', (error) => (problem = `${program}: ${error.message}; is it installed? (scripts/install.sh brokers)`));
    this.exited = new Promise((resolve) => child.once('error', resolve).once('close', resolve));
    this.exited.then(() => running.delete(child));
    await until(() => problem ?? `${program} listens`, () => this.connect());
  }

  /** As a crash would end it. */
  async kill() {
    this.lines?.close();
    this.lines = undefined;
    this.child?.kill('SIGKILL');
    await within('the broker is gone', this.exited ?? Promise.resolve());
  }

  async remove() {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** JSON as an event. */
  publish(topic, message) {
    return this.publishText(topic, JSON.stringify(message));
  }

  /** Waits until there are so many subscriptions to a topic at the broker. */
  async subscribed(topic, count = 1) {
    let seen;
    const what = () => `${count} subscriptions to ${topic}, not ${JSON.stringify(seen)}`;
    await until(what, async () => (seen = await this.subscriptions(topic)) === count);
  }
}

class Nats extends Broker {
  static title = 'nats';
  /** What would be more than one subject, and what would be so with others. */
  static wildcards = ['>', 'e>', 'eu.>'];
  static harmless = ['?u'];

  command() {
    return ['nats-server', '--addr', '127.0.0.1', '--port', `${this.port}`, '--http_port', `${this.monitor}`];
  }

  settings() {
    return { nats: { url: `nats://127.0.0.1:${this.port}` } };
  }

  async connect() {
    const lines = new Lines(this.port);
    await lines.opened;
    lines.socket.write('CONNECT {"verbose":false,"pedantic":false}\r\n');
    this.lines?.close();
    this.lines = lines;
    await this.#flush();
    return true;
  }

  async #flush() {
    this.lines.socket.write('PING\r\n');
    await this.lines.inbox.takeUntil('a PONG', (line) => {
      if (line.startsWith('-ERR')) throw new Error(line);
      return line === 'PONG';
    });
  }

  /** Resolves once the broker has it. */
  async publishText(topic, text) {
    this.lines.socket.write(`PUB ${topic} ${Buffer.byteLength(text)}\r\n${text}\r\n`);
    await this.#flush();
  }

  async #subjects() {
    const response = await fetch(`http://127.0.0.1:${this.monitor}/connz?subs=1&limit=10000`);
    const { connections } = await response.json();
    return connections.flatMap(({ subscriptions_list: list }) => list ?? []);
  }

  async subscriptions(topic) {
    return (await this.#subjects()).filter((subject) => subject === topic).length;
  }

  /** How many subscriptions there are at all, but for those by which Artesian asks for confirmations. */
  async all() {
    return (await this.#subjects()).filter((subject) => !subject.startsWith('_INBOX.')).length;
  }
}

class Redis extends Broker {
  static title = 'redis';
  static wildcards = ['?u', '[e]u', 'e\\u', '^u', ']'];
  static harmless = ['>'];

  command() {
    const args = ['--port', `${this.port}`, '--bind', '127.0.0.1', '--dir', this.folder, '--save', '', '--appendonly', 'no'];
    return ['redis-server', ...args];
  }

  settings() {
    return { redis: { url: `redis://127.0.0.1:${this.port}` } };
  }

  async connect() {
    const lines = new Lines(this.port);
    await lines.opened;
    this.lines?.close();
    this.lines = lines;
    return (await this.#ask('PING')) === 'PONG';
  }

  /** The answer to a command: a text, a number or a list. */
  async #ask(...words) {
    const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
    this.lines.socket.write(`*${words.length}\r\n${parts.join('')}`);
    return this.#read();
  }

  async #read() {
    const line = await this.lines.inbox.take('an answer of Redis');
    const rest = line.slice(1);
    if (line[0] === '+') return rest;
    if (line[0] === ':') return Number(rest);
    if (line[0] === '$') return this.lines.inbox.take('a text of Redis');
    if (line[0] !== '*') throw new Error(line);
    const items = [];
    for (let at = 0; at < Number(rest); at += 1) items.push(await this.#read());
    return items;
  }

  publishText(topic, text) {
    return this.#ask('PUBLISH', topic, text);
  }

  async subscriptions(topic) {
    const [, count] = await this.#ask('PUBSUB', 'NUMSUB', topic);
    return count;
  }

  async all() {
    const channels = await this.#ask('PUBSUB', 'CHANNELS');
    return channels.length + (await this.#ask('PUBSUB', 'NUMPAT'));
  }
}

export const BROKERS = [Nats, Redis];
