/**
 * The older `graphql-ws` of subscriptions-transport-ws. Its npm client hides close codes and reconnects on any of
 * them, so this is a small one of our own.
 */
import { closeOf, mayReconnect, reconnectDelay } from '../model/close.ts';
import {
  ACK_TIMEOUT_MS,
  IDLE_CLOSE_MS,
  MAX_ATTEMPTS,
  initPayload,
  type Headers,
  type OpenSocket,
  type Request,
  type Result,
  type Sink,
  type Socket,
  type SocketEvents,
} from './transport.ts';

interface Message {
  readonly type: string;
  readonly id?: string | number | null;
  readonly payload?: unknown;
}

export const openLegacy: OpenSocket = (url, headers, events) => new LegacySocket(url, headers, events);

class LegacySocket implements Socket {
  #socket: WebSocket | undefined;
  #ready = false;
  #rejected = false;
  #attempt = 0;
  #lastId = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #operations = new Map<string, { request: Request; sink: Sink }>();
  readonly #url: string;
  readonly #headers: Headers;
  readonly #events: SocketEvents;

  constructor(url: string, headers: Headers, events: SocketEvents) {
    this.#url = url;
    this.#headers = headers;
    this.#events = events;
  }

  run(request: Request, sink: Sink): () => void {
    const id = String(++this.#lastId);
    this.#operations.set(id, { request, sink });
    if (this.#ready) this.#start(id, request);
    else if (!this.#socket) this.#open();
    return () => {
      if (!this.#operations.delete(id)) return;
      if (this.#ready) this.#send({ id, type: 'stop' });
      this.#closeWhenIdle();
    };
  }

  dispose(): void {
    this.#operations.clear();
    clearTimeout(this.#timer);
    this.#socket?.close(1000, 'Normal Closure');
  }

  #open(): void {
    this.#events.connecting(++this.#attempt);
    this.#rejected = false;
    const socket = new WebSocket(this.#url, 'graphql-ws');
    this.#socket = socket;
    socket.onopen = () => {
      this.#send({ type: 'connection_init', payload: initPayload(this.#headers) ?? {} });
      this.#after(ACK_TIMEOUT_MS, () => socket.close(4504, 'Connection acknowledgement timeout'));
    };
    socket.onmessage = (event) => this.#receive(String(event.data));
    socket.onclose = (event) => this.#closed(event);
  }

  #receive(text: string): void {
    let message: Message;
    try {
      message = JSON.parse(text) as Message;
    } catch {
      this.#socket?.close(4004, 'The server sent what is not JSON');
      return;
    }
    const id = String(message.id);
    const operation = this.#operations.get(id);
    switch (message.type) {
      case 'connection_ack':
        clearTimeout(this.#timer);
        this.#ready = true;
        this.#attempt = 0;
        this.#events.connected();
        for (const [each, { request }] of this.#operations) this.#start(each, request);
        this.#closeWhenIdle();
        return;
      case 'connection_error':
        // The close that follows says the rest; some servers leave it to the client.
        this.#rejected = true;
        for (const { sink } of this.#operations.values()) sink.next({ errors: [message.payload] });
        this.#after(1000, () => this.#socket?.close(1000, 'Rejected by the server'));
        return;
      case 'data':
        operation?.sink.next(message.payload as Result);
        return;
      case 'error':
        operation?.sink.next({ errors: Array.isArray(message.payload) ? message.payload : [message.payload] });
        this.#finish(id);
        return;
      case 'complete':
        this.#finish(id);
        return;
    }
  }

  #finish(id: string): void {
    const operation = this.#operations.get(id);
    this.#operations.delete(id);
    operation?.sink.complete();
    this.#closeWhenIdle();
  }

  #closed(event: CloseEvent): void {
    clearTimeout(this.#timer);
    this.#socket = undefined;
    this.#ready = false;
    if (this.#operations.size === 0) return;

    const close = closeOf(event) ?? { code: 1006, reason: '' };
    if (mayReconnect(close) && !this.#rejected && this.#attempt < MAX_ATTEMPTS) {
      this.#events.lost(close);
      this.#after(reconnectDelay(this.#attempt + 1, Math.random()), () => {
        if (this.#operations.size > 0) this.#open();
      });
      return;
    }
    const operations = [...this.#operations.values()];
    this.#operations.clear();
    for (const { sink } of operations) sink.fail(close);
  }

  #start(id: string, request: Request): void {
    this.#send({ id, type: 'start', payload: request });
  }

  #send(message: Message): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #closeWhenIdle(): void {
    if (this.#operations.size > 0 || !this.#socket) return;
    this.#after(IDLE_CLOSE_MS, () => {
      if (this.#operations.size === 0) this.#socket?.close(1000, 'Normal Closure');
    });
  }

  #after(ms: number, act: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(act, ms);
  }
}
