// npm graphql-ws: graphql-transport-ws; npm graphql-http beside it.

import { useServer } from 'graphql-ws/use/ws';
import { createHandler } from 'graphql-http/lib/use/http';
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
useServer(
  {
    schema,
    onConnect: ({ connectionParams }) => {
      state.inits.push(connectionParams ?? null);
      return !connectionParams?.refuse;
    },
    context: ({ connectionParams, extra }) => ({
      headers: pairs(extra.request),
      init: connectionParams,
      transport: 'websocket',
    }),
  },
  sockets,
);
announce(server);
