// Mercurius: both subprotocols, queries over sockets, and the connectionInit extension.

import Fastify from 'fastify';
import mercurius from 'mercurius';

import { makeSchema } from './schema.js';
import { announce, createService, pairs } from './serve.js';
import { State } from './state.js';

const state = new State();
const schema = makeSchema(state);
let server;
const app = Fastify({
  serverFactory: (handle) => {
    ({ server } = createService({ state, handle, changed: () => app.graphql.replaceSchema(schema()) }));
    return server;
  },
});

await app.register(mercurius, {
  schema: schema(),
  path: '/graphql',
  context: (request) => ({ headers: pairs(request.raw), transport: 'http' }),
  subscription: {
    fullWsTransport: true,
    context: (socket, request) => {
      state.webSockets.add(socket);
      socket.on('close', () => state.webSockets.delete(socket));
      return { headers: pairs(request.raw), transport: 'websocket' };
    },
    // For the socket, and once more for every operation that brings the extension: what is given is
    // merged into the context of that operation.
    onConnect: ({ payload }) => {
      state.inits.push(payload ?? null);
      if (payload?.refuse) return false;
      return { init: payload };
    },
  },
});
await app.ready();
announce(server);
