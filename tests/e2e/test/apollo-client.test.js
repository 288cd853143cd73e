// npm @apollo/client: HTTP for queries; graphql-ws for subscriptions, or its own HttpLink, which asks
// for multipart responses.

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client/core';
import { CombinedGraphQLErrors } from '@apollo/client/errors';
import { RetryLink } from '@apollo/client/link/retry';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { getMainDefinition } from '@apollo/client/utilities';
import WebSocket from 'ws';

import { clientContract } from '../lib/contract.js';
import { modernClient } from '../lib/modern.js';

// GraphQLWsLink wants it to be there, as in browsers; Node has it from 22 on.
globalThis.WebSocket ??= WebSocket;

function overSocket(server) {
  const socket = modernClient(server);
  const link = ApolloLink.split(
    ({ query }) => getMainDefinition(query).operation === 'subscription',
    new GraphQLWsLink(socket),
    new HttpLink({ uri: server.http }),
  );
  return adapt(link, () => socket.dispose());
}

const overMultipart = (server) => adapt(new HttpLink({ uri: server.http }), () => {});

/** The link that Apollo's documentation recommends for tries after a loss. */
const overMultipartWithRetries = (server) => {
  const retry = new RetryLink({ delay: { initial: 50, max: 50, jitter: false }, attempts: { max: Infinity } });
  return adapt(retry.concat(new HttpLink({ uri: server.http })), () => {});
};

function adapt(link, close) {
  const client = new ApolloClient({
    link,
    cache: new InMemoryCache(),
    defaultOptions: { query: { fetchPolicy: 'no-cache', errorPolicy: 'all' } },
  });
  const errorsOf = (error) => (CombinedGraphQLErrors.is(error) ? error.errors : undefined);
  return {
    query: async (query, variables) => {
      const { data, error } = await client.query({ query: gql(query), variables });
      if (error && !errorsOf(error)) throw error;
      return { data, errors: errorsOf(error) };
    },
    subscribe: (query, variables, observer) => {
      const subscription = client
        .subscribe({ query: gql(query), variables, fetchPolicy: 'no-cache', errorPolicy: 'all' })
        .subscribe({
          ...observer,
          next: ({ data, error }) => observer.next({ data, errors: errorsOf(error) ?? error }),
        });
      return () => subscription.unsubscribe();
    },
    close: async () => {
      client.stop();
      await close();
    },
  };
}

clientContract('@apollo/client, graphql-ws', overSocket, { resumes: true });
clientContract('@apollo/client, multipart', overMultipart, { resumes: false });
clientContract('@apollo/client, multipart with RetryLink', overMultipartWithRetries, { resumes: true, signal: 'term' });
