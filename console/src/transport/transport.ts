import type { Close } from '../model/close.ts';

export const PROTOCOLS = ['graphql-transport-ws', 'graphql-ws'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

export type Headers = Readonly<Record<string, unknown>>;

export interface Request {
  readonly query: string;
  readonly variables?: Record<string, unknown>;
  readonly operationName?: string;
}

/** A GraphQL result as the server sent it. */
export interface Result {
  readonly data?: unknown;
  readonly errors?: readonly unknown[];
  readonly extensions?: unknown;
}

export interface Sink {
  next(result: Result): void;
  complete(): void;
  /** The stream is over and the server did not end it: the socket closed for good, or something failed here. */
  fail(cause: Close | Error): void;
}

export interface SocketEvents {
  connecting(attempt: number): void;
  connected(): void;
  /** The socket closed under running operations; a new attempt follows. */
  lost(close: Close): void;
}

/** A WebSocket that opens with its first operation and closes a little after the last. */
export interface Socket {
  /** Starts an operation; the function returned stops it. */
  run(request: Request, sink: Sink): () => void;
  dispose(): void;
}

export type OpenSocket = (url: string, headers: Headers, events: SocketEvents) => Socket;

export const MAX_ATTEMPTS = 20;
export const ACK_TIMEOUT_MS = 10_000;
export const IDLE_CLOSE_MS = 3_000;

/** What `connection_init` carries. */
export function initPayload(headers: Headers): { headers: Headers } | undefined {
  return Object.keys(headers).length > 0 ? { headers } : undefined;
}
