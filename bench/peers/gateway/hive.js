// @graphql-hive/gateway as a proxy of one service. Arguments: URL for requests, URL for sockets.
// Prints its address. What its command `proxy` does, without what that adds by default.
import { createServer } from 'node:http';
import { createGatewayRuntime, getGraphQLWSOptions } from '@graphql-hive/gateway';
import { normalizeNodeRequest } from '@whatwg-node/server';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';

const [url, wsUrl] = process.argv.slice(2);
const gateway = createGatewayRuntime({
  proxy: { endpoint: url },
  logging: false,
  transportEntries: {
    '*.http': {
      options: {
        subscriptions: {
          kind: 'ws',
          location: wsUrl,
          // Who the client is: one upstream socket for each that says something else.
          options: { connectionParams: { token: '{context.connectionParams.token}' } },
        },
      },
    },
  },
});
await gateway.getSchema();

const server = createServer(gateway);
const sockets = new WebSocketServer({ path: gateway.graphqlEndpoint, server });
const options = getGraphQLWSOptions(gateway, (ctx) => ({
  req: ctx.extra.request,
  socket: ctx.extra.socket,
  request: normalizeNodeRequest(ctx.extra.request, gateway.fetchAPI),
}));
useServer(options, sockets);
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  console.log(`127.0.0.1:${server.address().port}`);
});
