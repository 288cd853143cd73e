// Server-sent events without a GraphQL library.

import { Inbox } from './wait.js';

/** POSTs with `Accept: text/event-stream`. Resolves once the head of the response is there. */
export async function openEvents(server, body, { headers = {}, query } = {}) {
  const abort = new AbortController();
  const url = query === undefined ? server.http : `${server.http}?query=${encodeURIComponent(query)}`;
  const response = await fetch(url, {
    method: query === undefined ? 'POST' : 'GET',
    headers: { accept: 'text/event-stream', 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
    signal: abort.signal,
    duplex: 'half',
  });
  const inbox = new Inbox();
  const ended = response.headers.get('content-type')?.startsWith('text/event-stream')
    ? read(response.body, inbox)
    : response.text().then((text) => inbox.put({ event: 'not a stream', data: text }));
  return { response, inbox, ended: ended.then(() => 'end', () => 'cut'), close: () => abort.abort() };
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
