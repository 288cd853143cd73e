// Subscriptions that a message broker feeds, through the real binary with real brokers: what comes,
// what must not come, who may ask, and what happens when the broker goes.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';

import { schemaOf } from '../lib/composition.js';
import { BROKERS } from '../lib/brokers.js';
import { ADMIN, EventsStage, bearerOf, userOf } from '../lib/events-stage.js';
import { STREAMING, TRANSPORTS } from '../lib/transports.js';
import { until } from '../../e2e/lib/wait.js';

const MINE = 'subscription { mine { id status } }';
const CHANGED = 'subscription ($region: String!) { changed(region: $region) { id total } }';
const changed = (region) => ({ query: CHANGED, variables: { region } });
const by = (name) => STREAMING.find((transport) => transport.name === name);

/** The errors that ended a subscription, or that came instead of a value. */
async function refusal(following, what = 'a refusal') {
  const { next, error, lost } = await following.inbox.take(what);
  assert.equal(lost, undefined);
  const errors = error ?? next.errors;
  assert.ok(errors?.length > 0 && !next?.data, `${what}: ${JSON.stringify({ next, error })}`);
  for (const { extensions } of errors) assert.equal(typeof extensions?.code, 'string', 'it has a code');
  return errors[0];
}

for (const Broker of BROKERS) {
  describe(Broker.title, () => {
    let broker;
    let stage;
    const open = new Set();
    const connect = (who, transport = by('graphql-ws')) => {
      const client = transport.connect(stage.server, who);
      open.add(client);
      return client;
    };
    const follow = (who, body, transport) =>
      connect(who, transport).follow(typeof body === 'string' ? { query: body } : body);

    before(async () => {
      broker = await Broker.create();
      stage = await EventsStage.start(broker);
    });
    afterEach(async () => {
      for (const client of open) await client.close();
      open.clear();
      await until('nobody reads from the broker any more', async () => (await broker.all()) === 0);
      await stage.server.alive();
    });
    after(async () => {
      for (const client of open) await client.close();
      await stage?.end();
      await broker?.remove();
    });

    for (const transport of STREAMING) {
      test(`events come by ${transport.name}, in order, cut to what was selected`, async () => {
        const following = follow(userOf('ada'), changed('eu'), transport);
        await broker.subscribed('changed.eu');
        for (let id = 1; id <= 20; id += 1) await broker.publish('changed.eu', { id, total: id / 2, status: 'unasked' });
        for (let id = 1; id <= 20; id += 1) {
          // GraphQL's ID is a string, whatever the message has.
          assert.deepEqual(await following.data(`event ${id}`), { changed: { id: `${id}`, total: id / 2 } });
        }
        following.stop();
        await broker.subscribed('changed.eu', 0);
      });

      for (const [how, whoOf] of [['the admin secret', userOf], ['a token', bearerOf]]) {
        test(`topics by ${how} and ${transport.name}: nobody hears another user's events`, async () => {
          const ada = follow(whoOf('ada'), MINE, transport);
          const bob = follow(whoOf('bob'), MINE, transport);
          await broker.subscribed('mine.ada');
          await broker.subscribed('mine.bob');
          await broker.publish('mine.bob', { id: 'b1' });
          await broker.publish('mine.ada', { id: 'a1' });
          await broker.publish('mine.bob', { id: 'b2' });
          await broker.publish('mine.ada', { id: 'a2' });
          for (const [name, following] of [['a', ada], ['b', bob]]) {
            // What was for the other one would have come first.
            for (const at of [1, 2]) assert.deepEqual(await following.data(), { mine: { id: `${name}${at}`, status: null } });
            assert.equal(following.inbox.size, 0);
          }
        });
      }

      test(`refused by ${transport.name}: no variable, no region, no permission`, async () => {
        const nameless = { headers: { ...userOf('x').headers } };
        delete nameless.headers['x-hasura-user-id'];
        const missing = await refusal(follow(nameless, MINE, transport));
        assert.match(missing.message, /x-hasura-user-id/i);
        const regional = 'subscription { regional(region: "eu") { id } }';
        for (const who of [userOf('ada'), userOf('ada', { region: 'us' })]) {
          const { extensions } = await refusal(follow(who, regional, transport));
          assert.equal(extensions.code, 'permission-error');
        }
        const staff = await refusal(follow(userOf('ada'), 'subscription { staff { id } }', transport));
        assert.equal(staff.extensions.code, 'validation-failed');
        assert.equal(await broker.all(), 0, 'the broker has heard of none of it');
      });
    }

    test('what an argument says is never a wildcard or a part of another topic', async () => {
      const client = connect(userOf('ada'));
      for (const region of ['*', 'e*', 'eu.de', 'eu.*', '', ' ', 'e u', 'eu\r\nPUB a 0', '\u0000', ...Broker.wildcards]) {
        const { message } = await refusal(client.follow(changed(region)), `${JSON.stringify(region)} is refused`);
        assert.match(message, /args\.region/);
        if (region.length > 3) assert.ok(!message.includes(region), 'the value is not repeated');
      }
      assert.equal(await broker.all(), 0);
      // The same for session variables, which may come from users' names.
      for (const name of ['*', 'ada.b', ...Broker.wildcards]) await refusal(follow(userOf(name), MINE), name);
      assert.equal(await broker.all(), 0);
    });

    test("other brokers' wildcards are characters", async () => {
      const [odd] = Broker.harmless;
      const following = follow(userOf('ada'), changed(odd));
      await broker.subscribed(`changed.${odd}`);
      await broker.publish('changed.eu', { id: 1 });
      await broker.publish(`changed.${odd}`, { id: 2 });
      assert.deepEqual(await following.data(), { changed: { id: '2', total: null } });
    });

    test('a region of their own lets them in, and only there', async () => {
      const eu = 'subscription { regional(region: "eu") { id } }';
      const following = follow(userOf('ada', { region: 'eu' }), eu);
      await broker.subscribed('regional.eu');
      await broker.publish('regional.us', { id: 1 });
      await broker.publish('regional.eu', { id: 2 });
      assert.deepEqual(await following.data(), { regional: { id: '2' } });
    });

    test('`roles`: others do not see the field, those named get its events', async () => {
      const fieldsOf = async (who) => {
        const client = connect(who, TRANSPORTS.POST);
        const query = '{ __schema { subscriptionType { fields { name } } } }';
        const { data, errors } = await client.ask({ query });
        assert.equal(errors, undefined);
        return data.__schema.subscriptionType.fields.map(({ name }) => name);
      };
      const user = await fieldsOf(userOf('ada'));
      assert.ok(user.includes('mine') && !user.includes('staff'), `${user}`);
      const manager = userOf('mia', { role: 'manager' });
      const seen = await fieldsOf(manager);
      assert.ok(seen.includes('mine') && seen.includes('staff'), `${seen}`);
      assert.ok((await fieldsOf(ADMIN)).includes('staff'));
      const following = follow(manager, 'subscription { staff { id } }');
      await broker.subscribed('staff');
      await broker.publish('staff', { id: 7 });
      assert.deepEqual(await following.data(), { staff: { id: '7' } });
    });

    test('queries and mutations of the schema, and fields without a topic, are not offered', async () => {
      const { data, errors } = await connect(ADMIN, TRANSPORTS.POST).ask({
        query: '{ __schema { queryType { fields { name } } mutationType { fields { name } } subscriptionType { fields { name } } } }',
      });
      assert.equal(errors, undefined);
      const { queryType, mutationType, subscriptionType } = data.__schema;
      const names = (type) => type?.fields.map(({ name }) => name) ?? [];
      assert.ok(names(queryType).includes('parcel') && names(subscriptionType).includes('mine'));
      for (const name of ['_orders', 'hidden', 'changed', 'mine']) assert.ok(!names(queryType).includes(name), name);
      assert.ok(!names(mutationType).includes('place'));
      assert.ok(!names(subscriptionType).includes('undeclared'));
      for (const query of ['{ _orders }', '{ hidden { id } }', 'mutation { place(id: 1) { id } }']) {
        const answer = await connect(ADMIN, TRANSPORTS.POST).ask({ query });
        assert.equal(answer.data ?? undefined, undefined);
        assert.equal(answer.errors[0].extensions.code, 'validation-failed');
      }
      await refusal(follow(ADMIN, 'subscription { undeclared { id } }'));
    });

    test('`filter` drops what does not fit this client, and what has no such member', async () => {
      const query = 'subscription ($least: Float!) { large(at_least: $least) { id } }';
      const [ten, hundred] = [10, 100].map((least) => follow(userOf('ada'), { query, variables: { least } }));
      // Equal topics are one subscription, so both must have been heard of.
      const heard = ({ inbox }) => inbox.history.length > 0;
      await until('both follow', async () => {
        await broker.publish('large', { id: 0, total: 1000 });
        return heard(ten) && heard(hundred);
      });
      const totals = [9.99, 10, '50', null, undefined, 100, 'many', 5, 1000.5];
      for (const [at, total] of totals.entries()) await broker.publish('large', { id: at + 1, total });
      const last = async (following) => {
        const ids = [];
        for (;;) {
          const { large } = await following.data();
          if (large.id !== '0') ids.push(large.id);
          if (large.id === `${totals.length}`) return ids;
        }
      };
      const [some, few] = [await last(ten), await last(hundred)];
      assert.deepEqual(few, ['6', '9']);
      // Texts that are numbers count as numbers.
      assert.deepEqual(some, ['2', '3', '6', '9']);
    });

    test('`payload`: the value is a part of the message, or null if that is missing', async () => {
      const following = follow(userOf('ada'), 'subscription { enveloped { __typename id status } }');
      await broker.subscribed('enveloped');
      await broker.publish('enveloped', { id: 'outer', order: { id: 'inner', status: 'new' } });
      assert.deepEqual(await following.data(), { enveloped: { __typename: 'Order', id: 'inner', status: 'new' } });
      await broker.publish('enveloped', { id: 'outer' });
      assert.deepEqual(await following.data(), { enveloped: null });
    });

    test('what is no JSON is passed over, and what does not fit the type is an error', async () => {
      const following = follow(userOf('ada'), 'subscription { mine { id total } }');
      await broker.subscribed('mine.ada');
      for (const text of ['', '{', 'not json', '\\u0000']) await broker.publishText('mine.ada', text);
      await broker.publish('mine.ada', { id: 1, total: 'much' });
      const { next } = await following.inbox.take();
      assert.deepEqual(next.data, { mine: { id: '1', total: null } });
      assert.deepEqual(next.errors.map(({ path }) => path), [['mine', 'total']]);
      await broker.publish('mine.ada', { total: 1 });
      const without = (await following.inbox.take()).next;
      assert.deepEqual(without.data, { mine: null });
      assert.deepEqual(without.errors[0].path, ['mine', 'id']);
      await broker.publish('mine.ada', { id: 2, total: 1 });
      assert.deepEqual(await following.data(), { mine: { id: '2', total: 1 } });
    });

    for (const transport of STREAMING) {
      test(`\`complete\` by ${transport.name}: from the database, by the rights of each client`, async () => {
        const query = 'subscription { touched { id title } }';
        const names = ['ada', 'bob'];
        const followings = names.map((name) => follow(userOf(name), query, transport));
        const heard = ({ inbox }) => inbox.history.length > 0;
        await until('both follow', async () => {
          await broker.publish('touched', { id: 999 });
          return followings.every(heard);
        });
        const titles = { 1: 'a lamp', 2: 'a desk' };
        for (const id of [1, 2]) await broker.publish('touched', { id });
        // What the message has is passed on as it is.
        await broker.publish('touched', { id: 1, title: 'as told' });
        for (const [at, following] of followings.entries()) {
          const results = [];
          const isLast = ({ next }) => next?.data?.touched?.title === 'as told';
          await following.inbox.takeUntil('the last event', (event) => {
            results.push(event.next);
            return isLast(event);
          });
          const mine = at + 1;
          const other = 2 - at;
          const text = JSON.stringify(results);
          assert.ok(text.includes(titles[mine]), `${names[at]} gets the own row: ${text}`);
          assert.ok(!text.includes(titles[other]), `${names[at]} gets nothing of the other's row: ${text}`);
          const found = results.filter(({ data }) => data?.touched?.title === titles[mine]);
          assert.deepEqual(found.map(({ data, errors }) => [data, errors]), [[{ touched: { id: mine, title: titles[mine] } }, undefined]]);
        }
      });
    }

    test('`complete`: a column that a role may not see cannot even be named', async () => {
      const query = 'subscription { touched { id weight } }';
      const { extensions } = await refusal(follow(userOf('ada'), query));
      assert.equal(extensions.code, 'validation-failed');
      const admin = follow(ADMIN, query);
      await broker.subscribed('touched');
      await broker.publish('touched', { id: 2 });
      assert.deepEqual(await admin.data(), { touched: { id: 2, weight: 40 } });
      await stage.database.write('update parcel set weight = 41 where id = 2');
      await broker.publish('touched', { id: 2 });
      // Nothing is kept from event to event.
      assert.deepEqual(await admin.data(), { touched: { id: 2, weight: 41 } });
    });

    test('fifty clients of all transports are one subscription at the broker', async () => {
      const followings = Array.from({ length: 50 }, (_, at) =>
        follow(userOf(`user-${at}`), changed('fan'), STREAMING[at % STREAMING.length]),
      );
      const heard = ({ inbox }) => inbox.history.length > 0;
      await until('all follow', async () => {
        await broker.publish('changed.fan', { id: 'rally' });
        assert.ok((await broker.subscriptions('changed.fan')) <= 1);
        return followings.every(heard);
      });
      assert.equal(await broker.subscriptions('changed.fan'), 1);
      await broker.publish('changed.fan', { id: 'last', total: 1.5 });
      for (const { inbox } of followings) {
        await inbox.takeUntil('the last event', (event) => {
          const id = event.next?.data?.changed?.id;
          assert.ok(['rally', 'last'].includes(id), JSON.stringify(event));
          return id === 'last';
        });
        assert.equal(inbox.size, 0, 'once');
      }
      const [last, ...others] = followings;
      for (const following of others) following.stop();
      await broker.publish('changed.fan', { id: 'alone' });
      await last.inbox.takeUntil('an event', ({ next }) => next.data.changed.id === 'alone');
      assert.equal(await broker.subscriptions('changed.fan'), 1);
      last.stop();
      await broker.subscribed('changed.fan', 0);
    });

    test('a broker that restarts: the next result of everybody says so, those behind it do not', async () => {
      const followings = STREAMING.map((transport) => follow(userOf('ada'), changed('again'), transport));
      const heard = ({ inbox }) => inbox.history.length > 0;
      await until('all follow', async () => {
        await broker.publish('changed.again', { id: 'before' });
        return followings.every(heard);
      });
      await broker.kill();
      await broker.start();
      await broker.subscribed('changed.again');
      await broker.publish('changed.again', { id: 'first' });
      await broker.publish('changed.again', { id: 'second' });
      for (const [at, { inbox }] of followings.entries()) {
        const { name } = STREAMING[at];
        const { next } = await inbox.takeUntil(`first by ${name}`, (event) => {
          assert.ok(event.next && !event.next.errors, `${name}: ${JSON.stringify(event)}`);
          if (event.next.data.changed.id === 'before') assert.equal(event.next.extensions, undefined);
          return event.next.data.changed.id !== 'before';
        });
        assert.deepEqual([name, next.data.changed.id, next.extensions], [name, 'first', { artesian: { resumed: true } }]);
        const second = (await inbox.take(`second by ${name}`)).next;
        assert.deepEqual([name, second.data.changed.id, second.extensions], [name, 'second', undefined]);
      }
    });
  });

  test(`${Broker.title}: completions for forty identities, one at a time`, async (t) => {
    const broker = await Broker.create();
    const stage = await EventsStage.start(broker, { limits: { concurrent_completions: 1 } });
    const clients = [];
    t.after(async () => {
      for (const client of clients) await client.close();
      await stage.end();
      await broker.remove();
    });
    const query = 'subscription { touched { id title } }';
    const names = ['ada', 'bob', ...Array.from({ length: 38 }, (_, at) => `stranger-${at}`)];
    const followings = names.map((name, at) => {
      const client = STREAMING[at % STREAMING.length].connect(stage.server, userOf(name));
      clients.push(client);
      return client.follow({ query });
    });
    const heard = ({ inbox }) => inbox.history.length > 0;
    await until('all follow', async () => {
      await broker.publish('touched', { id: 999, title: 'rally' });
      return followings.every(heard);
    });
    for (const id of [1, 2]) await broker.publish('touched', { id });
    for (const [at, { inbox }] of followings.entries()) {
      const titles = [];
      while (titles.length < 2) {
        const { next } = await inbox.take(`two parcels for ${names[at]}`);
        const title = next.data.touched?.title ?? next.errors[0].path.join('.');
        if (title !== 'rally') titles.push(title);
      }
      // Of what is another's they learn nothing.
      const expected = ['touched.title', 'touched.title'];
      if (at < 2) expected[at] = ['a lamp', 'a desk'][at];
      assert.deepEqual(titles, expected, names[at]);
    }
    const metrics = await stage.server.metrics();
    assert.equal(metrics.get('artesian_broker_completions_waiting{source="orders"}'), 0);
    await stage.server.alive();
  });

  test(`${Broker.title} is down at the start: an error with a code, and events once it is there`, async (t) => {
    const broker = await Broker.create({ running: false });
    const settings = { timeouts: { subscribe: '5s' }, retry: { longest: '100ms' } };
    const stage = await EventsStage.start(broker, settings);
    const clients = new Map(STREAMING.map((transport) => [transport.name, transport.connect(stage.server, userOf('ada'))]));
    t.after(async () => {
      // The clients first: a legacy one that loses its server keeps a timer for ever.
      for (const client of clients.values()) await client.close();
      await stage.end();
      await broker.remove();
    });
    // The schema and all else are there.
    const schema = await schemaOf(stage.server, ADMIN);
    assert.ok(schema.getSubscriptionType().getFields().changed);
    const refusals = [...clients].map(async ([name, client]) => [name, await refusal(client.follow(changed('eu')), name)]);
    for (const [name, { message, extensions }] of await Promise.all(refusals)) {
      assert.match(message, /broker cannot be reached/, name);
      assert.equal(extensions.code, 'remote-schema-error', name);
      assert.ok(!message.includes('127.0.0.1'), 'no address');
    }
    assert.equal((await stage.server.data('{ parcel { id } }', {}, ADMIN.headers)).parcel.length, 2);
    await broker.start();
    for (const [name, client] of clients) {
      let following;
      await until(`${name} is let in`, async () => {
        // It may be refused once more: the broker is looked for again after a while.
        if (!following || following.isOver) following = client.follow(changed('eu'));
        return (await broker.subscriptions('changed.eu')) === 1 && !following.isOver;
      });
      await broker.publish('changed.eu', { id: 1, total: 2 });
      assert.deepEqual(await following.data(), { changed: { id: '1', total: 2 } });
      following.stop();
      await broker.subscribed('changed.eu', 0);
    }
    await stage.server.alive();
  });
}
