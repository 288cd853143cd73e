// The client libraries, set up as for a network that fails: they notice when nothing comes any more,
// and come back. Each is `connect(network)`, which gives `{follow, close}`; `follow(query, variables,
// next)` goes on over lost connections until the function that it returns is called.

import { ApolloClient, InMemoryCache, gql } from '@apollo/client/core';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { Client as UrqlClient, fetchExchange } from '@urql/core';
import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createWsClient } from 'graphql-ws';
import { SubscriptionClient } from 'subscriptions-transport-ws';
import WebSocket from 'ws';

import { LegacySocket } from './legacy-socket.js';
import { pause } from './wait.js';

/** How long nothing may come before a connection counts as lost, in ms; the server's signs of life
 * come more often. */
export const SILENCE = 1500;

globalThis.WebSocket ??= WebSocket;

/** Gives up a handshake that does not end. */
class ImpatientSocket extends LegacySocket {
  constructor(url, protocols) {
    super(url, protocols, { handshakeTimeout: SILENCE, perMessageDeflate: false });
  }
}

// The recipe of the library's documentation: its own pings, and an end to the socket without a pong.
function wsClient(network) {
  let timer;
  const client = createWsClient({
    url: network.ws,
    webSocketImpl: ImpatientSocket,
    retryAttempts: Infinity,
    retryWait: () => pause(30),
    shouldRetry: () => true,
    connectionAckWaitTimeout: SILENCE,
    keepAlive: SILENCE / 3,
    on: {
      ping: (received) => {
        if (received) return;
        clearTimeout(timer);
        // A handshake of closing would wait for the other end, too.
        timer = setTimeout(() => client.terminate(), SILENCE);
      },
      pong: (received) => received && clearTimeout(timer),
      closed: () => clearTimeout(timer),
    },
  });
  return client;
}

/** A fetch that fails when nothing comes for a while. */
async function watchedFetch(url, options) {
  const abort = new AbortController();
  const signals = [abort.signal, options.signal].filter(Boolean);
  let timer;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(new Error('silence')), SILENCE);
  };
  heard();
  const response = await fetch(url, { ...options, signal: AbortSignal.any(signals) });
  const body = response.body?.pipeThrough(
    new TransformStream({
      transform: (chunk, controller) => {
        heard();
        controller.enqueue(chunk);
      },
      flush: () => clearTimeout(timer),
    }),
  );
  return new Response(body, { status: response.status, headers: response.headers });
}

/** Subscribes again for as long as it is wanted: for libraries that leave that to the application. */
function again(subscribe) {
  let stop = () => {};
  let isWanted = true;
  (async () => {
    while (isWanted) {
      await new Promise((end) => {
        stop = subscribe(end);
      });
      await pause(30);
    }
  })();
  return () => {
    isWanted = false;
    stop();
  };
}

const ignore = () => {};

export const CLIENTS = {
  'graphql-ws': (network) => {
    const client = wsClient(network);
    return {
      follow: (query, variables, next) =>
        again((end) => client.subscribe({ query, variables }, { next, error: end, complete: end })),
      close: () => client.terminate(),
    };
  },

  '@apollo/client': (network) => {
    const socket = wsClient(network);
    const client = new ApolloClient({ link: new GraphQLWsLink(socket), cache: new InMemoryCache() });
    return {
      follow: (query, variables, next) =>
        again((end) => {
          const options = { query: gql(query), variables, fetchPolicy: 'no-cache', errorPolicy: 'all' };
          const subscription = client.subscribe(options).subscribe({
            next: ({ data, error }) => (error ? end() : next({ data })),
            error: end,
            complete: end,
          });
          return () => subscription.unsubscribe();
        }),
      close: () => {
        client.stop();
        socket.terminate();
      },
    };
  },

  'subscriptions-transport-ws': (network) => {
    // It comes back when no `ka` comes for `timeout`.
    const options = { reconnect: true, timeout: SILENCE, minTimeout: SILENCE };
    const client = new SubscriptionClient(network.ws, options, ImpatientSocket);
    client.onError(ignore);
    // A connection that is lost before `connection_ack` takes the operations with it: the library
    // believes that they still wait to be sent.
    client.onDisconnected(() => Object.assign(client, { reconnecting: false, unsentMessagesQueue: [] }));
    // Nor does it ever give up a connection that is open and not acknowledged: its clock is set by `ka`.
    let timer;
    const wait = () => (timer = setTimeout(() => client.close(false, true), SILENCE));
    const stopWaiting = () => clearTimeout(timer);
    client.onConnecting(wait);
    client.onReconnecting(wait);
    for (const on of ['onConnected', 'onReconnected', 'onDisconnected']) client[on](stopWaiting);
    return {
      follow: (query, variables, next) => {
        const { unsubscribe } = client.request({ query, variables }).subscribe({ next, error: ignore });
        return unsubscribe;
      },
      close: () => client.close(),
    };
  },

  'graphql-sse': (network) => {
    const client = createSseClient({
      url: network.http,
      fetchFn: watchedFetch,
      retryAttempts: Infinity,
      retry: () => pause(30),
    });
    return {
      follow: (query, variables, next) =>
        again((end) => client.subscribe({ query, variables }, { next, error: end, complete: end })),
      close: () => client.dispose(),
    };
  },

  '@urql/core, event streams': (network) => {
    const client = new UrqlClient({
      url: network.http,
      exchanges: [fetchExchange],
      fetchSubscriptions: true,
      fetch: watchedFetch,
      preferGetMethod: false,
    });
    return {
      follow: (query, variables, next) =>
        again((end) => {
          const { unsubscribe } = client.subscription(query, variables ?? {}).subscribe(({ data, error, hasNext }) => {
            if (error) end();
            else if (data) next({ data });
            if (hasNext === false) end();
          });
          return unsubscribe;
        }),
      close: ignore,
    };
  },
};
