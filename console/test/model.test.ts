import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildSchema, parse, validate } from 'graphql';
import { describeClose, mayReconnect, reconnectDelay } from '../src/model/close.ts';
import { endpointOf } from '../src/model/endpoint.ts';
import { streams } from '../src/model/operation.ts';
import { countAt, noRate, shiftTo, WINDOW_SECONDS } from '../src/model/rate.ts';
import { suggest } from '../src/model/suggest.ts';

test('subscriptions and @live operations stream, others do not', () => {
  assert.equal(streams('subscription { a }'), true);
  assert.equal(streams('query @live { a }'), true);
  assert.equal(streams('query Q @cached @live { a }'), true);
  assert.equal(streams('{ a }'), false);
  assert.equal(streams('query { a @live }'), false, 'the directive of a field is another matter');
  assert.equal(streams('mutation { a }'), false);
  assert.equal(streams('query { '), false);
  assert.equal(streams('fragment F on T { a }'), false);
});

test('of several operations the named one counts', () => {
  const document = 'query A { a } subscription B { a }';
  assert.equal(streams(document, 'A'), false);
  assert.equal(streams(document, 'B'), true);
  assert.equal(streams(document, 'C'), false);
});

test('the endpoint is beside the page', () => {
  assert.deepEqual(endpointOf('http://localhost:8080/'), {
    http: 'http://localhost:8080/graphql',
    socket: 'ws://localhost:8080/graphql',
  });
  assert.deepEqual(endpointOf('https://example.org/live/api/?x=1#y'), {
    http: 'https://example.org/live/api/graphql',
    socket: 'wss://example.org/live/api/graphql',
  });
});

test('a close is told with the reason given, or with what its code means', () => {
  assert.equal(describeClose({ code: 4403, reason: 'Forbidden: token expired' }), '4403 Forbidden: token expired');
  assert.equal(describeClose({ code: 4401, reason: '' }), '4401 Unauthorized');
  assert.equal(describeClose({ code: 4999, reason: '' }), '4999');
});

test('a lost connection is tried again, a refusal is not', () => {
  for (const code of [1001, 1005, 1006, 1012, 1013, 3000, 4408]) assert.equal(mayReconnect({ code, reason: '' }), true, `${code}`);
  for (const code of [1000, 1002, 1008, 1009, 1011, 4400, 4401, 4403, 4406, 4500]) {
    assert.equal(mayReconnect({ code, reason: '' }), false, `${code}`);
  }
});

test('reconnecting slows down to a bound', () => {
  assert.equal(reconnectDelay(1, 0.5), 500);
  assert.equal(reconnectDelay(2, 0.5), 1000);
  assert.equal(reconnectDelay(50, 0.5), 15_000);
  assert.ok(reconnectDelay(50, 0.999) < 19_000);
});

test('updates are counted by the second over a window', () => {
  const rate = countAt(countAt(countAt(noRate, 10_000), 10_900), 12_000);
  const { buckets } = shiftTo(rate, 13_500);
  assert.equal(buckets.length, WINDOW_SECONDS);
  assert.deepEqual(buckets.slice(-4), [2, 0, 1, 0]);
  assert.ok(shiftTo(rate, 1_000_000).buckets.every((count) => count === 0));
});

const orders = `
  type Courier { name: String! }
  type Order { id: Int! status: String! placed_at: String! courier: Courier }
  input StatusExp { _eq: String }
  input OrderExp { status: StatusExp }
  enum Dir { asc desc }
  input OrderBy { placed_at: Dir }
  type Query { orders(where: OrderExp, order_by: [OrderBy!], limit: Int): [Order!]! }
`;

const suggestionFor = (sdl: string) => {
  const schema = buildSchema(sdl);
  const suggestion = suggest(schema);
  assert.deepEqual(validate(schema, parse(suggestion)), []);
  return suggestion;
};

test('the demo gets its own subscription', () => {
  const suggestion = suggestionFor(
    `${orders} type Subscription { orders(where: OrderExp, order_by: [OrderBy!], limit: Int): [Order!]! }`,
  );
  assert.match(suggestion, /status: \{_eq: "open"\}/);
});

test('another schema gets its first table, id first and bounded where possible', () => {
  const suggestion = suggestionFor(`
    type Note { text: String tags(first: Int!): [String] id: ID! author: Author }
    type Author { name: String }
    type Query { notes: [Note!]! }
    type Subscription { note_by_pk(id: ID!): Note tick: Int need(x: Int!): [Note] plain: [Note] notes(limit: Int): [Note!]! }
  `);
  assert.match(suggestion, /subscription \{\n  notes\(limit: 10\) \{\n    id\n    text\n  \}\n\}/);
});

test('without subscriptions a live query is offered, or a plain one', () => {
  assert.match(suggestionFor(`directive @live on QUERY ${orders}`), /^query @live \{\n  orders\(limit: 10\)/m);
  assert.match(suggestionFor(orders), /^query \{/m);
});

test('a schema without tables gets the least there is', () => {
  assert.match(suggestionFor('type Query { a: Int }'), /__typename/);
});
