// npm subscriptions-transport-ws: graphql-ws, the legacy protocol; npm graphql-http beside it.

import { execute, subscribe } from 'graphql';
import { createHandler } from 'graphql-http/lib/use/http';
import { SubscriptionServer } from 'subscriptions-transport-ws';
import { WebSocketServer } from 'ws';

import { makeSchema } from './schema.js';
import { announce, createService, pairs } from './serve.js';

const handle = (request, response) => http(request, response);
const { state, server } = createService({ handle });
const schema = makeSchema(state);
const http = createHandler({
  schema,
  context: ({ raw }) => ({ headers: pairs(raw), transport: 'http' }),
});

const sockets = new WebSocketServer({ server, path: '/graphql' });
sockets.on('connection', (socket) => {
  state.webSockets.add(socket);
  socket.on('close', () => state.webSockets.delete(socket));
});
SubscriptionServer.create(
  {
    schema: schema(),
    execute,
    subscribe,
    onConnect: (payload, _, { request }) => {
      state.inits.push(payload ?? null);
      if (payload?.refuse) throw new Error('refused');
      return { headers: pairs(request), init: payload, transport: 'websocket' };
    },
    onOperation: (_, params) => ({ ...params, schema: schema() }),
  },
  sockets,
);
announce(server);
