// What must be so whoever asks over whatever transport, whichever service answers over whichever
// protocol. Each case is `async ({client, transport, service})`.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';

const VALUE = { text: 'ä"\\\u2028', list: [1, 2.5, -0.25, true, null, { deep: [[]] }], nothing: null };
const FILTER = { text: null, colours: ['GREEN'], range: { to: 2, inner: { from: -1, to: 0 } } };

/** Queries, their data and their variables. */
const QUERIES = {
  'a default argument': ['{ hello }', { hello: 'Hello, world!' }],
  'a variable': ['query ($name: String!) { hello(name: $name) }', { hello: 'Hello, Ö"!' }, { name: 'Ö"' }],
  aliases: ['{ a: hello(name: "a") b: hello(name: "b") }', { a: 'Hello, a!', b: 'Hello, b!' }],
  'custom scalars as variables': [
    'query ($value: Json, $at: Moment!) { echo(value: $value) moment(at: $at) }',
    { echo: VALUE, moment: '2016-12-31T23:59:60Z' },
    { value: VALUE, at: '2016-12-31T23:59:60Z' },
  ],
  'a custom scalar as a literal': [
    '{ echo(value: {a: [1, "b", null, {c: true}]}) }',
    { echo: { a: [1, 'b', null, { c: true }] } },
  ],
  enums: [
    'query ($colours: [Colour!]!) { colours(colours: $colours) b: colours(colours: [BLUE]) }',
    { colours: ['RED', 'BLUE', 'RED'], b: ['BLUE'] },
    { colours: ['RED', 'BLUE', 'RED'] },
  ],
  'an input object with defaults': [
    'query ($filter: Filter!) { filter(filter: $filter) }',
    { filter: { ...FILTER, range: { ...FILTER.range, from: 0 } } },
    { filter: FILTER },
  ],
  'lists of lists': ['{ sum(numbers: [[1, 2], [], [3]]) }', { sum: 6 }],
  'an interface, fragments and directives': [
    `query ($id: ID!, $not: Boolean!) { node(id: $id) { __typename id ...B ... on Person { name } } }
     fragment B on Book { title colour written tags by { name @skip(if: $not) books(colours: [RED]) { title } } }`,
    {
      node: {
        ...{ __typename: 'Book', id: 'book:1', title: 'Wells', colour: 'RED', written: '1999-12-31T23:59:60Z' },
        ...{ tags: ['a', '"b"'], by: { books: [{ title: 'Wells' }] } },
      },
    },
    { id: 'book:1', not: true },
  ],
  'a union': [
    '{ search(text: "n") { __typename ... on Book { id written } ... on Person { id name } } }',
    {
      search: [
        { __typename: 'Book', id: 'book:2', written: null },
        { __typename: 'Person', id: 'person:1', name: 'Ann' },
      ],
    },
  ],
  null: ['{ nothing node(id: "person:9") { id } }', { nothing: null, node: null }],
};

const FAILURE = (code, path) => ({
  message: `failing: ${code}`,
  path,
  extensions: { code, nested: { list: [1, null] } },
});
/** The parts of errors that must arrive as they were sent. */
const parts = (errors) =>
  errors?.map(({ message, path, extensions }) => {
    const { code, nested } = extensions ?? {};
    return { message, path, extensions: { code, nested } };
  });

const plain = (value) => JSON.parse(JSON.stringify(value));

async function results({ client }, query, variables) {
  const following = client.follow({ query, variables });
  const events = await following.all();
  return { following, events, last: events.at(-1), results: events.flatMap(({ next }) => (next ? [next] : [])) };
}

/** Nothing came after the end, and the service is at rest. */
async function over({ service }, ...followings) {
  await service.live(0);
  for (const { after } of followings) assert.deepEqual(after, [], 'events after the end');
}

/** Cases of requests that have one answer. */
export const ASKED = {
  ...Object.fromEntries(
    Object.entries(QUERIES).map(([title, [query, data, variables]]) => [
      `query: ${title}`,
      async ({ client }) => {
        const answer = await client.ask({ query, variables });
        assert.equal(answer.errors, undefined);
        assert.deepEqual(plain(answer.data), data);
      },
    ]),
  ),
  'query: an error beside data, with its path and extensions': async ({ client }) => {
    const answer = await client.ask({ query: '{ hello bad: failing(code: "TEAPOT") nothing }' });
    assert.deepEqual(plain(answer.data), { hello: 'Hello, world!', bad: null, nothing: null });
    assert.deepEqual(parts(answer.errors), [FAILURE('TEAPOT', ['bad'])]);
  },
  'query: one of several operations of a document': async ({ client, transport }) => {
    if (!transport.names) return;
    const query = 'query A { hello(name: "a") } query B { hello(name: "b") }';
    const answer = await client.ask({ query, operationName: 'B' });
    assert.deepEqual(plain(answer.data), { hello: 'Hello, b!' });
  },
  mutation: async ({ client, service, transport }) => {
    if (!transport.mutates) return;
    const topic = randomUUID();
    const mutation = 'mutation ($topic: String!) { a: publish(topic: $topic, value: 1) b: publish(topic: $topic) }';
    const answer = await client.ask({ query: mutation, variables: { topic } });
    assert.deepEqual(plain(answer.data), { a: 0, b: 0 });
    const { fields } = await service.state();
    const mine = fields.filter(({ args }) => args.topic === topic);
    assert.deepEqual(mine.map(({ kind, args }) => [kind, args.value ?? null]), [['mutation', 1], ['mutation', null]]);
  },
  'mutation: an error': async ({ client, transport }) => {
    if (!transport.mutates) return;
    const answer = await client.ask({ query: 'mutation { failing(code: "NO") }' });
    assert.deepEqual(plain(answer.data), { failing: null });
    assert.deepEqual(parts(answer.errors), [FAILURE('NO', ['failing'])]);
  },
};

const EVENTS = `subscription E($topic: String!) {
  got: events(topic: $topic) { topic value subject { __typename ... on Book { title } } }
}`;
const SUBJECT = { __typename: 'Book', title: 'Wells' };

/** Cases of subscriptions. */
export const FOLLOWED = {
  'subscription: events in order, then the end, once': async (world) => {
    const { results: got, last, following } = await results(world, 'subscription { counter(to: 20) }');
    assert.deepEqual(got.map(({ data }) => data.counter), Array.from({ length: 20 }, (_, at) => at + 1));
    assert.deepEqual(last, { complete: true });
    await over(world, following);
  },
  'subscription: completes at once': async (world) => {
    const { events, following } = await results(world, 'subscription { completesAtOnce }');
    assert.deepEqual(events, [{ complete: true }]);
    await over(world, following);
  },
  'subscription: an error before the first event': async (world) => {
    const { events, following } = await results(world, 'subscription { fails(at: 0) { number } }');
    // As an error, or as a result without data; then an end.
    const errors = events.flatMap(({ error, next }) => error ?? next?.errors ?? []);
    assert.ok(events.every(({ next, lost }) => !lost && !next?.data?.fails), JSON.stringify(events));
    assert.deepEqual(errors.map(({ message }) => message), ['failing: STEP_0']);
    assert.equal(errors[0].extensions.code, 'STEP_0');
    await over(world, following);
  },
  'subscription: an error in the middle is one of a result': async (world) => {
    const { results: got, last, following } = await results(world, 'subscription { fails(at: 2) { number value } }');
    const steps = got.map(({ data }) => data.fails);
    assert.deepEqual(plain(steps), [{ number: 1, value: 10 }, { number: 2, value: null }, { number: 3, value: 30 }]);
    assert.deepEqual(parts(got[1].errors), [FAILURE('STEP_2', ['fails', 'value'])]);
    assert.deepEqual([got[0].errors, got[2].errors], [undefined, undefined]);
    assert.deepEqual(last, { complete: true });
    await over(world, following);
  },
  'subscription: events that others cause; unsubscribing reaches the service at once': async (world) => {
    const { client, service } = world;
    const topics = [randomUUID(), randomUUID()];
    const followings = topics.map((topic) => client.follow({ query: EVENTS, variables: { topic }, operationName: 'E' }));
    await service.live(2, 'events');
    for (const value of [1, 'two', { three: [3] }, null]) {
      for (const topic of topics) assert.equal(await service.publish(topic, value), 1);
      for (const [at, topic] of topics.entries()) {
        const { got } = await followings[at].data();
        assert.deepEqual(plain(got), { topic, value, subject: SUBJECT });
      }
    }
    followings[0].stop();
    await service.live(1, 'events');
    await service.publish(topics[1], 'still');
    assert.equal((await followings[1].data()).got.value, 'still');
    followings[1].stop();
    await over(world, ...followings);
  },
  'subscription: a client that goes away without a word': async (world) => {
    const { service, transport, server } = world;
    const client = transport.connect(server);
    client.follow({ query: 'subscription { never }' });
    await service.live(1, 'never');
    await client.close();
    await over(world);
  },
};
