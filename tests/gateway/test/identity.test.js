// Whose request it is: every service, over every protocol, hears of each client what the rules say,
// once, and nothing of anybody else.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';

import { Gateway, endOf, sourceOf } from '../lib/gateway.js';
import { ANONYMOUS, HEADERS, assertHeard, caller } from '../lib/identity.js';
import { eventsOf, rally } from '../lib/rally.js';
import { Service } from '../lib/services.js';
import { STREAMING, TRANSPORTS } from '../lib/transports.js';
import { UPSTREAMS } from '../lib/upstreams.js';

const WHOAMI = 'subscription { whoami }';
// A document that nobody has sent before: there is no plan for it yet.
const fresh = (kind) => `${kind} N${randomUUID().replaceAll('-', '')} { whoami }`;

for (const upstream of UPSTREAMS) {
  describe(upstream.title, () => {
    const world = {};
    const open = new Set();
    const connect = (name, who, own = {}) => {
      const client = TRANSPORTS[name].connect(world.server, { ...who, ...own });
      open.add(client);
      return client;
    };
    const followed = async (client, query = WHOAMI) => {
      const following = client.follow({ query });
      const { whoami } = await following.data('whoami');
      return { following, whoami };
    };
    const quiet = async () => {
      for (const client of open) await client.close();
      open.clear();
      await world.service.live(0);
    };

    before(async () => {
      world.service = await Service.start(upstream.name);
      const source = sourceOf(world.service, { protocol: upstream.protocol, headers: HEADERS });
      world.server = await Gateway.start([source]);
    });
    after(async () => {
      for (const client of open) await client.close();
      await endOf(world.server);
      await world.service?.kill();
    });

    for (const transport of Object.values(TRANSPORTS)) {
      test(`queries and mutations by ${transport.name}: cold, warm, and nobody after somebody`, async () => {
        const kinds = transport.mutates ? ['query', 'mutation'] : ['query'];
        for (const kind of kinds) {
          const query = fresh(kind);
          for (const who of [caller('ann'), caller('bob'), caller('ann'), ANONYMOUS, caller('cy')]) {
            const { data, errors } = await connect(transport.name, who).ask({ query });
            assert.equal(errors, undefined);
            // Requests have no connection_init of their own.
            assertHeard(data.whoami, who, { payload: false });
          }
        }
        await quiet();
      });
    }

    for (const transport of STREAMING) {
      test(`subscriptions by ${transport.name}: cold, warm, and nobody after somebody`, async () => {
        const query = fresh('subscription');
        for (const who of [caller('ann'), caller('bob'), caller('ann'), ANONYMOUS, caller('cy')]) {
          const mine = transport.inits ? who : { ...who, init: undefined };
          const { whoami } = await followed(connect(transport.name, mine), query);
          assertHeard(whoami, mine, { payload: upstream.socket });
          // Who comes after would share it, and hear nothing.
          await quiet();
        }
      });
    }

    const CLIENTS = STREAMING.filter(({ inits }) => inits).map(({ name }) => name);
    for (const [title, query] of [['one document', () => WHOAMI], ['a document each', () => fresh('subscription')]]) {
      test(`twenty callers at once: ${title}`, async () => {
        await world.service.reset();
        const callers = Array.from({ length: 20 }, (_, at) => caller(`${title}-${at}`.replaceAll(' ', '-')));
        const all = callers.map(async (who, at) => {
          const { name, inits } = STREAMING[at % STREAMING.length];
          const mine = inits ? who : { ...who, init: undefined };
          const { whoami } = await followed(connect(name, mine), query());
          assertHeard(whoami, mine, { payload: upstream.socket });
          const { data } = await connect(at % 2 ? 'POST' : 'GET', who).ask({ query: '{ whoami }' });
          assertHeard(data.whoami, who, { payload: false });
        });
        await Promise.all(all);
        const { live, upgrades } = await world.service.live(20);
        assert.equal(live.length, 20);
        // No socket for two of them: it was opened with the headers of one.
        if (upstream.socket) assert.equal(upgrades.length, 20);
        await quiet();
      });
    }

    test('equal operations of equal identity share one upstream; others do not', async () => {
      const topic = randomUUID();
      const follow = (name, who) => connect(name, who).follow(eventsOf(topic));
      // By headers alone, so that all transports can be the same caller.
      const same = { ...caller('ann'), init: undefined };
      // That library sends an empty payload if it has none: a different one.
      const clients = STREAMING.filter(({ name }) => name !== 'subscriptions-transport-ws');
      const mine = clients.map(({ name }) => follow(name, same));
      const bob = follow('graphql-ws', { ...caller('bob'), init: undefined });
      const nobody = follow('graphql-ws', ANONYMOUS);
      assert.equal(await rally(world.service, topic, [...mine, bob, nobody]), 3);
      bob.stop();
      await world.service.live(2);
      while (mine.length > 1) mine.pop().stop();
      assert.equal(await rally(world.service, topic, [...mine, nobody]), 2);
      mine[0].stop();
      await world.service.live(1);
      nobody.stop();
      await quiet();
    });

    test('a payload alone makes an identity', { skip: !upstream.socket }, async () => {
      const topic = randomUUID();
      const follow = (name, token) => connect(name, { init: { token } }).follow(eventsOf(topic));
      const followings = ['ann', 'bob', 'ann'].flatMap((token) => CLIENTS.map((name) => follow(name, token)));
      assert.equal(await rally(world.service, topic, followings), 2);
      await quiet();
    });
  });
}
