// Server-sent events without a GraphQL library.

import { answerOf, send } from './send.js';
import { Inbox } from './wait.js';

/**
 * Asks with `Accept: text/event-stream`: by POST, or by GET if there are `parameters`. Resolves once
 * the head of the response is there.
 */
export async function openEvents(server, body, { headers = {}, parameters } = {}) {
  const abort = new AbortController();
  const text = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
  const response = await send(parameters ? `${server.http}?${parameters}` : server.http, {
    method: parameters ? 'GET' : 'POST',
    headers: { accept: 'text/event-stream', 'content-type': 'application/json', ...headers },
    body: parameters ? undefined : text,
    signal: abort.signal,
    duplex: 'half',
  });
  const inbox = new Inbox();
  const ended = response.headers.get('content-type')?.startsWith('text/event-stream')
    ? read(response.body, inbox)
    : response.text().then((text) => inbox.put({ event: 'not a stream', data: text }));
  return { response, inbox, ended: ended.then(() => 'end', () => 'cut'), close: () => abort.abort() };
}

/**
 * An operation in single connection mode: reserves a stream, opens it, starts the operation. Gives
 * what refused it instead of events if that was an answer.
 */
export async function openSingle(server, body, { headers = {} } = {}) {
  const url = `${server.http}/stream`;
  const reserved = await send(url, { method: 'PUT', headers });
  if (reserved.status !== 201) return { refusal: await answerOf(reserved) };
  const mine = { ...headers, 'x-graphql-event-stream-token': await reserved.text() };
  const abort = new AbortController();
  const opened = await send(url, { headers: { ...mine, accept: 'text/event-stream' }, signal: abort.signal });
  if (opened.status !== 200) return { refusal: await answerOf(opened) };
  const inbox = new Inbox();
  read(opened.body, inbox).catch(() => {});
  const close = () => abort.abort();
  const started = await send(url, {
    method: 'POST',
    headers: { ...mine, 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, extensions: { ...body.extensions, operationId: '1' } }),
  });
  if (started.status === 202) return { inbox, close };
  close();
  return { refusal: await answerOf(started) };
}

async function read(body, inbox) {
  let text = '';
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
      const fields = {};
      for (const line of text.slice(0, end).split('\n')) {
        const [, name, value] = /^([^:]*)(?:: ?(.*))?$/.exec(line);
        if (name) fields[name] = value;
      }
      if (fields.event) inbox.put({ event: fields.event, data: fields.data ? JSON.parse(fields.data) : null });
    }
  }
}
