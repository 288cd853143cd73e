/** The operation that runs, or ran last: its transport, its results, what became of its socket. */
import { describeClose, type Close } from './model/close.ts';
import type { Endpoint } from './model/endpoint.ts';
import { advance, nextExpiry, settle, type LiveView } from './model/live.ts';
import { countAt, noRate, type Rate } from './model/rate.ts';
import { tablesOf } from './model/table.ts';
import { HttpError, post } from './transport/http.ts';
import { openLegacy } from './transport/legacy.ts';
import { openModern } from './transport/modern.ts';
import type { Headers, OpenSocket, Protocol, Request, Result, Sink, Socket } from './transport/transport.ts';

export type Status =
  | { readonly kind: 'idle' | 'sending' | 'connecting' | 'live' | 'complete' | 'stopped' }
  | { readonly kind: 'answered'; readonly code: number; readonly ms: number }
  | { readonly kind: 'reconnecting' | 'closed'; readonly close: Close }
  | { readonly kind: 'failed'; readonly message: string };

export interface SessionState {
  readonly protocol: Protocol;
  readonly status: Status;
  readonly view: LiveView | undefined;
  readonly errors: readonly unknown[];
  /** Results received since the operation started. */
  readonly updates: number;
  readonly lastAt: number | undefined;
  readonly rate: Rate;
}

/** What GraphiQL takes for a stream. */
export interface Observer {
  next(result: Result): void;
  error(error: unknown): void;
  complete(): void;
}

const OPEN: Readonly<Record<Protocol, OpenSocket>> = {
  'graphql-transport-ws': openModern,
  'graphql-ws': openLegacy,
};

/** The JSON editor is refreshed at most this often; the table sees every result. */
const JSON_INTERVAL_MS = 100;

const fresh = { view: undefined, errors: [], updates: 0, lastAt: undefined, rate: noRate } as const;

export class Session {
  #state: SessionState;
  #listeners = new Set<() => void>();
  #notifying = false;
  #settleTimer: ReturnType<typeof setTimeout> | undefined;
  #socket: { readonly key: string; readonly socket: Socket } | undefined;
  /** Counts operations, so that what a former one still says is not heard. */
  #run = 0;
  readonly #endpoint: Endpoint;

  constructor(endpoint: Endpoint, protocol: Protocol) {
    this.#endpoint = endpoint;
    this.#state = { protocol, status: { kind: 'idle' }, ...fresh };
  }

  readonly getState = (): SessionState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  useProtocol(protocol: Protocol): void {
    this.#set({ protocol });
  }

  clear(): void {
    this.#run++;
    this.#set({ status: { kind: 'idle' }, ...fresh });
  }

  /** The schema's own request: it leaves the view alone. */
  async introspect(request: Request, headers: Headers): Promise<Result> {
    return (await post(this.#endpoint.http, request, headers)).result;
  }

  async ask(request: Request, headers: Headers): Promise<Result> {
    const run = ++this.#run;
    const started = performance.now();
    this.#set({ status: { kind: 'sending' }, ...fresh });
    try {
      const { status, result } = await post(this.#endpoint.http, request, headers);
      if (run === this.#run) {
        this.#receive(result);
        this.#set({ status: { kind: 'answered', code: status, ms: Math.round(performance.now() - started) } });
      }
      return result;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (run === this.#run) this.#set({ status: { kind: 'failed', message } });
      throw error instanceof HttpError ? { message, status: error.status, body: error.body } : { message };
    }
  }

  stream(request: Request, headers: Headers, observer: Observer): () => void {
    const run = ++this.#run;
    this.#set({ status: { kind: 'connecting' }, ...fresh });
    const json = new Throttle<Result>(JSON_INTERVAL_MS, (result) => observer.next(result));
    const current = () => run === this.#run;

    const sink: Sink = {
      next: (result) => {
        if (!current()) return;
        this.#receive(result);
        this.#set({ status: { kind: 'live' } });
        json.push(result);
      },
      complete: () => {
        json.flush();
        if (current()) this.#set({ status: this.#ending() });
        observer.complete();
      },
      fail: (cause) => {
        json.flush();
        const message = cause instanceof Error ? cause.message : `WebSocket closed: ${describeClose(cause)}`;
        if (current()) {
          this.#set({ status: cause instanceof Error ? { kind: 'failed', message } : { kind: 'closed', close: cause } });
        }
        // A result that is there stays there: the status says that the stream is over.
        observer.error(json.used ? undefined : { message });
      },
    };

    const stop = this.#socketFor(headers).run(request, sink);
    return () => {
      json.flush();
      if (current()) {
        this.#run++;
        this.#set({ status: { kind: 'stopped' } });
      }
      stop();
    };
  }

  /** The open socket, if it speaks this protocol for these headers; otherwise a new one in its place. */
  #socketFor(headers: Headers): Socket {
    const { protocol } = this.#state;
    const key = JSON.stringify([protocol, headers]);
    if (this.#socket?.key === key) {
      return this.#socket.socket;
    }
    this.#socket?.socket.dispose();
    const heard = (status: Status) => {
      const running = ['connecting', 'reconnecting', 'live'].includes(this.#state.status.kind);
      if (this.#socket?.key === key && running) this.#set({ status });
    };
    const socket = OPEN[protocol](this.#endpoint.socket, headers, {
      connecting: (attempt) => {
        if (attempt === 1) heard({ kind: 'connecting' });
      },
      connected: () => heard({ kind: 'live' }),
      lost: (close) => heard({ kind: 'reconnecting', close }),
    });
    this.#socket = { key, socket };
    return socket;
  }

  #ending(): Status {
    return this.#state.errors.length > 0 ? { kind: 'failed', message: 'Ended with an error' } : { kind: 'complete' };
  }

  #receive(result: Result): void {
    const now = Date.now();
    const { view, updates, rate } = this.#state;
    const hasData = result.data !== undefined && result.data !== null;
    this.#set({
      view: hasData ? advance(view, tablesOf(result.data), now) : view,
      errors: result.errors ?? [],
      updates: updates + 1,
      lastAt: now,
      rate: countAt(rate, now),
    });
    this.#settleLater();
  }

  #settleLater(): void {
    clearTimeout(this.#settleTimer);
    const at = this.#state.view && nextExpiry(this.#state.view);
    if (at === undefined) return;
    this.#settleTimer = setTimeout(() => {
      const { view } = this.#state;
      if (view) this.#set({ view: settle(view, Date.now()) });
      this.#settleLater();
    }, at - Date.now());
  }

  #set(change: Partial<SessionState>): void {
    this.#state = { ...this.#state, ...change };
    if (this.#notifying) return;
    this.#notifying = true;
    // One rendering per turn however many results came in it.
    queueMicrotask(() => {
      this.#notifying = false;
      for (const listener of this.#listeners) listener();
    });
  }
}

/** Passes on the latest value, at most once in `interval`. */
class Throttle<T> {
  used = false;
  #latest: { value: T } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #interval: number;
  readonly #pass: (value: T) => void;

  constructor(interval: number, pass: (value: T) => void) {
    this.#interval = interval;
    this.#pass = pass;
  }

  push(value: T): void {
    this.used = true;
    this.#latest = { value };
    if (this.#timer === undefined) this.#emit();
  }

  flush(): void {
    const latest = this.#latest;
    this.cancel();
    if (latest) this.#pass(latest.value);
  }

  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#latest = undefined;
  }

  #emit(): void {
    this.#timer = undefined;
    const latest = this.#latest;
    if (!latest) return;
    this.#latest = undefined;
    this.#pass(latest.value);
    this.#timer = setTimeout(() => this.#emit(), this.#interval);
  }
}
