// npm graphql-ws: graphql-transport-ws; npm graphql-http beside it.

import { useServer } from 'graphql-ws/use/ws';

import { announce, pairs } from './serve.js';
import { createSocketService } from './sockets.js';

const { state, server, schema, sockets } = createSocketService();
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
