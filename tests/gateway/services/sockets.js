// A service over HTTP (npm graphql-http) and WebSockets (npm ws); who speaks over these, its caller says.

import { createHandler } from 'graphql-http/lib/use/http';
import { WebSocketServer } from 'ws';

import { makeSchema } from './schema.js';
import { createService, pairs } from './serve.js';

export function createSocketService() {
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
  return { state, server, schema, sockets };
}
