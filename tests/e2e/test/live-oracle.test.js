// Live results against an oracle that is hard to fool: after random writes of other processes have
// settled, the last result of every subscriber must equal what a fresh query answers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';

import { openEvents } from '../lib/events.js';
import { Random } from '../lib/random.js';
import { randomOperation, randomWrite } from '../lib/random-queries.js';
import { LEGACY, MODERN, Socket } from '../lib/sockets.js';
import { overDatabases } from '../lib/suite.js';
import { Inbox, LIMIT, until, within } from '../lib/wait.js';

const SEED = Number(process.env.ARTESIAN_E2E_SEED ?? Math.floor(Math.random() * 2 ** 32));
const SUBSCRIBERS = 60;
const SOCKETS = 6;
const STREAMS = 4;
const WRITERS = 3;
// Writers go on until so many results were pushed, or for so long (in ms) if those are enough.
const PUSHES = 800;
const ENOUGH = 200;
const WRITING = 8_000;

/** Sends the messages of one socket to the operations that they belong to. */
class Hub {
  #receivers = new Map();
  #count = 0;

  static async open(server, protocol) {
    const hub = new Hub();
    hub.socket = await Socket.open(server, protocol);
    hub.run = (async () => {
      for (;;) {
        const message = await hub.socket.inbox.take('anything', 2 ** 30);
        if (message.type === 'closed') return;
        hub.#receivers.get(message.id)?.(message);
      }
    })();
    return hub;
  }

  follow(operation) {
    const id = String((this.#count += 1));
    const results = new Inbox();
    const { words } = this.socket;
    this.#receivers.set(id, ({ type, payload }) => {
      results.put(type === words.result ? payload : { ended: type, payload });
    });
    this.socket.start(id, operation.live, operation.variables);
    return {
      results,
      stop: () => {
        this.#receivers.delete(id);
        this.socket.stop(id);
      },
    };
  }

  async close() {
    await this.socket.close();
    this.socket.inbox.put({ type: 'closed' });
    await this.run;
  }
}

async function stream(server, operation) {
  const events = await openEvents(server, { query: operation.live, variables: operation.variables });
  const results = new Inbox();
  const { put } = events.inbox;
  for (const item of events.inbox.history) results.put(item.data);
  events.inbox.put = function (item) {
    put.call(this, item);
    results.put(item.event === 'next' ? item.data : { ended: item.event });
  };
  return { results, stop: events.close };
}

overDatabases('live results equal fresh queries', (world) => {
  test(`random subscribers and writers, ARTESIAN_E2E_SEED=${SEED}`, async (t) => {
    t.diagnostic(`seed ${SEED}`);
    const random = new Random(SEED);
    const { server, database } = world;
    const fill = Array.from({ length: 12 }, () => randomWrite(random).statements).flat();
    await database.write(fill.filter((sql) => !/savepoint|rollback/.test(sql)).join(';\n'));

    const hubs = await Promise.all(
      Array.from({ length: SOCKETS }, (_, n) => Hub.open(server, n % 2 ? LEGACY : MODERN)),
    );
    const subscribers = [];
    const subscribe = async (n) => {
      // Some share a query, and so a result.
      const shared = subscribers.length > 0 && random.chance(0.2) ? random.pick(subscribers).operation : null;
      const operation = shared ?? randomOperation(random);
      const follow = n < STREAMS ? await stream(server, operation) : random.pick(hubs).follow(operation);
      return { operation, ...follow };
    };
    for (let n = 0; n < SUBSCRIBERS; n += 1) subscribers.push(await subscribe(n));
    await Promise.all(subscribers.map(({ results, operation }) => results.take(`a first result of ${operation.live}`)));

    const writers = Array.from({ length: WRITERS }, () => database.newWriter());
    const everybody = new Set(subscribers);
    const pushes = () => [...everybody].reduce((sum, { results }) => sum + Math.max(0, results.history.length - 1), 0);
    const deadline = Date.now() + WRITING;
    const isEnough = () => pushes() >= (Date.now() > deadline ? ENOUGH : PUSHES) || Date.now() > deadline + LIMIT;
    let transactions = 0;
    let refused = 0;
    const writing = writers.map(async (writer, w) => {
      const own = new Random(SEED + w + 1);
      while (!isEnough()) {
        const { statements, commits } = randomWrite(own);
        const begin = world.kind === 'sqlite' ? 'begin immediate' : 'begin';
        const end = commits ? 'commit' : 'rollback';
        transactions += 1;
        // Two writers may want the same key, or each other's locks: then nothing was written.
        await writer.run([begin, ...statements, `${end};`].join(';\n')).catch((error) => {
          if (!/duplicate key|unique|foreign key|deadlock|aborted/i.test(error.message)) throw error;
          refused += 1;
        });
      }
    });
    // Meanwhile some leave and others come.
    const coming = (async () => {
      for (let n = STREAMS; n < SUBSCRIBERS; n += 2) {
        const seen = pushes();
        await until('more pushes', () => isEnough() || pushes() >= seen + 10);
        subscribers[n].stop();
        subscribers[n] = await subscribe(n);
        everybody.add(subscribers[n]);
      }
    })();
    await within('the writers are done', Promise.all([...writing, coming]), 3 * LIMIT);
    await Promise.all(writers.map((writer) => writer.close()));
    assert.ok(refused < transactions / 2, `${refused} of ${transactions} transactions were refused`);

    for (const { operation, results } of subscribers) {
      const fresh = await server.post(operation.once, operation.variables);
      assert.equal(fresh.errors, undefined, `${operation.once}: ${JSON.stringify(fresh.errors)}`);
      await until(
        () =>
          `seed ${SEED}: ${operation.live} ${JSON.stringify(operation.variables)}\n` +
          `expected ${JSON.stringify(fresh.data)}\ngot ${JSON.stringify(results.last)}`,
        () => results.last && isDeepStrictEqual(results.last, { data: fresh.data }),
      );
    }
    t.diagnostic(`${transactions} transactions (${refused} refused), ${pushes()} pushes to ${everybody.size} subscribers`);
    assert.ok(pushes() > everybody.size, 'too little was pushed for this to prove anything');
    for (const { results, operation } of subscribers) {
      const wrong = results.history.filter((result) => result.errors || result.ended);
      assert.deepEqual(wrong, [], operation.live);
      // Nobody hears the same twice in a row.
      const again = results.history.filter((r, n) => n > 0 && isDeepStrictEqual(r, results.history[n - 1]));
      assert.deepEqual(again, [], operation.live);
    }
    for (const { stop } of subscribers) stop();
    await server.subscribers(0);
    await Promise.all(hubs.map((hub) => hub.close()));
  });
});
