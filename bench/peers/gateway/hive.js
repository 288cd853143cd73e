// @graphql-hive/gateway as a proxy of one service. Arguments: URL for requests, URL for sockets.
// Prints its address. What its command `proxy` does, without what that adds by default.
import { createServer } from 'node:http';
import { createGatewayRuntime, getGraphQLWSOptions, Logger } from '@graphql-hive/gateway';
import { getOperationAST } from 'graphql';
import { normalizeNodeRequest } from '@whatwg-node/server';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';

const [url, wsUrl] = process.argv.slice(2);
const log = new Logger({ level: false });
const gateway = createGatewayRuntime({
  proxy: { endpoint: url },
  logging: log,
  plugins: () => [
    {
      // As a proxy it does not tell the transport what kind of operation it is (2.15.1), and without
      // that a subscription is sent as a request.
      onSubgraphExecute({ executionRequest }) {
        const { document, operationName } = executionRequest;
        executionRequest.operationType ??= getOperationAST(document, operationName)?.operation;
      },
    },
  ],
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
  // A proxy has none in the context of a socket, and its plugins ask for it (2.15.1).
  log,
  request: normalizeNodeRequest(ctx.extra.request, gateway.fetchAPI),
}));
useServer(options, sockets);
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  console.log(`127.0.0.1:${server.address().port}`);
});
