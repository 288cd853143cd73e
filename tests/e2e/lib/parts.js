// Multipart subscriptions without a GraphQL library.

import { send } from './send.js';
import { Inbox } from './wait.js';

const ACCEPT = 'multipart/mixed;subscriptionSpec=1.0';

/**
 * Asks with an `Accept` for parts: by POST, or by GET if there are `parameters`. Resolves once the
 * head of the response is there.
 */
export async function openParts(server, body, { headers = {}, parameters } = {}) {
  const abort = new AbortController();
  const response = await send(parameters ? `${server.http}?${parameters}` : server.http, {
    method: parameters ? 'GET' : 'POST',
    headers: { accept: ACCEPT, 'content-type': 'application/json', ...headers },
    body: parameters ? undefined : JSON.stringify(body),
    signal: abort.signal,
  });
  const inbox = new Inbox();
  const ended = response.headers.get('content-type')?.startsWith('multipart/mixed')
    ? read(response.body, inbox)
    : response.text().then((text) => inbox.put({ payload: { notParts: text } }));
  return { response, inbox, ended: ended.then(() => 'end', () => 'cut'), close: () => abort.abort() };
}

// A part is complete at the boundary behind it, and the body at the closing one.
async function read(body, inbox) {
  let text = '';
  let isClosed = false;
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end; (end = text.indexOf('\r\n--graphql')) >= 0; text = text.slice(end + 11)) {
      const [head, json] = text.slice(0, end).split('\r\n\r\n');
      if (json === undefined) continue;
      if (head.trim() !== 'content-type: application/json') throw new Error(`a part of another type: ${head}`);
      if (json !== '{}') inbox.put(JSON.parse(json));
    }
    isClosed = text === '--\r\n';
  }
  if (!isClosed) throw new Error('no closing boundary');
}
