// The libraries that people use, one for every transport of a client, in one form.
//
// Each is `connect(server, {headers, init})`: `server` has `http`, `ws` and `base`; `headers` go with
// every request and upgrade, `init` is the payload of connection_init, where there is one. It gives
// `{ask, follow, close}`: `ask(body)` resolves to `{data, errors, extensions}`, `follow(body)` gives a
// Following.

import { connect as connectHttp2 } from 'node:http2';

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client/core';
import { CombinedGraphQLErrors, CombinedProtocolErrors, graphQLResultHasProtocolErrors, PROTOCOL_ERRORS_SYMBOL } from '@apollo/client/errors';
import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createWsClient } from 'graphql-ws';
import { SubscriptionClient } from 'subscriptions-transport-ws';
import WebSocket from 'ws';

import { tunnel } from '../../e2e/lib/tunnel.js';
import { LIMIT, within } from '../../e2e/lib/wait.js';
import { WAYS } from '../../e2e/lib/ways.js';
import { Following } from './following.js';

/** The errors of a library's error, or undefined if it is about the connection. */
function errorsOf(error) {
  if (Array.isArray(error)) return error;
  if (CombinedGraphQLErrors.is(error) || CombinedProtocolErrors.is(error)) return error.errors;
  return error?.errors ?? (error?.extensions || error?.locations ? [error] : undefined);
}

const describe = (error) => `${error?.name ?? ''} ${error?.code ?? ''} ${error?.message ?? error?.reason ?? error}`;

/** What a library calls, for a Following. */
const sink = ({ observer }) => ({
  ...observer,
  error: (error) => {
    const errors = errorsOf(error);
    if (errors) observer.error(errors);
    else observer.lost(describe(error));
  },
});

/** One result of something that is followed. */
const askBy = (follow) => async (body) => {
  const events = await follow(body).all();
  const [first] = events;
  if (first.lost) throw new Error(`lost: ${first.lost}`);
  if (first.error) return { errors: first.error };
  if (events.length !== 2 || !events[1].complete) throw new Error(`not one result: ${JSON.stringify(events)}`);
  return first.next;
};

const once = (way) => (server, { headers } = {}) => ({
  ask: (body) => WAYS[way](server, body, { headers }),
  close: () => {},
});

const socketWith = (options) =>
  class extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols, { perMessageDeflate: false, ...options(protocols) });
      this.on('error', () => {});
    }
  };

const modern = (options) => (server, { headers, init } = {}) => {
  const client = createWsClient({
    url: server.ws,
    connectionParams: init,
    webSocketImpl: socketWith((protocols) => options(server, [protocols].flat(), headers)),
    retryAttempts: 0,
  });
  const follow = (body) => {
    const following = new Following();
    return following.whenStopped(client.subscribe(body, sink(following)));
  };
  return { ask: askBy(follow), follow, close: () => client.dispose() };
};

function legacy(server, { headers, init } = {}) {
  // By itself it gives up a handshake after a second.
  const patience = { minTimeout: LIMIT, timeout: LIMIT };
  const options = { reconnect: false, ...patience, ...(init !== undefined && { connectionParams: init }) };
  const client = new SubscriptionClient(server.ws, options, socketWith(() => ({ headers })));
  const followings = new Set();
  client.onError(() => {});
  client.onDisconnected(() => followings.forEach(({ observer }) => observer.lost('the socket is closed')));
  const follow = (body) => {
    const following = new Following();
    followings.add(following);
    const { unsubscribe } = client.request(body).subscribe(sink(following));
    return following.whenStopped(unsubscribe);
  };
  return { ask: askBy(follow), follow, close: () => client.close() };
}

const events = (path, singleConnection) => (server, { headers } = {}) => {
  const client = createSseClient({ url: server.http + path, singleConnection, headers, retryAttempts: 0 });
  const follow = (body) => {
    const following = new Following();
    return following.whenStopped(client.subscribe(body, sink(following)));
  };
  return { ask: askBy(follow), follow, close: () => client.dispose() };
};

/**
 * Errors that stand for a result are an end; to the link they are a result with a symbol, after which it
 * completes.
 */
function protocolErrors(of) {
  let isOver = false;
  return {
    ...of,
    next: (result) => {
      isOver = graphQLResultHasProtocolErrors(result);
      if (isOver) of.error(result.extensions[PROTOCOL_ERRORS_SYMBOL]);
      else of.next(result);
    },
    complete: () => isOver || of.complete(),
  };
}

function multipart(server, { headers } = {}) {
  const link = new HttpLink({ uri: server.http, headers });
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  const subscriptions = new Set();
  const follow = ({ query, variables }) => {
    const following = new Following();
    const results = ApolloLink.execute(link, { query: gql(query), variables }, { client });
    const subscription = results.subscribe(protocolErrors(sink(following)));
    subscriptions.add(subscription);
    return following.whenStopped(() => subscription.unsubscribe());
  };
  const close = () => {
    subscriptions.forEach((subscription) => subscription.unsubscribe());
    client.stop();
  };
  return { ask: askBy(follow), follow, close };
}

/** Requests and event streams, all over one HTTP/2 connection. */
function http2(server, { headers } = {}) {
  const session = connectHttp2(server.base);
  session.on('error', () => {});
  const request = (body, accept) => {
    const head = { ':method': 'POST', ':path': '/graphql', 'content-type': 'application/json', accept };
    const stream = session.request({ ...head, ...headers });
    stream.setEncoding('utf8').end(JSON.stringify(body));
    return stream;
  };
  const textOf = async (stream) => {
    let text = '';
    for await (const piece of stream) text += piece;
    return text;
  };
  const ask = async (body) => JSON.parse(await within('an answer', textOf(request(body, 'application/json'))));
  const follow = (body) => {
    const following = new Following();
    const { observer } = following;
    const stream = request(body, 'text/event-stream');
    let text = '';
    stream.on('data', (piece) => {
      text += piece;
      for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
        const [, event] = /^event: ?(.*)$/m.exec(text.slice(0, end)) ?? [];
        if (event === 'next') observer.next(JSON.parse(/^data: ?(.*)$/m.exec(text.slice(0, end))[1]));
        if (event === 'complete') observer.complete();
      }
    });
    stream.on('error', () => {}).on('close', () => observer.lost('the stream is closed'));
    return following.whenStopped(() => stream.close());
  };
  return { ask, follow, close: () => session.destroy() };
}

const plain = (server, protocols, headers) => ({ headers });
const overHttp2 = (server, protocols, headers) => ({ createConnection: tunnel(server, protocols, headers) });

/** By name. Those without `follow` have no subscriptions; `inits` tells whether there is a payload,
 * `names` whether an operation of several can be chosen. */
export const TRANSPORTS = {
  POST: { connect: once('POST'), follows: false },
  GET: { connect: once('GET'), follows: false, mutates: false },
  'graphql-ws': { connect: modern(plain), inits: true },
  'subscriptions-transport-ws': { connect: legacy, inits: true },
  'graphql-sse, distinct connections': { connect: events('') },
  'graphql-sse, single connection': { connect: events('/stream', true) },
  // The link always names the first operation of a document.
  '@apollo/client, multipart': { connect: multipart, names: false },
  'HTTP/2': { connect: http2 },
  'graphql-ws, HTTP/2': { connect: modern(overHttp2), inits: true },
};
for (const [name, transport] of Object.entries(TRANSPORTS)) {
  Object.assign(transport, { name, follows: true, mutates: true, inits: false, names: true, ...transport });
}

/** Those over which subscriptions run. */
export const STREAMING = Object.values(TRANSPORTS).filter(({ follows }) => follows);
