// npm graphql-sse in its mode of distinct connections.

import { createClient } from 'graphql-sse';

import { clientContract } from '../lib/contract.js';
import { pause } from '../lib/wait.js';

function connect(server) {
  const client = createClient({ url: server.http, retryAttempts: 200, retry: () => pause(50) });
  const subscribe = (query, variables, observer) => client.subscribe({ query, variables }, observer);
  return {
    subscribe,
    query: (query, variables) =>
      new Promise((resolve, reject) => {
        let result;
        subscribe(query, variables, {
          next: (value) => (result = value),
          error: reject,
          complete: () => resolve(result),
        });
      }),
    close: () => client.dispose(),
  };
}

clientContract('graphql-sse', connect, { resumes: true });
