import type { Headers, Request, Result } from './transport.ts';

export interface Answer {
  readonly status: number;
  readonly result: Result;
}

/** The server's answer was no GraphQL result. */
export class HttpError extends Error {
  readonly status: number;
  readonly body: string;

  constructor(status: number, statusText: string, body: string) {
    super(`HTTP ${status}${statusText ? ` ${statusText}` : ''}`);
    this.status = status;
    this.body = body;
  }
}

export async function post(url: string, request: Request, headers: Headers): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      accept: 'application/graphql-response+json, application/json',
      'content-type': 'application/json',
      ...textHeaders(headers),
    },
    body: JSON.stringify(request),
  });
  const body = await response.text();
  try {
    const result = JSON.parse(body) as unknown;
    if (typeof result === 'object' && result !== null) return { status: response.status, result };
  } catch {
    // Not JSON: said below.
  }
  throw new HttpError(response.status, response.statusText, body.slice(0, 2000));
}

function textHeaders(headers: Headers): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}
