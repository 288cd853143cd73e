// A network that fails: a TCP proxy that cuts, stalls, delays and splits what passes through it. It
// loses bytes only with their connection, and never repeats or changes one.

import { connect, createServer } from 'node:net';

import { pause } from './wait.js';

/** Bytes that one direction holds before it stops reading. */
const HELD = 64 << 10;

/** One direction of one connection. */
class Pipe {
  #queue = [];
  #bytes = 0;
  #isPumping = false;

  constructor(from, to, weather) {
    Object.assign(this, { from, to, weather, isStalled: false, isOver: false });
    from.on('data', (piece) => {
      this.#queue.push(piece);
      this.#bytes += piece.length;
      if (this.#bytes > HELD) from.pause();
      this.pump();
    });
    from.on('end', () => {
      this.#queue.push(null);
      this.pump();
    });
  }

  async pump() {
    if (this.#isPumping) return;
    this.#isPumping = true;
    while (this.#queue.length > 0 && !this.isStalled && !this.isOver) {
      const { delay, piece } = this.weather;
      if (delay > 0) {
        await pause(delay);
        // What happened in the meantime counts.
        if (this.isStalled || this.isOver) break;
      }
      const next = this.#queue.shift();
      if (next === null) {
        this.to.end();
        break;
      }
      const now = piece > 0 ? next.subarray(0, piece) : next;
      if (now.length < next.length) this.#queue.unshift(next.subarray(now.length));
      this.#bytes -= now.length;
      if (this.#bytes <= HELD) this.from.resume();
      if (!this.to.write(now)) {
        await new Promise((resolve) => this.to.once('drain', resolve).once('close', resolve));
      } else if (piece > 0) {
        // Otherwise the pieces would travel together.
        await new Promise(setImmediate);
      }
    }
    this.#isPumping = false;
  }

  stall(isStalled) {
    this.isStalled = isStalled;
    if (!isStalled) this.pump();
  }
}

/** One connection through the proxy. */
class Link {
  constructor(client, server, weather) {
    Object.assign(this, { client, server, isLost: false });
    this.up = new Pipe(client, server, weather);
    this.down = new Pipe(server, client, weather);
    this.gone = Promise.all([client, server].map((socket) => new Promise((resolve) => socket.once('close', resolve))));
    for (const [one, other] of [[client, server], [server, client]]) {
      one.on('error', () => this.isLost || other.resetAndDestroy());
      one.on('close', (hadError) => this.isLost || hadError || other.end());
    }
  }

  /** Both ends see a reset. */
  reset() {
    this.up.isOver = this.down.isOver = true;
    this.client.resetAndDestroy();
    this.server.resetAndDestroy();
  }

  /** Both ends see an end; what was on its way is lost. */
  finish() {
    this.up.isOver = this.down.isOver = true;
    this.client.end();
    this.server.end();
  }

  /** Only one end hears of it; to the other nothing happens any more. */
  lose(which) {
    this.isLost = true;
    this.up.isOver = this.down.isOver = true;
    this[which].resetAndDestroy();
    this[which === 'client' ? 'server' : 'client'].resume();
  }

  stall(up, down) {
    this.up.stall(up);
    this.down.stall(down);
  }
}

/** The proxy. Its `http`, `ws` and `port` stand in for the server's. */
export class FlakyNetwork {
  links = new Set();
  weather = { delay: 0, piece: 0 };
  isRefusing = false;
  /** How many connections there were, and what happened to them. */
  counts = { connections: 0 };

  static async before(server) {
    const network = new FlakyNetwork();
    network.listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      client.on('error', () => {});
      if (network.isRefusing) {
        client.resetAndDestroy();
        return;
      }
      network.counts.connections += 1;
      const upstream = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
      const link = new Link(client, upstream, network.weather);
      network.links.add(link);
      link.gone.then(() => network.links.delete(link));
    });
    await new Promise((resolve) => network.listener.listen(0, '127.0.0.1', resolve));
    network.port = network.listener.address().port;
    network.base = `http://127.0.0.1:${network.port}`;
    network.http = `${network.base}/graphql`;
    network.ws = `ws://127.0.0.1:${network.port}/graphql`;
    return network;
  }

  #count(what) {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  /** One thing that goes wrong, chosen by `random`. */
  fail(random) {
    const links = [...this.links].filter(() => random.chance(0.6));
    const faults = {
      reset: () => links.forEach((link) => link.reset()),
      finish: () => links.forEach((link) => link.finish()),
      loseClient: () => links.forEach((link) => link.lose('client')),
      loseServer: () => links.forEach((link) => link.lose('server')),
      stallUp: () => links.forEach((link) => link.stall(true, false)),
      stallDown: () => links.forEach((link) => link.stall(false, true)),
      stallBoth: () => links.forEach((link) => link.stall(true, true)),
      goOn: () => this.links.forEach((link) => link.stall(false, false)),
      refuse: () => (this.isRefusing = true),
      accept: () => (this.isRefusing = false),
      slow: () => (this.weather.delay = 1 + random.below(40)),
      split: () => (this.weather.piece = 1 + random.below(20)),
      clear: () => Object.assign(this.weather, { delay: 0, piece: 0 }),
    };
    const what = random.pick(Object.keys(faults));
    this.#count(what);
    faults[what]();
    return what;
  }

  /** Nothing goes wrong any more. What was lost stays so. */
  heal() {
    this.isRefusing = false;
    Object.assign(this.weather, { delay: 0, piece: 0 });
    this.links.forEach((link) => link.stall(false, false));
  }

  /** Ends of which only one end heard are told to the other, as the system does after a quarter of an
   * hour. A server that has nothing to ask (event streams) cannot know before. */
  tellOfLosses() {
    this.links.forEach((link) => link.isLost && link.reset());
  }

  async close() {
    this.links.forEach((link) => link.reset());
    await new Promise((resolve) => this.listener.close(resolve));
  }
}
