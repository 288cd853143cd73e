// The transports over which every case runs: credentials in headers, of a request or of an upgrade, and
// in the payload of `connection_init`.

import { LEGACY, MODERN } from '../sockets.js';
import { ALL_WAYS } from '../ways.js';

const HTTP = ['POST', 'GET', 'event stream', 'single connection', 'multipart', 'POST, HTTP/2'];
const SOCKETS = [MODERN, LEGACY, `${MODERN}, HTTP/2`];
const IN_PAYLOAD = [MODERN, LEGACY, `${LEGACY}, HTTP/2`];

const named = (name, ask, traits = {}) => ({ name, ask, isSocket: false, ...traits });

const overHttp = HTTP.map((name) => named(name, ALL_WAYS[name]));
const overSockets = SOCKETS.map((name) => named(name, ALL_WAYS[name], { isSocket: true }));
/** A payload may have the headers in a member `headers`, or at its top. */
const inPayload = IN_PAYLOAD.map((name, at) =>
  named(
    `${name}, connection_init`,
    (server, body, { headers, ...options }) =>
      ALL_WAYS[name](server, body, { ...options, init: at === 1 ? headers : { headers } }),
    { isSocket: true },
  ),
);

/** The settings that all of them need. */
export const SETTINGS = { 'websocket-http2': 'true' };

/**
 * The transports for a case: `via` says whether its credentials are in `headers` or in the payload
 * (`init`), both if it says nothing; a case with a payload of its own is for sockets; `only` is `http` or
 * `sockets`; `not` is a part of the names of transports that cannot carry it, `just` the name of the one
 * that it is about.
 */
export function waysFor({ via, init, only, not, just, headers = {} }) {
  const isRepeated = Object.values(headers).some(Array.isArray);
  let ways;
  if (init !== undefined) ways = overSockets;
  else if (via === 'headers' || isRepeated) ways = [...overHttp, ...overSockets];
  else if (via === 'init') ways = inPayload;
  else ways = [...overHttp, ...overSockets, ...inPayload];
  return ways
    .filter(({ isSocket }) => only === undefined || isSocket === (only === 'sockets'))
    .filter(({ name }) => not === undefined || !name.includes(not))
    .filter(({ name }) => just === undefined || name === just);
}

/** What a transport tells of a refusal, in one form: `{code, message}`, or `{status}` without words. */
export function told(answer) {
  const { data, errors, refusal, status, notJson } = answer;
  if (refusal) {
    if (refusal.status) return { upgrade: refusal.status };
    const [first, ...more] = refusal.messages ?? [];
    // The legacy protocol tells in a message, the modern one in the reason of its close.
    if (first?.type === 'connection_error' && more.length === 0) {
      const { message, extensions } = first.payload;
      return { closed: refusal.code, message, ...(extensions?.code && { code: extensions.code }) };
    }
    return { closed: refusal.code, message: refusal.reason, ...(first && { messages: refusal.messages }) };
  }
  if (errors?.length === 1 && (data ?? null) === null) {
    const [{ message, extensions }] = errors;
    return { code: extensions?.code, message, path: extensions?.path };
  }
  return { status, data, errors, ...(notJson && { notJson }) };
}
