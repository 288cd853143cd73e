// A client of npm graphql-ws that does not give up when nobody listens for a while.

import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { pause } from './wait.js';

export const modernClient = (server, options = {}) =>
  createClient({
    url: server.ws,
    webSocketImpl: WebSocket,
    retryAttempts: Infinity,
    retryWait: () => pause(50),
    // Its default is to end all operations when a connection is refused. Codes of closing that are
    // fatal stay so.
    shouldRetry: () => true,
    ...options,
  });
