// The real binary, started as a user would.

import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

import { LIMIT, until, within } from './wait.js';

export const BIN =
  process.env.ARTESIAN_BIN ?? fileURLToPath(new URL('../../../target/debug/artesian', import.meta.url));

/** Polling of PostgreSQL, in ms: short, so that tests do not wait. */
export const INTERVAL = 50;

/** A listener, or undefined if there is one already. */
const listenAt = (...where) =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => (error.code === 'EADDRINUSE' ? resolve() : reject(error)));
    server.listen(...where, () => resolve(server));
  });

/**
 * A port that stays free until something is told to listen on it, also between two starts of that. The
 * system gives it to nobody who asks for any (ip(7), ip_local_port_range), and no other process of the
 * tests takes it: a name in the abstract namespace (unix(7)) is held until this process ends.
 */
export async function freePort() {
  const range = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8');
  // Above the last port that `fetch` and browsers refuse, 10080 (Fetch Standard, "port blocking").
  // A machine that gives away nearly all ports has none to keep apart: then as if it were Linux's default.
  const [first, end] = [10_081, Math.max(Number(range.split(/\s/)[0]), 32_768)];
  for (let tries = 0; tries < 1000; tries += 1) {
    const port = first + Math.floor(Math.random() * (end - first));
    const name = await listenAt(`\0artesian-tests-port-${port}`);
    if (!name) continue;
    name.unref();
    const server = await listenAt(port, '127.0.0.1');
    if (!server) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
  throw new Error(`no port is free between ${first} and ${end}`);
}

// Nothing of the tester's environment may reach the server.
function environment(extra) {
  const kept = Object.entries(process.env).filter(([name]) => !/^(ARTESIAN|HASURA|PG)/.test(name));
  return { ...Object.fromEntries(kept), ...extra };
}

/** The text that is there, over a connection that does not stay. */
function readOnce(url) {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece) => (text += piece));
      response.on('end', () => resolve(text)).on('error', reject);
    });
    request.on('error', reject);
  });
}

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export class Server {
  /** Starts the binary. Unless `ready` is false it is waited for. */
  static async start({ url, args = [], env = {}, port, ready = true }) {
    const server = new Server();
    server.port = port ?? (await freePort());
    server.base = `http://127.0.0.1:${server.port}`;
    server.http = `${server.base}/graphql`;
    server.ws = `ws://127.0.0.1:${server.port}/graphql`;
    server.options = { url, args, env };
    server.log = '';
    server.#spawn();
    if (ready) await server.ready();
    return server;
  }

  #spawn() {
    const { url, args, env } = this.options;
    const all = ['serve', '--listen', `127.0.0.1:${this.port}`];
    // The sources may be in a file.
    if (url) all.push('--database-url', url);
    all.push('--live-queries-multiplexed-refetch-interval', String(INTERVAL));
    // Tests cut off hundreds of sockets, which would make legacy clients wait.
    if (!args.some((arg) => arg.startsWith('--legacy-ack-delay'))) all.push('--legacy-ack-delay', '0');
    all.push(...args);
    const child = spawn(BIN, all, { stdio: ['ignore', 'pipe', 'pipe'], env: environment(env) });
    running.add(child);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (this.log += text));
    }
    this.child = child;
    this.exited = new Promise((resolve) => {
      child.once('error', (error) => resolve({ error }));
      child.once('close', (code, signal) => {
        running.delete(child);
        resolve({ code, signal });
      });
    });
    this.isOver = false;
    this.exited.then(() => (this.isOver = true));
  }

  async ready() {
    await until(
      () => `the server answers; its log:\n${this.log}`,
      async () => {
        if (this.isOver) return true;
        return (await fetch(`${this.base}/healthz`)).ok;
      },
    );
    if (this.isOver) throw new Error(`the server ended: ${JSON.stringify(await this.exited)}\n${this.log}`);
  }

  /** Ends it at once, as a crash would. */
  async kill() {
    this.child.kill('SIGKILL');
    await within('the killed server is gone', this.exited);
  }

  /** Ends it as an operator would. */
  async stop(limit = LIMIT) {
    this.child.kill('SIGTERM');
    return within('the server ends after SIGTERM', this.exited, limit);
  }

  /** Starts it again, on the same port. */
  async restart() {
    this.#spawn();
    await this.ready();
  }

  /** A request over plain HTTP. */
  async post(query, variables, headers = {}) {
    const response = await fetch(this.http, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ query, variables }),
    });
    return { status: response.status, type: response.headers.get('content-type'), ...(await response.json()) };
  }

  /** `data` of a query that must succeed. */
  async data(query, variables, headers) {
    const { data, errors } = await this.post(query, variables, headers);
    if (errors) throw new Error(`${query}: ${JSON.stringify(errors)}`);
    return data;
  }

  /** Every sample of `/metrics`: a map from `name{labels}` to the number. */
  async metrics() {
    const text = await readOnce(`${this.base}/metrics`);
    const samples = new Map();
    for (const line of text.split('\n')) {
      const found = /^([^#\s][^\s{]*(?:\{.*\})?) (\S+)/.exec(line);
      if (found) samples.set(found[1], Number(found[2]));
    }
    return samples;
  }

  /** The sum of all samples of a name whose labels include these. */
  async metric(name, labels = {}) {
    const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
    let sum = 0;
    for (const [key, value] of await this.metrics()) {
      const isName = key === name || key.startsWith(`${name}{`);
      if (isName && wanted.every((label) => key.includes(label))) sum += value;
    }
    return sum;
  }

  /** Fails unless the process that was started is still the one that answers. */
  async alive() {
    if (this.isOver) throw new Error(`the server is gone: ${JSON.stringify(await this.exited)}\n${this.log}`);
    if (/panicked/.test(this.log)) throw new Error(`the server panicked:\n${this.log}`);
    const { status } = await fetch(`${this.base}/healthz`);
    if (status !== 200) throw new Error(`/healthz answers ${status}`);
  }

  /** Resident memory in MiB: now, and the most since `clearPeak`. */
  async memory() {
    const status = await readFile(`/proc/${this.child.pid}/status`, 'utf8');
    const of = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)[1]) / 1024;
    return { now: of('VmRSS'), peak: of('VmHWM') };
  }

  /** Forgets the peak (proc(5), clear_refs). */
  async clearPeak() {
    await writeFile(`/proc/${this.child.pid}/clear_refs`, '5');
  }

  /** Time of the processor that the process has used so far, in ms (proc(5), stat; ticks of 10 ms). */
  async processorTime() {
    const stat = await readFile(`/proc/${this.child.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return 10 * (Number(fields[11]) + Number(fields[12]));
  }

  /** Waits until nobody follows anything any more. */
  subscribers(count) {
    return until(
      `${count} live subscribers`,
      async () => (await this.metric('artesian_live_subscribers')) === count,
    );
  }
}
