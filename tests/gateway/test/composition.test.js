// One schema from several sources.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';

import { buildSchema } from 'graphql';

import { databases } from '../../e2e/lib/databases.js';
import { within } from '../../e2e/lib/wait.js';
import { schemaOf } from '../lib/composition.js';
import { Gateway, endOf, fieldsOf, sourceOf } from '../lib/gateway.js';
import { types } from '../lib/schemas.js';
import { NAMES, Service } from '../lib/services.js';
import { STREAMING, TRANSPORTS } from '../lib/transports.js';

const SDL = await readFile(new URL('../services/schema.graphql', import.meta.url), 'utf8');
const OWN = types(buildSchema(SDL));

for (const name of NAMES) {
  test(`${name}: its schema passes whole`, async (t) => {
    const service = await Service.start(name);
    t.after(() => service.kill());
    const server = await Gateway.start([sourceOf(service)]);
    t.after(() => endOf(server));
    assert.deepEqual(types(await schemaOf(server)), OWN);
  });
}

describe('two services with prefixes, and a database', () => {
  const world = {};
  before(async () => {
    world.database = await databases[0].create();
    world.a = await Service.start('graphql-ws');
    world.b = await Service.start('graphql-yoga');
    world.server = await Gateway.start([
      { name: 'default', database: { url: world.database.url } },
      sourceOf(world.a, { name: 'a', prefix: { root_fields: 'a_', types: 'A_' } }),
      sourceOf(world.b, { name: 'b', prefix: { root_fields: 'b_', types: 'B_' } }),
    ]);
  });
  after(async () => {
    await endOf(world.server);
    for (const service of [world.a, world.b]) await service?.kill();
    await world.database?.drop();
  });

  test('the schema has all types of both, under their new names', async () => {
    const schema = await schemaOf(world.server);
    const all = types(schema);
    const roots = ['Query', 'Mutation', 'Subscription'];
    for (const prefix of ['A_', 'B_']) {
      const names = Object.keys(OWN).filter((name) => !roots.includes(name));
      const renamed = (text) => text.replace(new RegExp(`\\b(${names.join('|')})\\b(?!:)`, 'g'), `${prefix}$1`);
      for (const name of names) assert.equal(all[prefix + name], renamed(OWN[name]));
    }
    const fields = (root) => Object.keys(root.getFields());
    const own = buildSchema(SDL);
    for (const prefix of ['a_', 'b_']) {
      for (const kind of ['getQueryType', 'getSubscriptionType', 'getMutationType']) {
        const mine = fields(schema[kind]()).filter((name) => name.startsWith(prefix));
        assert.deepEqual(mine.sort(), fields(own[kind]()).map((name) => prefix + name).sort());
      }
    }
    assert.ok(fields(schema.getQueryType()).includes('customer'));
  });

  for (const transport of Object.values(TRANSPORTS)) {
    test(`one request to all three, by ${transport.name}`, async (t) => {
      const client = transport.connect(world.server);
      t.after(() => client.close());
      const query = `query ($a: A_Json, $colours: [B_Colour!]!, $id: ID!) {
        a_echo(value: $a)
        customer(order_by: {id: asc}, limit: 1) { __typename name }
        b: b_colours(colours: $colours)
        a_failing(code: "A")
        a_node(id: $id) { __typename id ...Mine }
        b_search(text: "n") { __typename ... on B_Book { title } ... on B_Person { name } }
        b_failing(code: "B")
        __typename
      }
      fragment Mine on A_Node { ... on A_Book { by { __typename books { title } } } }`;
      const variables = { a: { __typename: 'Book', list: [1] }, colours: ['RED', 'BLUE'], id: 'book:1' };
      const { data, errors } = await client.ask({ query, variables });
      const wanted = {
        a_echo: variables.a,
        customer: [{ __typename: 'customer', name: 'Ada' }],
        b: ['RED', 'BLUE'],
        a_failing: null,
        a_node: {
          ...{ __typename: 'A_Book', id: 'book:1' },
          by: { __typename: 'A_Person', books: [{ title: 'Wells' }, { title: 'Springs' }] },
        },
        b_search: [{ __typename: 'B_Book', title: 'Springs' }, { __typename: 'B_Person', name: 'Ann' }],
        b_failing: null,
        __typename: 'query_root',
      };
      assert.deepEqual(data, wanted);
      assert.deepEqual(Object.keys(data), Object.keys(wanted), 'the order of the request');
      const told = errors.map(({ path, extensions }) => [path, extensions.code]).sort();
      assert.deepEqual(told, [[['a_failing'], 'A'], [['b_failing'], 'B']]);
    });
  }

  test('mutations of several services run one after the other', async (t) => {
    const client = TRANSPORTS.POST.connect(world.server);
    t.after(() => client.close());
    for (const service of [world.a, world.b]) await service.reset();
    const query = `mutation {
      one: a_publish(topic: "1") two: a_publish(topic: "2") three: b_publish(topic: "3") four: a_publish(topic: "4")
    }`;
    const { data, errors } = await client.ask({ query });
    assert.equal(errors, undefined);
    assert.deepEqual(Object.entries(data), [['one', 0], ['two', 0], ['three', 0], ['four', 0]]);
    const topics = async (service) => (await service.state()).fields.map(({ args }) => args.topic);
    assert.deepEqual([await topics(world.a), await topics(world.b)], [['1', '2', '4'], ['3']]);
  });

  for (const transport of STREAMING) {
    test(`subscriptions to both and the database, by ${transport.name}`, async (t) => {
      const client = transport.connect(world.server);
      t.after(() => client.close());
      const follow = (query) => client.follow({ query });
      const [a, b] = ['a', 'b'].map((name) => follow(`subscription { ${name}_events(topic: "t") { __typename subject { __typename } } }`));
      const live = follow('subscription { customer(where: {id: {_eq: 1}}) { name } }');
      assert.deepEqual(await live.data(), { customer: [{ name: 'Ada' }] });
      for (const [service, following, prefix] of [[world.a, a, 'A'], [world.b, b, 'B']]) {
        await service.live(1, 'events');
        assert.equal(await service.publish('t', 1), 1);
        const event = Object.values(await following.data())[0];
        assert.deepEqual(event, { __typename: `${prefix}_Event`, subject: { __typename: `${prefix}_Book` } });
        following.stop();
        await service.live(0);
      }
      live.stop();
    });
  }
});

describe('what is refused, and what is left out', () => {
  test('two services with the same root fields: refused at the start, with what to do', async (t) => {
    const services = await Promise.all(['graphql-ws', 'graphql-yoga'].map((name) => Service.start(name)));
    t.after(() => Promise.all(services.map((service) => service.kill())));
    const sources = services.map((service, at) => sourceOf(service, { name: ['first', 'second'][at] }));
    const server = await Gateway.start(sources, { ready: false });
    t.after(() => endOf(server));
    const { code } = await within(() => `it refuses to start; the log:\n${server.log}`, server.exited);
    assert.notEqual(code, 0);
    // Who, what, and the remedy.
    for (const word of [/first/, /second/, /hello/, /prefix/]) assert.match(server.log, word);
    assert.doesNotMatch(server.log, /panicked/);
  });

  test('fields that are not on the list are not there, and nobody asks the service for them', async (t) => {
    const service = await Service.start('graphql-ws');
    t.after(() => service.kill());
    const fields = { include: ['Query.*', 'Subscription.counter', 'Mutation.*'], exclude: ['Query.fail*', 'Mutation.*'] };
    const server = await Gateway.start([sourceOf(service, { fields })]);
    t.after(() => endOf(server));
    const schema = await schemaOf(server);
    assert.deepEqual(Object.keys(schema.getSubscriptionType().getFields()), ['counter']);
    assert.equal(schema.getMutationType() ?? undefined, undefined);
    assert.ok(!schema.getQueryType().getFields().failing && schema.getQueryType().getFields().hello);
    // Types that nothing leads to any more.
    assert.deepEqual(['Step', 'Event'].map((name) => schema.getType(name)), [undefined, undefined]);
    await service.reset();
    for (const transport of Object.values(TRANSPORTS)) {
      const client = transport.connect(server);
      const query = '{ hello failing(code: "no") }';
      const { data, errors } = await client.ask({ query });
      assert.ok(errors.length > 0 && !data, `${transport.name}: ${JSON.stringify({ data, errors })}`);
      if (transport.follows) {
        const events = await client.follow({ query: 'subscription { never }' }).all();
        assert.ok(events.some(({ error, next }) => error ?? next?.errors) && !events.some(({ next }) => next?.data));
      }
      await client.close();
    }
    assert.deepEqual((await service.state()).fields, []);
  });

  for (const kind of databases) {
    test(`a new table of ${kind.name} takes the name of a service's field: only that service gives way, until the table is gone`, async (t) => {
      const database = await kind.create();
      const [a, b] = await Promise.all(['graphql-ws', 'graphql-yoga'].map((name) => Service.start(name)));
      const server = await Gateway.start([
        { name: 'default', database: { url: database.url } },
        sourceOf(a, { name: 'a' }),
        sourceOf(b, { name: 'b', prefix: { root_fields: 'b_', types: 'B_' } }),
      ]);
      const client = TRANSPORTS['graphql-ws'].connect(server);
      t.after(async () => {
        await client.close();
        await endOf(server);
        await Promise.all([a.kill(), b.kill()]);
        await database.drop();
      });
      const refused = async () => {
        const { sources } = await (await fetch(`${server.base}/v1/sources`)).json();
        return Object.fromEntries(sources.map(({ name, schema }) => [name, schema?.refused]));
      };
      assert.deepEqual(await refused(), { default: undefined, a: null, b: null });
      const other = client.follow({ query: 'subscription { b_events(topic: "t") { __typename } }' });
      await b.live(1, 'events');

      await database.write('create table hello (id integer primary key)');
      // The whole service gives way, and not half of it.
      await fieldsOf(server, ['hello_by_pk']);
      await fieldsOf(server, ['failing'], { are: false });
      await database.write('insert into hello values (7)');
      assert.deepEqual(await server.data('{ hello { id } b_hello }'), { hello: [{ id: 7 }], b_hello: 'Hello, world!' });
      const now = await refused();
      assert.match(now.a, /hello/);
      assert.equal(now.b, null);
      // Nobody else notices.
      assert.equal(await b.publish('t', 1), 1);
      assert.deepEqual(await other.data(), { b_events: { __typename: 'B_Event' } });

      await database.write('drop table hello');
      await fieldsOf(server, ['failing', 'hello']);
      await fieldsOf(server, ['hello_by_pk'], { are: false });
      assert.equal((await server.data('{ hello }')).hello, 'Hello, world!');
      assert.equal((await refused()).a, null);
      assert.equal(await b.publish('t', 2), 1);
      assert.deepEqual(await other.data(), { b_events: { __typename: 'B_Event' } });
      await server.alive();
    });
  }
});
