// One operation over any transport, answered in one form, for tests of what all transports share.
//
// A transport is one function here: it takes a server, a request body, and `headers` (of the request,
// or of the upgrade) or `init` (the payload of `connection_init`, where there is one), and resolves to
// the first answer as `{data, errors}`. Its property `streams` tells whether subscriptions run over
// it, `inUrl` whether the request travels in the URL, `connects` whether credentials are checked when
// it connects, before there is a request: then a refusal is `{refusal}`, as `Socket.open` tells it.

import { connect as connectHttp2 } from 'node:http2';

import { openEvents, openSingle } from './events.js';
import { openParts } from './parts.js';
import { answerOf, jsonOf, send } from './send.js';
import { LEGACY, MODERN, Socket } from './sockets.js';

const overSocket = (protocol, how) => async (server, body, options) => {
  let socket;
  try {
    socket = await Socket.open(server, protocol, { init: {}, ...options, ...how });
  } catch (error) {
    if (error.refusal) return { refusal: error.refusal };
    throw error;
  }
  try {
    socket.send({ id: '1', type: socket.words.start, payload: body });
    const { type, payload, closing } = await socket.takeOrClosing('the answer');
    if (closing) return { refusal: { ...closing, messages: socket.inbox.history } };
    // The two protocols tell of refusals in their own ways.
    if (type === 'error') return { errors: Array.isArray(payload) ? payload : [payload], type };
    return { ...payload, type };
  } finally {
    await socket.close();
  }
};

/** The query string of a request. */
export function parameters(body) {
  const all = new URLSearchParams();
  for (const [name, value] of Object.entries(body)) {
    const isJson = name === 'variables' || name === 'extensions';
    if (value != null) all.set(name, isJson ? JSON.stringify(value) : value);
  }
  return all;
}

const overEvents = (method) => async (server, body, { headers } = {}) => {
  const options = method === 'GET' ? { headers, parameters: parameters(body) } : { headers };
  const events = await openEvents(server, body, options);
  const { event, data } = await events.inbox.take('the first event');
  events.close();
  if (event === 'next') return data;
  if (event === 'not a stream') return { ...jsonOf(data), status: events.response.status };
  throw new Error(`${event}: ${JSON.stringify(data)}`);
};

const overParts = (method) => async (server, body, { headers } = {}) => {
  const options = method === 'GET' ? { headers, parameters: parameters(body) } : { headers };
  const parts = await openParts(server, body, options);
  const { payload, errors } = await parts.inbox.take('the first part');
  parts.close();
  if (payload?.notParts !== undefined) return { ...jsonOf(payload.notParts), status: parts.response.status };
  return payload ?? { data: null, errors };
};

const way = (ask, traits) => Object.assign(ask, { streams: false, inUrl: false, connects: false }, traits);

const overSingleConnection = async (server, body, options) => {
  const { refusal, inbox, close } = await openSingle(server, body, options);
  if (refusal) return refusal;
  const { event, data } = await inbox.take('the first event');
  close();
  if (event !== 'next' || data.id !== '1') throw new Error(`${event}: ${JSON.stringify(data)}`);
  return data.payload;
};

/** One request among others in a body. Servers must be told to allow it, so it is not among the rest. */
const overBatch = async (server, body, { headers } = {}) => {
  const response = await send(server.http, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify([{ query: '{ __typename }' }, body]),
  });
  const answer = await response.json();
  if (!Array.isArray(answer)) return { ...answer, status: response.status };
  const [first, second] = answer;
  if (first.data?.__typename !== 'query_root') throw new Error(`the other request: ${JSON.stringify(first)}`);
  return second;
};

const overHttp2 = async (server, body, { headers } = {}) => {
  const session = connectHttp2(server.base);
  try {
    const request = session.request({ ':method': 'POST', ':path': '/graphql', 'content-type': 'application/json', ...headers });
    const status = new Promise((resolve, reject) => {
      request.on('response', (answer) => resolve(answer[':status'])).on('error', reject);
    });
    request.end(JSON.stringify(body));
    let text = '';
    for await (const piece of request.setEncoding('utf8')) text += piece;
    return { ...jsonOf(text), status: await status };
  } finally {
    session.destroy();
  }
};

/** `{data, errors}` of an operation, by transport. */
export const WAYS = {
  POST: way(async (server, body, { headers } = {}) => {
    const response = await send(server.http, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    return answerOf(response);
  }),
  GET: way(async (server, body, { headers } = {}) => {
    const response = await send(`${server.http}?${parameters(body)}`, { headers });
    return answerOf(response);
  }, { inUrl: true }),
  'event stream': way(overEvents('POST'), { streams: true }),
  'event stream, GET': way(overEvents('GET'), { streams: true, inUrl: true }),
  'single connection': way(overSingleConnection, { streams: true }),
  multipart: way(overParts('POST'), { streams: true }),
  'multipart, GET': way(overParts('GET'), { streams: true, inUrl: true }),
  [MODERN]: way(overSocket(MODERN), { streams: true, connects: true }),
  [LEGACY]: way(overSocket(LEGACY), { streams: true, connects: true }),
};

/** All of them, with those that the server has to be told to allow. */
export const ALL_WAYS = {
  ...WAYS,
  batch: way(overBatch),
  'POST, HTTP/2': way(overHttp2),
  [`${MODERN}, compressed`]: way(overSocket(MODERN, { compressed: true }), { streams: true, connects: true }),
  [`${LEGACY}, compressed`]: way(overSocket(LEGACY, { compressed: true }), { streams: true, connects: true }),
  [`${MODERN}, HTTP/2`]: way(overSocket(MODERN, { http2: true }), { streams: true, connects: true }),
  [`${LEGACY}, HTTP/2`]: way(overSocket(LEGACY, { http2: true }), { streams: true, connects: true }),
};

/** The settings that allow them. */
export const ALL_WAYS_ARGS = [
  ...['--max-batch-size', '2', '--websocket-http2', 'true'],
  ...['--websocket-compression', 'true', '--websocket-compression-threshold', '1'],
];

/** The names of all transports, or of those over which subscriptions run. */
export const EVERY = Object.keys(WAYS);
export const STREAMING = EVERY.filter((name) => WAYS[name].streams);

/** Whether a transport can carry a request of this length: a URL is a head, whose limit is 64 KiB. */
export const fits = ({ inUrl }, body) => !inUrl || String(parameters(body)).length < 60_000;
export const carriers = (body) => EVERY.filter((name) => fits(WAYS[name], body));
