// Every transport of a client to every protocol of a service: the contract, over and over.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { databases } from '../../e2e/lib/databases.js';
import { ASKED, FOLLOWED } from './contract.js';
import { Gateway, endOf, sourceOf } from './gateway.js';
import { Service } from './services.js';
import { TRANSPORTS } from './transports.js';
import { UPSTREAMS } from './upstreams.js';

/** Describes the matrix for the services of these names. */
export function matrix(names) {
  for (const upstream of UPSTREAMS.filter(({ name }) => names.includes(name))) {
    describe(upstream.title, () => {
      const world = { upstream };
      before(async () => {
        world.service = await Service.start(upstream.name);
        world.database = await databases[0].create();
        const database = { name: 'default', database: { url: world.database.url } };
        const source = sourceOf(world.service, { protocol: upstream.protocol });
        world.server = await Gateway.start([database, source]);
      });
      after(async () => {
        await endOf(world.server);
        await world.database?.drop();
        await world.service?.kill();
      });

      for (const transport of Object.values(TRANSPORTS)) {
        describe(`asked by ${transport.name}`, () => {
          // Queries go over HTTP, whatever the protocol of subscriptions.
          const asked = upstream.protocol === 'auto' && ASKED;
          for (const [title, check] of Object.entries({ ...asked, ...(transport.follows && FOLLOWED) })) {
            test(title, async (t) => {
              const client = transport.connect(world.server);
              t.after(() => client.close());
              await check({ ...world, client, transport });
            });
          }

          test('a service and a database in one request', async (t) => {
            const client = transport.connect(world.server);
            t.after(() => client.close());
            const query = `query ($id: ID!) {
              node(id: $id) { ... on Book { title } }
              customer(order_by: {id: asc}, limit: 1) { name }
              failing(code: "JOINED")
              hello
            }`;
            const { data, errors } = await client.ask({ query, variables: { id: 'book:1' } });
            const wanted = { node: { title: 'Wells' }, customer: [{ name: 'Ada' }], failing: null, hello: 'Hello, world!' };
            assert.deepEqual(data, wanted);
            assert.deepEqual(Object.keys(data), Object.keys(wanted), 'the order of the request');
            assert.deepEqual(errors.map(({ path, extensions }) => [path, extensions.code]), [[['failing'], 'JOINED']]);
          });
        });
      }

      test('it is alive, and nothing is left at the service', async () => {
        await world.server.alive();
        // The schema is asked for again and again, so now and then there is a response.
        await world.service.when('rest', ({ live, responses }) => live.length + responses === 0);
      });
    });
  }
}
