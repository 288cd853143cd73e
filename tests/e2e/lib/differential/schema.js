// The tiny schema of `tests/differential/src/service.rs`, for graphql-js.

import { buildSchema, GraphQLError } from 'graphql';

/** The schema with its own keys, and the function that releases them. */
export function tiny() {
  const counts = new Map();
  const waiting = new Set();

  const release = (key) => {
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    for (const check of [...waiting]) check();
    return count;
  };

  /** Waits until a key was released more than `seen` times; gives how often. */
  const released = (key, seen = 0) =>
    new Promise((resolve) => {
      const check = () => {
        const count = counts.get(key) ?? 0;
        if (count <= seen) return false;
        waiting.delete(check);
        resolve(count);
        return true;
      };
      if (!check()) waiting.add(check);
    });

  const fail = () => {
    throw new GraphQLError('it fails');
  };

  const schema = buildSchema(`
    type Query {
      hello: String
      echo(text: String!): String
      slow(key: String!): String
      fail: String
      failHard: String!
    }
    type Mutation {
      noop: Boolean
      release(key: String!): Int
    }
    type Subscription {
      count(to: Int!): Int
      forever: Int
      boom: Int
      refused: Int
      stalled(key: String!): Int
      topic(key: String!): Int
    }
  `);
  const define = (type, fields) => {
    for (const [name, functions] of Object.entries(fields)) {
      Object.assign(schema.getType(type).getFields()[name], functions);
    }
  };
  define('Query', {
    hello: { resolve: () => 'world' },
    echo: { resolve: (_, { text }) => text },
    slow: { resolve: (_, { key }) => released(key).then(() => key) },
    fail: { resolve: fail },
    failHard: { resolve: fail },
  });
  define('Mutation', {
    noop: { resolve: () => true },
    release: { resolve: (_, { key }) => release(key) },
  });
  const source = (subscribe) => ({ subscribe, resolve: (n) => n });
  define('Subscription', {
    count: source(async function* (_, { to }) {
      for (let n = 1; n <= to; n += 1) yield n;
    }),
    forever: source(() => untilReturn([1])),
    boom: source(async function* () {
      yield 1;
      throw new GraphQLError('the source fails');
    }),
    refused: source(fail),
    stalled: source(async (_, { key }) => {
      await released(key);
      return (async function* () {
        yield 1;
      })();
    }),
    topic: source((_, { key }) => {
      let seen = counts.get(key) ?? 0;
      return untilReturn([], async () => (seen = await released(key, seen)));
    }),
  });
  return { schema, release };
}

/**
 * Gives the items, then what `more` gives, for ever. Unlike a generator it can be ended while it
 * waits.
 */
function untilReturn(items, more = () => new Promise(() => {})) {
  let end;
  const ended = new Promise((resolve) => (end = resolve));
  const over = { done: true, value: undefined };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      if (items.length > 0) return { done: false, value: items.shift() };
      return Promise.race([more().then((value) => ({ done: false, value })), ended.then(() => over)]);
    },
    async return() {
      end();
      return over;
    },
  };
}
