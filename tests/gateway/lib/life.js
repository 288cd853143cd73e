// Services that are not there, come back, are cut off, or change, under running subscriptions.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';

import { databases } from '../../e2e/lib/databases.js';
import { freePort } from '../../e2e/lib/server.js';
import { Gateway, endOf, fieldsOf, sourceOf } from './gateway.js';
import { eventsOf, rally } from './rally.js';
import { Service } from './services.js';
import { STREAMING, TRANSPORTS } from './transports.js';
import { UPSTREAMS } from './upstreams.js';

export const RETRY = { first: '20ms', longest: '100ms' };
export const CIRCUIT = { failures: 1000 };

/** Strawberry's legacy handler sends `complete` for each operation when its socket is closed. */
const completes = ({ name, protocol }) => name === 'strawberry' && protocol === 'graphql-ws';
const SKIP = 'the service completes its operations itself';

/** Describes it for the services of these names. */
export function life(names) {
  const upstreams = UPSTREAMS.filter(({ name }) => names.includes(name));
  for (const upstream of upstreams) {
    describe(upstream.title, () => {
      const world = {};
      const clients = [];
      const followEach = (topic) =>
        STREAMING.map((transport) => {
          const client = transport.connect(world.server);
          clients.push(client);
          return client.follow(eventsOf(topic));
        });
      before(async () => {
        world.database = await databases[0].create();
        world.service = await Service.start(upstream.name, { port: await freePort() });
        world.server = await Gateway.start([
          { name: 'default', database: { url: world.database.url } },
          sourceOf(world.service, { protocol: upstream.protocol, retry: RETRY, circuit: CIRCUIT }),
        ]);
      });
      after(async () => {
        for (const client of clients) await client.close();
        await endOf(world.server);
        await world.service?.kill();
        await world.database?.drop();
      });

      const skip = completes(upstream) && SKIP;
      test('connections that are cut: every client’s subscription goes on', { skip }, async () => {
        const topic = randomUUID();
        const followings = followEach(topic);
        const count = await rally(world.service, topic, followings);
        for (const how of [undefined, ...(upstream.socket ? [{ code: 1001, reason: 'going away' }, { code: 1012 }] : [])]) {
          await world.service.close(how);
          assert.equal(await rally(world.service, topic, followings), count);
        }
        followings.forEach((following) => following.stop());
        await world.service.live(0);
      });

      test('the service restarts: the same, and queries have errors meanwhile', async () => {
        const topic = randomUUID();
        const followings = followEach(topic);
        const count = await rally(world.service, topic, followings);
        await world.service.kill();
        const client = TRANSPORTS.POST.connect(world.server);
        const query = '{ hello customer(where: {id: {_eq: 1}}) { name } }';
        const { data, errors } = await client.ask({ query });
        assert.equal(data?.hello ?? null, null);
        assert.ok(errors.length > 0);
        await world.service.restart();
        assert.equal(await rally(world.service, topic, followings), count);
        followings.forEach((following) => following.stop());
        await world.service.live(0);
        const wanted = { hello: 'Hello, world!', customer: [{ name: 'Ada' }] };
        assert.deepEqual((await client.ask({ query })).data, wanted);
      });

      test('the schema changes under running subscriptions', async () => {
        const topic = randomUUID();
        const followings = followEach(topic);
        const count = await rally(world.service, topic, followings);
        for (const extended of [true, false]) {
          await world.service.extended(extended);
          await fieldsOf(world.server, ['added'], { are: extended });
          const { data, errors } = await TRANSPORTS.POST.connect(world.server).ask({ query: '{ hello added }' });
          if (extended) assert.deepEqual(data, { hello: 'Hello, world!', added: 'yes' });
          else assert.ok(errors.length > 0 && !data);
          assert.equal(await rally(world.service, topic, followings), count);
        }
        followings.forEach((following) => following.stop());
        await world.service.live(0);
      });
    });
  }

  for (const policy of ['error', 'end']) {
    for (const upstream of upstreams.filter(({ protocol }) => protocol !== 'auto')) {
      const skip = policy === 'error' && completes(upstream) && SKIP;
      test(`reconnect: ${policy}, ${upstream.title}`, { skip }, async (t) => {
        const service = await Service.start(upstream.name);
        t.after(() => service.kill());
        const source = sourceOf(service, { protocol: upstream.protocol, subscriptions: { reconnect: policy }, retry: RETRY });
        const server = await Gateway.start([source]);
        t.after(() => endOf(server));
        const topic = randomUUID();
        const followings = STREAMING.map((transport) => {
          const client = transport.connect(server);
          t.after(() => client.close());
          return client.follow(eventsOf(topic));
        });
        await rally(service, topic, followings);
        await service.close();
        for (const [at, following] of followings.entries()) {
          const { name } = STREAMING[at];
          if (policy === 'error') {
            // An error, which is the end or comes as a result.
            const event = await following.inbox.take('an error');
            assert.ok((event.error ?? event.next?.errors)?.length > 0, `${name}: ${JSON.stringify(event)}`);
          }
          if (policy === 'end') {
            const events = await following.all();
            assert.ok(!events.some(({ next }) => next?.data), `${name}: ${JSON.stringify(events)}`);
          }
        }
        followings.forEach((following) => following.stop());
        await service.live(0);
        await server.alive();
      });
    }
  }
}
