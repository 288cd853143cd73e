// The services by themselves: all have the same schema, and do over their own protocols what the tests
// of the gateway expect of them.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';

import { buildSchema } from 'graphql';

import { schemaOf } from '../lib/composition.js';
import { ASKED, FOLLOWED } from '../lib/contract.js';
import { types } from '../lib/schemas.js';
import { NAMES, SERVICES, Service } from '../lib/services.js';
import { TRANSPORTS } from '../lib/transports.js';

const SDL = await readFile(new URL('../services/schema.graphql', import.meta.url), 'utf8');

/** Which client speaks a protocol of a service. */
const CLIENTS = {
  'graphql-transport-ws': 'graphql-ws',
  'graphql-ws': 'subscriptions-transport-ws',
  sse: 'graphql-sse, distinct connections',
  multipart: '@apollo/client, multipart',
};

/** What libraries do in ways of their own. */
const OWN_WAYS = [
  // No queries over the legacy protocol.
  (name, transport, title) =>
    name === 'strawberry' && transport === 'subscriptions-transport-ws' && title in ASKED,
  // A body of nothing but the last boundary, which Apollo Client takes for one that was cut.
  (name, transport, title) =>
    name === 'async-graphql' && transport === '@apollo/client, multipart' && title.endsWith('completes at once'),
];

for (const name of NAMES) {
  describe(`${name}, by itself`, () => {
    const world = {};
    before(async () => (world.service = world.server = await Service.start(name)));
    after(() => world.service?.kill());

    test('its schema', async () => {
      const introspect = async () => types(await schemaOf(world.service));
      assert.deepEqual(await introspect(), types(buildSchema(SDL)));
      await world.service.extended(true);
      assert.match((await introspect()).Query, /^ {2}added: String$/m);
      await world.service.extended(false);
      assert.deepEqual(await introspect(), types(buildSchema(SDL)));
    });

    const clients = ['POST', ...SERVICES[name].protocols.map((protocol) => CLIENTS[protocol]).filter(Boolean)];
    for (const transport of clients.map((client) => TRANSPORTS[client])) {
      describe(`asked by ${transport.name}`, () => {
        for (const [title, check] of Object.entries({ ...ASKED, ...(transport.follows && FOLLOWED) })) {
          const skip = OWN_WAYS.some((own) => own(name, transport.name, title));
          test(title, { skip }, async (t) => {
            const client = transport.connect(world.server);
            t.after(() => client.close());
            await check({ ...world, client, transport });
          });
        }
        if (!transport.follows) return;

        test('whoami, headers once', async (t) => {
          const init = transport.inits ? { token: 'secret' } : undefined;
          const client = transport.connect(world.server, { headers: { 'x-me': 'me' }, init });
          t.after(() => client.close());
          await world.service.reset();
          const following = client.follow({ query: 'subscription { whoami }' });
          const { whoami } = await following.data();
          assert.deepEqual(whoami.headers.filter(([name]) => name === 'x-me'), [['x-me', 'me']]);
          assert.deepEqual(whoami.init, init ?? null);
          following.stop();
          await world.service.live(0);
          const { upgrades, inits, requests } = await world.service.state();
          assert.deepEqual([upgrades.length, inits, requests.length], init ? [1, [init], 0] : [0, [], 1]);
        });

        test('connections that are cut or closed', async (t) => {
          for (const how of [undefined, ...(transport.inits ? [{ code: 4321, reason: 'gone' }] : [])]) {
            const client = transport.connect(world.server);
            t.after(() => client.close());
            const following = client.follow({ query: 'subscription { never }' });
            await world.service.live(1, 'never');
            await world.service.close(how);
            await following.ended();
            await world.service.when('rest', ({ live, sockets, responses }) => live.length + sockets + responses === 0);
          }
        });
      });
    }
  });
}
