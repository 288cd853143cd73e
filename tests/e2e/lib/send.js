// `fetch` that can also send a header more than once: the list of its values is given instead of one.

import { request as httpRequest } from 'node:http';
import { Readable } from 'node:stream';

/** As `fetch`; what is sent twice goes by a plain client, since `fetch` joins the values. */
export function send(url, options = {}) {
  const { method = 'GET', headers = {}, body, signal } = options;
  if (!Object.values(headers).some(Array.isArray)) return fetch(url, options);
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method, headers, signal, agent: false }, (response) => {
      const pairs = Object.entries(response.headersDistinct).flatMap(([name, values]) => values.map((value) => [name, value]));
      const isEmpty = response.statusCode === 204 || response.statusCode === 304;
      const stream = isEmpty ? null : Readable.toWeb(response);
      resolve(new Response(stream, { status: response.statusCode, headers: pairs }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** What a response says: its JSON, or its text as `notJson`, and its status. */
export async function answerOf(response) {
  const text = await response.text();
  return { ...jsonOf(text), status: response.status };
}

/** The object of a text, or the text as `notJson`. */
export function jsonOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { notJson: text };
  }
}
