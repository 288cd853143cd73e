// npm graphql-yoga: server-sent events, by POST and by GET.

import { createYoga } from 'graphql-yoga';

import { makeSchema } from './schema.js';
import { announce, createService, pairs } from './serve.js';

const handle = (request, response) => yoga(request, response);
const { state, server } = createService({ handle, sockets: false });
const schema = makeSchema(state);
const yoga = createYoga({
  schema: () => schema(),
  logging: false,
  maskedErrors: false,
  graphiql: false,
  landingPage: false,
  context: ({ req }) => ({ headers: pairs(req), transport: 'http' }),
});
announce(server);
