// npm subscriptions-transport-ws: graphql-ws, the legacy protocol; npm graphql-http beside it.

import { execute, subscribe } from 'graphql';
import { SubscriptionServer } from 'subscriptions-transport-ws';

import { announce, pairs } from './serve.js';
import { createSocketService } from './sockets.js';

const { state, server, schema, sockets } = createSocketService();
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
