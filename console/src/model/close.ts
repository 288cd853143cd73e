/** What the close of a WebSocket means. Pure. */

export interface Close {
  readonly code: number;
  readonly reason: string;
}

const MEANINGS: Readonly<Record<number, string>> = {
  1000: 'Normal closure',
  1001: 'Going away',
  1002: 'Protocol error',
  1003: 'Unsupported data',
  1005: 'No code was given',
  1006: 'The connection was lost or refused',
  1007: 'Invalid text',
  1008: 'Policy violation',
  1009: 'Message too big',
  1011: 'Server error',
  1012: 'Service restart',
  1013: 'Try again later',
  1015: 'TLS handshake failed',
  4400: 'Bad request',
  4401: 'Unauthorized',
  4403: 'Forbidden',
  4406: 'Subprotocol not acceptable',
  4408: 'No connection_init in time',
  4409: 'Subscriber already exists',
  4429: 'Too many initialisation requests',
  4499: 'Terminated',
  4500: 'Internal server error',
  4504: 'No connection_ack in time',
};

/** The code and the reason as they came; where no reason came, what the code means. */
export function describeClose({ code, reason }: Close): string {
  const text = reason || MEANINGS[code];
  return text ? `${code} ${text}` : String(code);
}

/** Whether trying again may help: the server went away or was lost, rather than said no. */
export function mayReconnect({ code }: Close): boolean {
  if (code >= 3000 && code < 4000) return true;
  return [1001, 1005, 1006, 1012, 1013, 1014, 4408, 4504].includes(code);
}

/** How long to wait before the attempt with this number, from 1: doubling up to 15 s, with jitter against herds. */
export function reconnectDelay(attempt: number, random: number): number {
  return Math.min(500 * 2 ** (attempt - 1), 15_000) * (0.75 + random / 2);
}

export function closeOf(event: unknown): Close | undefined {
  if (typeof event !== 'object' || event === null || !('code' in event) || typeof event.code !== 'number') return;
  const reason = 'reason' in event && typeof event.reason === 'string' ? event.reason : '';
  return { code: event.code, reason };
}
