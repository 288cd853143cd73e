// The reference implementation as a peer: npm `graphql-ws` over npm `ws`, with a schema that is no
// more than the benchmark's one subscription. Prints its address.
import { createServer } from 'node:http';
import { buildSchema } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';

const schema = buildSchema(`
  type Note { id: Int!, body: String! }
  type Query { bench_notes_by_pk(id: Int!): Note }
  type Subscription { bench_notes_by_pk(id: Int!): Note }
`);

const field = schema.getSubscriptionType().getFields().bench_notes_by_pk;
field.subscribe = (_source, { id }) => {
  let told = false;
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next() {
      if (told) return new Promise(() => {});
      told = true;
      const note = { id, body: `note ${id}` };
      return Promise.resolve({ value: { bench_notes_by_pk: note }, done: false });
    },
    return() {
      return Promise.resolve({ value: undefined, done: true });
    },
  };
};

const server = createServer();
useServer({ schema }, new WebSocketServer({ server, path: '/graphql', perMessageDeflate: false }));
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  console.log(`127.0.0.1:${server.address().port}`);
});
