// The binary in front of services.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Server } from '../../e2e/lib/server.js';
import { until } from '../../e2e/lib/wait.js';
import { TRANSPORTS } from './transports.js';

/** A source of artesian.yaml over a service. `graphql` has what is to be said besides. */
export function sourceOf(service, { name = 'service', protocol = 'auto', subscriptions, ...more } = {}) {
  const { prefix, ...graphql } = more;
  return {
    name,
    graphql: { url: service.http, refresh: '1s', subscriptions: { protocol, ...subscriptions }, ...graphql },
    ...(prefix && { prefix }),
  };
}

export class Gateway extends Server {
  /**
   * Starts it over sources, and waits for their fields. `ready: false`: no waiting at all; `joined`: the
   * names of root fields of queries that must be there, by default one for each service.
   */
  static async start(sources, { ready = true, joined, args = [], env } = {}) {
    const folder = await mkdtemp(join(tmpdir(), 'artesian-gateway-'));
    const file = join(folder, 'artesian.yaml');
    await writeFile(file, JSON.stringify({ sources }, null, 1));
    const settings = ['--config', file, '--websocket-http2', 'true'];
    const server = await Server.start({ args: [...settings, ...args], env, ready });
    server.folder = folder;
    server.file = file;
    if (ready) {
      const fields = joined ?? sources.filter(({ graphql }) => graphql).map(({ prefix }) => `${prefix?.root_fields ?? ''}hello`);
      await fieldsOf(server, fields);
    }
    return server;
  }
}

/** Waits until these fields of queries are offered. */
export async function fieldsOf(server, fields, { are = true } = {}) {
  const client = TRANSPORTS.POST.connect(server);
  const query = '{ __schema { queryType { fields { name } } } }';
  await until(
    () => `${fields} are ${are ? '' : 'not '}offered; the log:\n${server.log}`,
    async () => {
      const { data } = await client.ask({ query });
      const names = data.__schema.queryType.fields.map(({ name }) => name);
      return fields.every((field) => names.includes(field) === are);
    },
  );
}

/** Ends it and takes its files away. */
export async function endOf(server) {
  if (!server) return;
  await server.kill();
  await rm(server.folder, { recursive: true, force: true });
}
