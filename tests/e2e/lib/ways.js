// One operation over any transport, answered in one form, for tests of what all transports share.

import { openEvents, openSingle } from './events.js';
import { openParts } from './parts.js';
import { LEGACY, MODERN, Socket } from './sockets.js';

const overSocket = (protocol) => async (server, body, options) => {
  const socket = await Socket.open(server, protocol, { init: {}, ...options });
  try {
    socket.send({ id: '1', type: socket.words.start, payload: body });
    const { type, payload } = await socket.inbox.take('the answer');
    // The two protocols tell of refusals in their own ways.
    if (type === 'error') return { errors: Array.isArray(payload) ? payload : [payload], type };
    return { ...payload, type };
  } finally {
    await socket.close();
  }
};

/** One request among others in a body. Servers must be told to allow it. */
export const batch = async (server, body, { headers } = {}) => {
  const response = await fetch(server.http, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify([{ query: '{ __typename }' }, body]),
  });
  const answer = await response.json();
  if (!Array.isArray(answer)) return answer;
  const [first, second] = answer;
  if (first.data?.__typename !== 'query_root') throw new Error(`the other request: ${JSON.stringify(first)}`);
  return second;
};

/** `{data, errors}` of an operation, by transport. */
export const WAYS = {
  POST: async (server, body, { headers } = {}) => {
    const response = await fetch(server.http, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    return response.json();
  },
  GET: async (server, { query, variables, operationName }, { headers } = {}) => {
    const parameters = new URLSearchParams({ query });
    if (variables !== undefined) parameters.set('variables', JSON.stringify(variables));
    if (operationName !== undefined) parameters.set('operationName', operationName);
    return (await fetch(`${server.http}?${parameters}`, { headers })).json();
  },
  'event stream': async (server, body, { headers } = {}) => {
    const events = await openEvents(server, body, { headers });
    const { event, data } = await events.inbox.take('the first event');
    events.close();
    if (event !== 'next') throw new Error(`${event}: ${JSON.stringify(data)}`);
    return data;
  },
  'single connection': async (server, body, options) => {
    const { refusal, inbox, close } = await openSingle(server, body, options);
    if (refusal) return refusal;
    const { event, data } = await inbox.take('the first event');
    close();
    if (event !== 'next' || data.id !== '1') throw new Error(`${event}: ${JSON.stringify(data)}`);
    return data.payload;
  },
  multipart: async (server, body, { headers } = {}) => {
    const parts = await openParts(server, body, { headers });
    const { payload, errors } = await parts.inbox.take('the first part');
    parts.close();
    return payload ?? { data: null, errors };
  },
  [MODERN]: overSocket(MODERN),
  [LEGACY]: overSocket(LEGACY),
};
