// Artesian as a service behind a Mercurius gateway: notes that belong to users, and the gateway in a
// process of its own.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { secret } from '../../e2e/lib/auth/keys.js';
import { Stage, bearer } from '../../e2e/lib/auth/stage.js';
import { Socket } from '../../e2e/lib/sockets.js';
import { Inbox, within } from '../../e2e/lib/wait.js';

export { LEGACY, MODERN, PROTOCOLS } from '../../e2e/lib/sockets.js';
export { bearer, notes, seconds } from '../../e2e/lib/auth/stage.js';
export { until } from '../../e2e/lib/wait.js';

export const SECRET = 'open sesame';

/** The administrator, who asks for what a role sees. */
export const asAdmin = (role) => ({ 'x-hasura-admin-secret': SECRET, ...(role && { 'x-hasura-role': role }) });

/** The configuration of a service behind a Mercurius gateway, with all that it needs. */
export const CONFIG = {
  server: { admin_secret: SECRET, websockets: { compat: ['mercurius'] } },
  auth: { jwt: { type: 'HS256', key: secret('stage') } },
  documents: { federation_subgraph: true },
};

/** A service that is ready. */
export const service = (config = CONFIG) => Stage.create(config);

const PROGRAM = fileURLToPath(new URL('./service-gateway.js', import.meta.url));
const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** The gateway's own credentials towards the service: a role that sees nothing. */
export const GATEWAY = bearer('gateway', { role: 'gateway' });

export class Gateway {
  events = new Inbox();
  #open = [];
  #log = '';

  /** A gateway whose socket to the service is acknowledged. `changes` are options of the service. */
  static async start(stage, protocol, changes = {}) {
    const gateway = new Gateway();
    const one = {
      name: 'notes',
      url: stage.server.http,
      wsUrl: stage.server.ws,
      protocol,
      init: GATEWAY,
      initHeaders: asAdmin('user'),
      ...changes,
    };
    const child = spawn(process.execPath, [PROGRAM, JSON.stringify({ services: [one] })], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(child);
    gateway.child = child;
    child.stderr.setEncoding('utf8').on('data', (text) => (gateway.#log += text));
    createInterface({ input: child.stdout }).on('line', (line) => gateway.events.put(JSON.parse(line)));
    gateway.ended = new Promise((resolve) => child.once('exit', resolve)).finally(() => running.delete(child));
    let port;
    let ready = 0;
    while (!port || !ready) {
      const event = await gateway.#event('the gateway starts');
      port ??= event.port;
      ready += event.service === 'ready' ? 1 : 0;
    }
    gateway.http = `http://127.0.0.1:${port}/graphql`;
    gateway.ws = `ws://127.0.0.1:${port}/graphql`;
    return gateway;
  }

  async #event(what) {
    const ended = this.ended.then((code) => ({ ended: code }));
    const event = await this.events.take(`${what}; its log:\n${this.#log}`, undefined, ended);
    if ('ended' in event) throw new Error(`the gateway ended with ${event.ended}:\n${this.#log}`);
    return event;
  }

  /** Waits until its socket to the service is `ready` or `closed`, which must come next. */
  async serviceIs(state) {
    const event = await this.#event(`its socket is ${state}`);
    if (event.service !== state) throw new Error(`not ${state}: ${JSON.stringify(event)}`);
  }

  /** Fails if the gateway is gone, or its socket to the service was closed since the last look. */
  unharmed() {
    if (this.child.exitCode !== null) throw new Error(`the gateway ended with ${this.child.exitCode}:\n${this.#log}`);
    if (this.events.size > 0) throw new Error(`its socket: ${JSON.stringify(this.events.history)}`);
  }

  /** A client of the gateway. */
  async client(protocol, init) {
    const socket = await Socket.open({ ws: this.ws }, protocol, { init });
    this.#open.push(socket);
    return socket;
  }

  /** The answer to a request over HTTP. */
  async post(query, headers = {}, variables = undefined) {
    const response = await fetch(this.http, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ query, variables }),
    });
    return response.json();
  }

  async close() {
    for (const socket of this.#open.splice(0)) await socket.close();
    this.child.kill('SIGKILL');
    await within('the gateway is gone', this.ended);
  }
}
