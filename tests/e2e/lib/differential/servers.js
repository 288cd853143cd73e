// The servers that are compared. Each gives `{ url(kind), release(key, kind), close() }`; the kinds are
// those of `tests/differential/src/main.rs`: open, guarded, hasty.

import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { execute, subscribe } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { SubscriptionServer } from 'subscriptions-transport-ws';
import { WebSocketServer } from 'ws';

import { within } from '../wait.js';
import { tiny } from './schema.js';

const target = process.env.ARTESIAN_BIN
  ? dirname(process.env.ARTESIAN_BIN)
  : fileURLToPath(new URL('../../../../target/debug', import.meta.url));

/** The real server, over the same schema in Rust. */
export async function ours() {
  const child = spawn(join(target, 'artesian-differential'), { stdio: ['pipe', 'pipe', 'inherit'] });
  const line = new Promise((resolve, reject) => {
    createInterface(child.stdout).once('line', resolve);
    child.once('error', reject);
    child.once('exit', () => reject(new Error('artesian-differential has ended')));
  });
  const ports = JSON.parse(await within('artesian-differential starts', line));
  return {
    url: (kind) => `ws://127.0.0.1:${ports[kind]}/graphql`,
    release: async (key, kind) => {
      const answer = await fetch(`http://127.0.0.1:${ports[kind]}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-hasura-admin-secret': 'open' },
        body: JSON.stringify({ query: `mutation { release(key: ${JSON.stringify(key)}) }` }),
      });
      const { data } = await answer.json();
      if (!data) throw new Error(`${key} was not released`);
    },
    close: () => child.stdin.end(),
  };
}

const secret = (params) => params?.['x-hasura-admin-secret'] ?? params?.headers?.['x-hasura-admin-secret'];

const port = (server) =>
  new Promise((resolve, reject) => {
    server.once('listening', () => resolve(server.address().port)).once('error', reject);
  });

/** npm graphql-ws, with its adapter for `ws`. */
export async function transportWs() {
  const { schema, release } = tiny();
  const options = {
    open: {},
    guarded: { onConnect: ({ connectionParams }) => secret(connectionParams) === 'open' },
    hasty: { connectionInitWaitTimeout: 1000 },
  };
  const servers = Object.entries(options).map(([kind, extra]) => {
    // One message at a time: what it causes comes before the next, however frames share packets.
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', allowSynchronousEvents: false });
    useServer({ schema, ...extra }, server);
    return [kind, server];
  });
  return references(servers, release);
}

// subscriptions-transport-ws keeps the timer of a closed connection until it fires once more, and the
// process with it.
const everlasting = globalThis.setInterval;
globalThis.setInterval = (...args) => everlasting(...args).unref();

/** npm subscriptions-transport-ws. */
export async function legacy() {
  const { schema, release } = tiny();
  const common = { schema, execute, subscribe, keepAlive: 3_600_000 };
  const options = {
    open: {},
    guarded: { onConnect: (params) => secret(params) === 'open' },
  };
  const servers = Object.entries(options).map(([kind, extra]) => [
    kind,
    SubscriptionServer.create({ ...common, ...extra }, { port: 0, host: '127.0.0.1' }).server,
  ]);
  return references(servers, release);
}

async function references(servers, release) {
  const ports = Object.fromEntries(
    await Promise.all(servers.map(async ([kind, server]) => [kind, await port(server)])),
  );
  return {
    url: (kind) => `ws://127.0.0.1:${ports[kind]}/`,
    release: async (key) => void release(key),
    close: () => {
      for (const [, server] of servers) {
        for (const client of server.clients) client.terminate();
        server.close();
      }
    },
  };
}
