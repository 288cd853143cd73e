// Ways of telling a service of a client over sockets: the connectionInit extension over one shared
// socket of Mercurius, a socket for each client, and nothing.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, test } from 'node:test';

import { Gateway, endOf, sourceOf } from '../lib/gateway.js';
import { marksOf } from '../lib/identity.js';
import { eventsOf, rally } from '../lib/rally.js';
import { Service } from '../lib/services.js';
import { TRANSPORTS } from '../lib/transports.js';
import { UPSTREAMS } from '../lib/upstreams.js';

const WHOAMI = { query: 'subscription { whoami }' };
const CLIENTS = ['graphql-ws', 'subscriptions-transport-ws', 'graphql-ws, HTTP/2'];

/** A service and a gateway before it for all tests of a block, and clients that end with a test. */
function scene(name, options) {
  const world = {};
  before(async () => {
    world.service = await Service.start(name);
    world.server = await Gateway.start([sourceOf(world.service, options)]);
  });
  after(async () => {
    await endOf(world.server);
    await world.service?.kill();
  });
  const open = [];
  afterEach(async () => {
    for (const client of open.splice(0)) await client.close();
    await world.service.live(0);
  });
  world.client = (transport, who) => {
    const client = TRANSPORTS[transport].connect(world.server, who);
    open.push(client);
    return client;
  };
  world.whoami = async (transport, who) => {
    // A name of its own: nobody shares it, and so it has an event of its own.
    const query = `subscription N${randomUUID().replaceAll('-', '')} { whoami }`;
    return (await world.client(transport, who).follow({ query }).data('whoami')).whoami;
  };
  return world;
}

const sockets = UPSTREAMS.filter(({ socket, protocol }) => socket && protocol !== 'auto');

for (const upstream of sockets.filter(({ name }) => name === 'mercurius')) {
  describe(`extension: ${upstream.title}`, () => {
    const GATEWAY = { gateway: 'artesian' };
    const world = scene('mercurius', {
      protocol: upstream.protocol,
      headers: { forward: ['authorization'] },
      subscriptions: { connection_init: 'extension', init_payload: GATEWAY },
    });

    test('one socket for all, with the gateway’s payload, and each operation with its client’s', async () => {
      await world.service.reset();
      const names = Array.from({ length: 20 }, (_, at) => `caller-${at}`);
      const heard = await Promise.all(
        names.map((token, at) => {
          const who = { init: { token }, headers: { authorization: `Bearer ${token}` } };
          return world.whoami(CLIENTS[at % CLIENTS.length], who);
        }),
      );
      assert.deepEqual(heard.map(({ init }) => init), names.map((token) => ({ token })));
      const { upgrades, inits, sockets: count } = await world.service.state();
      assert.deepEqual([upgrades.length, count], [1, 1]);
      assert.deepEqual(inits[0], GATEWAY);
      assert.equal(inits.length, 21);
      // The socket is nobody's.
      assert.deepEqual(marksOf(upgrades[0]).authorization, []);
    });

    test('who has no payload gets nobody else’s', async () => {
      const ann = await world.whoami('graphql-ws', { init: { token: 'ann' } });
      const nobody = await world.whoami('graphql-ws');
      const stream = await world.whoami('graphql-sse, distinct connections');
      assert.deepEqual(ann.init, { token: 'ann' });
      // The socket's own, or an empty one: not that of a client.
      for (const { init } of [nobody, stream]) assert.equal(init?.token, undefined);
    });

    test('equal operations with different payloads are different', async () => {
      const topic = randomUUID();
      const follow = (token) => world.client('graphql-ws', { init: { token } }).follow(eventsOf(topic));
      const [ann, ann2, bob] = ['ann', 'ann', 'bob'].map(follow);
      assert.equal(await rally(world.service, topic, [ann, ann2, bob]), 2);
      ann.stop();
      assert.equal(await rally(world.service, topic, [ann2, bob]), 2);
      ann2.stop();
      await world.service.live(1);
      assert.equal(await rally(world.service, topic, [bob]), 1);
    });

    test('a client that the service refuses has an error of its own', async () => {
      const topic = randomUUID();
      const ann = world.client('graphql-ws', { init: { token: 'ann' } }).follow(eventsOf(topic));
      await rally(world.service, topic, [ann]);
      for (const transport of CLIENTS) {
        const events = await world.client(transport, { init: { refuse: true } }).follow(WHOAMI).all();
        const errors = events.flatMap(({ error, next }) => error ?? next?.errors ?? []);
        assert.deepEqual(errors.map(({ message }) => message), ['Forbidden'], transport);
      }
      assert.equal(await rally(world.service, topic, [ann]), 1);
      assert.equal((await world.service.state()).sockets, 1);
    });
  });
}

for (const upstream of sockets) {
  describe(`per-client: ${upstream.title}`, () => {
    const world = scene(upstream.name, {
      protocol: upstream.protocol,
      headers: { forward: ['authorization'] },
      timeouts: { idle: '200ms' },
      subscriptions: { connection_init: 'per-client', payload: { token: '{{connection_init.token}}', list: [1] } },
    });

    test('a socket for each identity, shared by what is equal; it closes when it is not needed', async () => {
      await world.service.reset();
      const topics = [randomUUID(), randomUUID()];
      const tokens = ['ann', 'ann', 'bob'];
      const clients = tokens.map((token, at) => world.client(CLIENTS[at], { init: { token, other: 'left out' } }));
      for (const topic of topics) {
        const followings = clients.map((client) => client.follow(eventsOf(topic)));
        assert.equal(await rally(world.service, topic, followings), 2);
      }
      const { upgrades, inits, live, sockets: count } = await world.service.state();
      assert.deepEqual([upgrades.length, count, live.length], [2, 2, 4]);
      const byToken = inits.toSorted((a, b) => a.token.localeCompare(b.token));
      assert.deepEqual(byToken, ['ann', 'bob'].map((token) => ({ token, list: [1] })));
      for (const client of clients) await client.close();
      await world.service.when('no sockets', ({ sockets: open }) => open === 0);
    });
  });

  describe(`refused: ${upstream.title}`, () => {
    const world = scene(upstream.name, { protocol: upstream.protocol });

    for (const transport of CLIENTS) {
      test(`${transport}: an error, and nobody else is harmed`, async () => {
        const topic = randomUUID();
        const ann = world.client('graphql-ws', { init: { token: 'ann' } }).follow(eventsOf(topic));
        await rally(world.service, topic, [ann]);
        const events = await world.client(transport, { init: { refuse: true } }).follow(WHOAMI).all();
        assert.ok(!events.some(({ next, complete }) => next?.data || (complete && events.length === 1)), JSON.stringify(events));
        assert.equal(await rally(world.service, topic, [ann]), 1);
      });
    }
  });

  describe(`none: ${upstream.title}`, () => {
    const world = scene(upstream.name, {
      protocol: upstream.protocol,
      headers: { forward: ['authorization'] },
      subscriptions: { connection_init: 'none', init_payload: { gateway: 'artesian' } },
    });

    test('no client’s payload is passed on; headers are', async () => {
      for (const transport of CLIENTS) {
        const who = { init: { token: 'ann' }, headers: { authorization: `Bearer ${transport}` } };
        const whoami = await world.whoami(transport, who);
        assert.deepEqual(whoami.init, { gateway: 'artesian' });
        assert.deepEqual(marksOf(whoami).authorization, [`Bearer ${transport}`]);
      }
    });
  });
}
