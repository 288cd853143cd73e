// The schema of the JavaScript services, over a state. The context has what the service heard of who
// asks: `headers`, `init` and `transport`.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { GraphQLError, buildSchema, extendSchema, parse } from 'graphql';

const SDL = readFileSync(fileURLToPath(new URL('schema.graphql', import.meta.url)), 'utf8');

const PEOPLE = [{ kind: 'Person', id: 'person:1', name: 'Ann' }, { kind: 'Person', id: 'person:2', name: null }];
const BOOKS = [
  { kind: 'Book', id: 'book:1', title: 'Wells', colour: 'RED', written: '1999-12-31T23:59:60Z', tags: ['a', '"b"'], by: 'person:1' },
  { kind: 'Book', id: 'book:2', title: 'Springs', colour: 'BLUE', written: null, tags: [], by: 'person:1' },
];
const find = (id) => [...BOOKS, ...PEOPLE].find((thing) => thing.id === id) ?? null;

const fail = (code) => {
  throw new GraphQLError(`failing: ${code}`, { extensions: { code, nested: { list: [1, null] } } });
};
const seen = ({ headers, init, transport }) => ({ headers, init: init ?? null, transport });

const FIELDS = {
  Book: { by: (book) => find(book.by) },
  Person: {
    books: (person, { colours }) =>
      BOOKS.filter((book) => book.by === person.id && (!colours || colours.includes(book.colour))),
  },
  Event: { subject: (event) => find(event.subject) },
  Step: {
    value: ({ number, at }) => {
      if (number === at) fail(`STEP_${number}`);
      return number * 10;
    },
  },
  Query: {
    hello: (_, { name }) => `Hello, ${name}!`,
    echo: (_, { value }) => value,
    moment: (_, { at }) => at,
    colours: (_, { colours }) => colours,
    filter: (_, { filter }) => filter,
    sum: (_, { numbers }) => numbers.flat().reduce((sum, number) => sum + number, 0),
    node: (_, { id }) => find(id),
    search: (_, { text }) => [...BOOKS, ...PEOPLE].filter((thing) => (thing.title ?? thing.name ?? '').includes(text)),
    nothing: (_, __, { state }) => state.nothing,
    failing: (_, { code }) => fail(code),
    whoami: (_, __, context) => seen(context),
    added: () => 'yes',
  },
  Mutation: {
    publish: (_, { topic, value }, { state }) => state.publish(topic, value),
    failing: (_, { code }) => fail(code),
    whoami: (_, __, context) => seen(context),
  },
};

const SOURCES = {
  counter: ({ to }, feed) => {
    for (let number = 1; number <= to; number += 1) feed.push({ counter: number });
    feed.end();
  },
  events: ({ topic }, feed, { state }) => {
    const values = { push: (events) => feed.push({ events }), whenEnded: (then) => feed.whenEnded(then) };
    state.listen(topic, values);
  },
  whoami: (_, feed, context) => feed.push({ whoami: seen(context) }),
  fails: ({ at }, feed) => {
    for (let number = 1; number <= 3; number += 1) feed.push({ fails: { number, at } });
    feed.end();
  },
  never: () => {},
  completesAtOnce: (_, feed) => feed.end(),
};

/** `{current}`: a function that gives the schema as it is now. */
export function makeSchema(state) {
  const plain = build(buildSchema(SDL), state);
  const extended = build(extendSchema(buildSchema(SDL), parse('extend type Query { added: String }')), state);
  return () => (state.extended ? extended : plain);
}

function build(schema, state) {
  for (const [type, fields] of Object.entries(FIELDS)) {
    const isRoot = type === 'Query' || type === 'Mutation';
    for (const [name, resolve] of Object.entries(fields)) {
      const field = schema.getType(type).getFields()[name];
      if (!field) continue;
      field.resolve = (parent, args, context, info) => {
        if (isRoot) state.resolved(info.operation.operation, name, args);
        return resolve(parent, args, { ...context, state }, info);
      };
    }
  }
  for (const [name, field] of Object.entries(schema.getSubscriptionType().getFields())) {
    field.subscribe = (_, args, context) => {
      if (name === 'fails' && args.at === 0) fail('STEP_0');
      const feed = state.source(name, args);
      SOURCES[name](args, feed, { ...context, state });
      return feed;
    };
  }
  for (const name of ['Node', 'Found']) schema.getType(name).resolveType = (thing) => thing.kind;
  return schema;
}
