// Live queries over services that only answer queries: asked again and again, once for all who are equal.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';

import { databases } from '../../e2e/lib/databases.js';
import { until } from '../../e2e/lib/wait.js';
import { schemaOf } from '../lib/composition.js';
import { Gateway, endOf, sourceOf } from '../lib/gateway.js';
import { Service } from '../lib/services.js';
import { STREAMING, TRANSPORTS } from '../lib/transports.js';

const INTERVAL = 30;
const LIVE = { interval: '1h', min_interval: 10, fields: { 'Query.nothing': INTERVAL, 'Query.whoami': INTERVAL } };
/** The two ways to ask for the same. Apollo's link streams subscriptions only. */
const FORMS = { '@live': 'query @live { nothing }', subscription: 'subscription { nothing }' };
const speaks = (transport, form) => form === 'subscription' || transport.names;

const polls = (server, source = 'service') => server.metric('artesian_upstream_subscriptions', { source, kind: 'poll' });
const polled = (server, count) => until(`${count} polled queries`, async () => (await polls(server)) === count);

for (const name of ['graphql-ws', 'graphql-yoga', 'mercurius']) {
  describe(`over ${name}`, () => {
    const world = {};
    before(async () => {
      world.service = await Service.start(name);
      // It has subscriptions, which are of no use here.
      world.server = await Gateway.start([sourceOf(world.service, { protocol: 'none', live: LIVE })]);
    });
    after(async () => {
      await endOf(world.server);
      await world.service?.kill();
    });

    for (const transport of STREAMING) {
      for (const form of Object.keys(FORMS).filter((form) => speaks(transport, form))) {
        test(`${form}, by ${transport.name}`, async (t) => {
          const { service, server } = world;
          await service.set('one');
          const client = transport.connect(server);
          t.after(() => client.close());
          const following = client.follow({ query: FORMS[form] });
          assert.deepEqual(await following.data(), { nothing: 'one' });
          for (const value of ['two', null, 'three']) {
            const unchanged = () => server.metric('artesian_upstream_polls_total', { source: 'service', result: 'unchanged' });
            const before = await unchanged();
            await until('it was asked again, for nothing', async () => (await unchanged()) > before);
            await service.set(value);
            // Had it told of those runs, they would come first.
            assert.deepEqual(await following.data(), { nothing: value });
          }
          following.stop();
          await polled(server, 0);
          assert.deepEqual(following.after, []);
        });
      }
    }

    test('all who ask for the same share, in whatever form and over whatever transport', async (t) => {
      const { service, server } = world;
      await service.set('shared');
      const clients = STREAMING.map((transport) => [transport, transport.connect(server)]);
      t.after(() => Promise.all(clients.map(([, client]) => client.close())));
      const forms = Object.keys(FORMS);
      const followings = clients.flatMap(([transport, client]) =>
        forms.filter((form) => speaks(transport, form)).map((form) => client.follow({ query: FORMS[form] })),
      );
      for (const following of followings) assert.deepEqual(await following.data(), { nothing: 'shared' });
      assert.equal(await polls(server), 1);
      await service.set('changed');
      for (const following of followings) assert.deepEqual(await following.data(), { nothing: 'changed' });
      followings.forEach((following) => following.stop());
      await polled(server, 0);
    });
  });
}

describe('whom a live query is for', () => {
  const world = {};
  before(async () => {
    world.service = await Service.start('graphql-yoga');
    const permissions = [{ role: 'guest', exclude: ['Query.whoami'] }];
    const headers = { forward: ['x-token'] };
    const source = sourceOf(world.service, { protocol: 'none', live: LIVE, permissions, headers });
    world.server = await Gateway.start([source], { args: ['--admin-secret', 'secret', '--unauthorized-role', 'guest'], ready: false });
    await world.server.ready();
  });
  after(async () => {
    await endOf(world.server);
    await world.service?.kill();
  });

  test('each identity is asked for by itself', async (t) => {
    const { server } = world;
    const tokens = ['a', 'b', 'a'];
    const ask = (token) => ({ 'x-hasura-admin-secret': 'secret', 'x-token': token });
    const clients = tokens.map((token) => TRANSPORTS['graphql-ws'].connect(server, { headers: ask(token) }));
    t.after(() => Promise.all(clients.map((client) => client.close())));
    const followings = clients.map((client) => client.follow({ query: 'subscription { whoami }' }));
    for (const [at, following] of followings.entries()) {
      const { whoami } = await following.data();
      assert.deepEqual(whoami.headers.filter(([name]) => name === 'x-token'), [['x-token', tokens[at]]]);
    }
    assert.equal(await polls(server), 2);
    followings.forEach((following) => following.stop());
    await polled(server, 0);
  });

  test('a role that may not ask may not subscribe', async () => {
    const { server } = world;
    const fields = async (headers) => Object.keys((await schemaOf(server, { headers })).getSubscriptionType().getFields());
    // The service's own subscriptions are not there: they would all fail.
    assert.deepEqual((await fields({ 'x-hasura-admin-secret': 'secret' })).sort(), ['nothing', 'whoami']);
    assert.deepEqual(await fields({}), ['nothing']);
  });
});

test('a service and a database in one live query', async (t) => {
  const database = await databases[0].create();
  const service = await Service.start('graphql-ws');
  const sources = [{ name: 'default', database: { url: database.url } }, sourceOf(service, { protocol: 'none', live: LIVE })];
  const server = await Gateway.start(sources, { joined: ['nothing'] });
  t.after(async () => {
    await endOf(server);
    await service.kill();
    await database.drop();
  });
  await service.set('1');
  const client = TRANSPORTS['graphql-ws'].connect(server);
  t.after(() => client.close());
  const following = client.follow({ query: 'query @live { nothing customer(where: {id: {_eq: 1}}) { name } }' });
  assert.deepEqual(await following.data(), { nothing: '1', customer: [{ name: 'Ada' }] });
  await database.write("update customer set name = 'Adah' where id = 1");
  assert.deepEqual(await following.data(), { nothing: '1', customer: [{ name: 'Adah' }] });
  await service.set('2');
  assert.deepEqual(await following.data(), { nothing: '2', customer: [{ name: 'Adah' }] });
  const { subscription_root: root } = (await schemaOf(server)).getTypeMap();
  assert.ok(root.getFields().nothing && root.getFields().customer);
});

/** A service by hand: `answer` gives `[status, body]`. */
async function scripted(t, answer) {
  const server = createServer((request, response) => {
    const [status, body] = answer();
    request.resume();
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.closeAllConnections?.() ?? server.close());
  return { http: `http://127.0.0.1:${server.address().port}/graphql` };
}

test('a failure is told once, and the query goes on; a refusal ends it', async (t) => {
  const types = [{ kind: 'SCALAR', name: 'String' }, { kind: 'OBJECT', name: 'Query', fields: [{ name: 'a', args: [], type: { kind: 'SCALAR', name: 'String' } }], interfaces: [] }];
  const introspection = { data: { __schema: { queryType: { name: 'Query' }, types, directives: [] } } };
  let isRead = false;
  let answer = () => {
    isRead = true;
    return [200, introspection];
  };
  let asked = 0;
  const service = await scripted(t, () => {
    asked += 1;
    return answer();
  });
  const live = { fields: { 'Query.a': 20 }, min_interval: 10 };
  const server = await Gateway.start([sourceOf(service, { protocol: 'none', refresh: '1h', live })], { joined: ['a'] });
  t.after(() => endOf(server));
  assert.ok(isRead);
  const client = TRANSPORTS['graphql-ws'].connect(server);
  t.after(() => client.close());
  const again = async (times) => {
    const before = asked;
    await until('it was asked some times', () => asked >= before + times);
  };

  answer = () => [200, { data: { a: 'one' } }];
  const following = client.follow({ query: 'subscription { a }' });
  assert.deepEqual(await following.data(), { a: 'one' });
  answer = () => [200, { data: { a: null }, errors: [{ message: 'sour', path: ['a'], extensions: { code: 'SOUR' } }] }];
  const sour = (await following.inbox.take()).next;
  assert.deepEqual([sour.data, sour.errors[0].message, sour.errors[0].extensions.code], [{ a: null }, 'sour', 'SOUR']);
  answer = () => [500, 'broken'];
  const broken = (await following.inbox.take()).next;
  assert.deepEqual([broken.data, broken.errors.length], [{ a: null }, 1]);
  await again(3);
  answer = () => [200, { data: { a: 'two' } }];
  assert.deepEqual(await following.data('the next change, after one error'), { a: 'two' });
  answer = () => [401, { errors: [{ message: 'who are you?', extensions: { code: 'UNAUTHENTICATED' } }] }];
  const events = await following.all();
  assert.deepEqual(events.map((event) => Object.keys(event)[0]), ['error']);
  assert.match(JSON.stringify(events), /who are you|UNAUTHENTICATED/);
  await polled(server, 0);
});
