// One operation over any transport, answered in one form, for tests of what all transports share.

import { openEvents } from './events.js';
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
  GET: async (server, body, { headers } = {}) => {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(body)) {
      if (value !== undefined) parameters.set(name, typeof value === 'string' ? value : JSON.stringify(value));
    }
    return (await fetch(`${server.http}?${parameters}`, { headers })).json();
  },
  'event stream': async (server, body, { headers } = {}) => {
    const events = await openEvents(server, body, { headers });
    const { event, data } = await events.inbox.take('the first event');
    events.close();
    if (event !== 'next') throw new Error(`${event}: ${JSON.stringify(data)}`);
    return data;
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
