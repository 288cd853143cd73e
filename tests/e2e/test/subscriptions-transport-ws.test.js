// npm subscriptions-transport-ws, the client of the legacy protocol `graphql-ws`.

import { SubscriptionClient } from 'subscriptions-transport-ws';

import { clientContract } from '../lib/contract.js';
import { LegacySocket } from '../lib/legacy-socket.js';

function connect(server) {
  // A server that is not there yet is an error of the socket; the client connects again by itself.
  const client = new SubscriptionClient(server.ws, { reconnect: true, minTimeout: 5000 }, LegacySocket);
  client.onError(() => {});
  const subscribe = (query, variables, observer) => {
    const { unsubscribe } = client.request({ query, variables }).subscribe(observer);
    return unsubscribe;
  };
  return {
    subscribe,
    query: (query, variables) =>
      new Promise((resolve, reject) => {
        let result;
        subscribe(query, variables, {
          next: (value) => (result = value),
          error: (error) => reject(error),
          complete: () => resolve(result),
        });
      }),
    close: () => client.close(),
  };
}

clientContract('subscriptions-transport-ws', connect, { resumes: true });
