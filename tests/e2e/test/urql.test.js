// npm @urql/core: fetch for queries; subscriptions by fetch (event streams, by the Accept header that
// it sends of itself) and by graphql-ws.

import { Client, fetchExchange, subscriptionExchange } from '@urql/core';

import { clientContract } from '../lib/contract.js';
import { modernClient } from '../lib/modern.js';

function adapt(client, close) {
  const result = ({ data, error }) => {
    if (error?.networkError) return { network: error.networkError };
    return { data, errors: error?.graphQLErrors };
  };
  return {
    query: async (query, variables) => result(await client.query(query, variables ?? {}).toPromise()),
    subscribe: (query, variables, observer) => {
      const { unsubscribe } = client.subscription(query, variables ?? {}).subscribe((value) => {
        const { network, ...rest } = result(value);
        if (network) observer.error(network);
        else observer.next(rest);
      });
      return unsubscribe;
    },
    close,
  };
}

const overFetch = (server) => {
  const client = new Client({
    url: server.http,
    exchanges: [fetchExchange],
    fetchSubscriptions: true,
    requestPolicy: 'network-only',
    preferGetMethod: false,
  });
  return adapt(client, () => {});
};

const overSocket = (server) => {
  const socket = modernClient(server);
  const client = new Client({
    url: server.http,
    preferGetMethod: false,
    requestPolicy: 'network-only',
    exchanges: [
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: (request) => ({
          subscribe: (sink) => ({
            unsubscribe: socket.subscribe({ ...request, query: request.query ?? '' }, sink),
          }),
        }),
      }),
    ],
  });
  return adapt(client, () => socket.dispose());
};

clientContract('@urql/core, fetch with event streams', overFetch, { resumes: false });
clientContract('@urql/core, graphql-ws', overSocket, { resumes: true });
