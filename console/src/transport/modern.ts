/** `graphql-transport-ws`, spoken by the npm client of its authors. */
import { createClient } from 'graphql-ws';
import { closeOf, mayReconnect, reconnectDelay } from '../model/close.ts';
import { ACK_TIMEOUT_MS, IDLE_CLOSE_MS, MAX_ATTEMPTS, initPayload, type OpenSocket, type Result } from './transport.ts';

export const openModern: OpenSocket = (url, headers, events) => {
  let attempt = 0;
  const client = createClient({
    url,
    connectionParams: () => initPayload(headers),
    connectionAckWaitTimeout: ACK_TIMEOUT_MS,
    lazyCloseTimeout: IDLE_CLOSE_MS,
    retryAttempts: MAX_ATTEMPTS,
    retryWait: (retries) => new Promise((resolve) => setTimeout(resolve, reconnectDelay(retries + 1, Math.random()))),
    shouldRetry: (cause) => {
      const close = closeOf(cause);
      return close !== undefined && mayReconnect(close);
    },
    onNonLazyError: () => {},
    on: {
      connecting: () => events.connecting(++attempt),
      connected: () => {
        attempt = 0;
        events.connected();
      },
      closed: (event) => {
        const close = closeOf(event);
        if (close && mayReconnect(close)) events.lost(close);
      },
    },
  });

  return {
    run: (request, sink) =>
      client.subscribe<Record<string, unknown>>(request, {
        next: (result) => sink.next(result as Result),
        complete: () => sink.complete(),
        error: (cause) => {
          if (Array.isArray(cause)) {
            sink.next({ errors: cause });
            sink.complete();
          } else {
            sink.fail(closeOf(cause) ?? (cause instanceof Error ? cause : new Error(String(cause))));
          }
        },
      }),
    dispose: () => void client.dispose(),
  };
};
