// The services, each a process of its own, and what they are asked about themselves.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { until, within } from '../../e2e/lib/wait.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const target = process.env.ARTESIAN_TEST_TARGET ?? here('../../../target');
const node = (name) => [process.execPath, here(`../services/${name}.js`)];

/**
 * By name: the program, and the protocols over which its subscriptions run, as artesian.yaml calls
 * them. The first is what `auto` is to come to.
 */
export const SERVICES = {
  mercurius: { command: node('mercurius'), protocols: ['graphql-transport-ws', 'graphql-ws'] },
  'graphql-ws': { command: node('graphql-ws'), protocols: ['graphql-transport-ws'] },
  'subscriptions-transport-ws': { command: node('subscriptions-transport-ws'), protocols: ['graphql-ws'] },
  'graphql-yoga': { command: node('graphql-yoga'), protocols: ['sse', 'sse-get'] },
  strawberry: {
    command: [`${target}/venv/bin/python`, here('../services/strawberry_service.py')],
    protocols: ['graphql-transport-ws', 'graphql-ws', 'sse', 'multipart'],
  },
  'async-graphql': {
    command: [`${target}/debug/artesian-test-service`],
    protocols: ['graphql-transport-ws', 'graphql-ws', 'multipart'],
  },
};

/** Those that ARTESIAN_GATEWAY_SERVICES lists, or all. */
export const NAMES = process.env.ARTESIAN_GATEWAY_SERVICES?.split(',') ?? Object.keys(SERVICES);

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export class Service {
  static async start(name, { port } = {}) {
    const service = new Service();
    service.name = name;
    await service.#spawn(port ?? 0);
    return service;
  }

  async #spawn(port) {
    const [program, ...args] = SERVICES[this.name].command;
    const child = spawn(program, [...args, String(port)], { stdio: ['pipe', 'pipe', 'pipe'] });
    running.add(child);
    this.child = child;
    this.log = '';
    child.stderr.setEncoding('utf8').on('data', (text) => (this.log += text));
    this.exited = new Promise((resolve) => {
      child.once('error', (error) => resolve({ error }));
      child.once('close', (code, signal) => resolve({ code, signal }));
    });
    this.exited.then(() => running.delete(child));
    const line = new Promise((resolve) => createInterface({ input: child.stdout }).once('line', resolve));
    const gone = this.exited.then((how) => {
      throw new Error(`${this.name} ended: ${JSON.stringify({ ...how, error: how.error?.message })}\n${this.log}`);
    });
    gone.catch(() => {});
    ({ port: this.port } = JSON.parse(await within(`${this.name} says its port`, Promise.race([line, gone]), 60_000)));
    this.base = `http://127.0.0.1:${this.port}`;
    this.http = `${this.base}/graphql`;
    this.ws = `ws://127.0.0.1:${this.port}/graphql`;
  }

  /** Ends it at once, as a crash would. */
  async kill() {
    this.child.kill('SIGKILL');
    await within(`${this.name} is gone`, this.exited);
  }

  /** Starts it again, on the same port, with nothing remembered. */
  async restart() {
    await this.#spawn(this.port);
  }

  async #control(name, body) {
    const response = await fetch(`${this.base}/control/${name}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body ?? {}),
    });
    if (!response.ok) throw new Error(`/control/${name}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  /** `{upgrades, requests, inits, fields, live, sockets, responses}`; see services/state.js. */
  state() {
    return this.#control('state');
  }

  /** Gives to how many subscriptions the event went. */
  async publish(topic, value) {
    return (await this.#control('publish', { topic, value })).listeners;
  }

  /** Closes all sockets with this code, or cuts all connections without one. */
  close(how) {
    return this.#control('close', how);
  }

  /** Forgets what came so far; what is open stays. */
  reset() {
    return this.#control('reset');
  }

  /** Whether `Query.added` is there. */
  extended(extended) {
    return this.#control('schema', { extended });
  }

  /** What `Query.nothing` gives from now on; npm's services only. */
  set(nothing) {
    return this.#control('set', { nothing });
  }

  /** Waits until the state is as is wanted, and gives it. */
  async when(what, check) {
    let last;
    return until(
      () => `${this.name}: ${what}; its state: ${JSON.stringify(last).slice(0, 2000)}`,
      async () => {
        last = await this.state();
        return check(last) && last;
      },
    );
  }

  /** Waits until so many sources of subscriptions are open. */
  live(count, field) {
    const of = (state) => state.live.filter((entry) => !field || entry.field === field);
    return this.when(`${count} live ${field ?? 'subscriptions'}`, (state) => of(state).length === count);
  }
}
