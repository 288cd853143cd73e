// PostgreSQL that is not there when the server starts, or goes away and comes back later. It has a
// cluster of its own here, so that the other tests do not notice.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { Postgres, databases, fixture } from '../lib/databases.js';
import { Server } from '../lib/server.js';
import { LEGACY, MODERN, PROTOCOLS, Socket } from '../lib/sockets.js';
import { until } from '../lib/wait.js';
import { WAYS } from '../lib/ways.js';

const SCRIPT = fileURLToPath(new URL('../../../scripts/postgres.sh', import.meta.url));
const QUERY = '{ customer_by_pk(id: 1) { name } }';
const LIVE = 'subscription { customer(order_by: {id: asc}) { id name } }';

class Cluster {
  static async create() {
    const cluster = new Cluster();
    cluster.directory = await mkdtemp(join(tmpdir(), 'artesian-e2e-cluster-'));
    cluster.url = await cluster.start();
    return cluster;
  }

  async #run(command) {
    const { stdout } = await promisify(execFile)(SCRIPT, [command, this.directory]);
    return stdout.trim();
  }

  start = () => this.#run('start');
  pause = () => this.#run('pause');

  async remove() {
    await this.#run('stop');
    await rm(this.directory, { recursive: true, force: true });
  }
}

if (databases.some(({ name }) => name === 'postgres')) {
  describe('PostgreSQL goes away', () => {
    let cluster;
    let database;
    before(async () => {
      cluster = await Cluster.create();
      database = await Postgres.create(await fixture(), cluster.url);
    });
    after(async () => {
      await cluster.start();
      await database.drop();
      await cluster.remove();
    });

    const write = async (sql) => {
      const writer = database.newWriter();
      await writer.run(sql);
      await writer.close();
    };

    test('later: requests get errors, live queries resume by themselves', async () => {
      const server = await Server.start({ url: database.url });
      try {
        const sockets = await Promise.all(PROTOCOLS.map((protocol) => Socket.open(server, protocol)));
        for (const socket of sockets) {
          socket.start('1', LIVE);
          assert.equal((await socket.result('1')).data.customer[0].name, 'Ada');
        }
        for (const round of [1, 2]) {
          await database.writer.close();
          await cluster.pause();
          for (const [way, send] of Object.entries(WAYS)) {
            const { data, errors } = await send(server, { query: QUERY });
            assert.equal(data ?? null, null, way);
            assert.equal(errors[0].extensions.code, 'unexpected', way);
            assert.equal(errors[0].extensions.path, '$', way);
            assert.match(errors[0].message, /database/, way);
            // Where it is is nobody's business on a socket.
            if (way !== 'POST' && way !== 'GET') assert.doesNotMatch(JSON.stringify(errors), /127\.0\.0\.1/, way);
          }
          assert.equal((await fetch(`${server.base}/healthz`)).status, 200);
          assert.equal((await fetch(`${server.base}/readyz`)).status, 503);
          // One subscriber comes while the database is away.
          const late = await Socket.open(server, round === 1 ? MODERN : LEGACY);
          late.start('1', LIVE);

          await cluster.start();
          database.writer = database.newWriter();
          await until('ready again', async () => (await fetch(`${server.base}/readyz`)).status === 200);
          assert.deepEqual(await server.data(QUERY), { customer_by_pk: { name: round === 1 ? 'Ada' : 'Ada 1' } });
          await write(`update customer set name = 'Ada ${round}' where id = 1`);
          for (const socket of [...sockets, late]) {
            const has = ({ type, payload }) =>
              type === socket.words.result && payload.data?.customer[0].name === `Ada ${round}`;
            await socket.inbox.takeUntil('a push after the database came back', has);
          }
          for (const socket of sockets) {
            // The outage may be told, but it must not end the operation.
            const ends = socket.inbox.history.filter(({ type }) => type === 'complete' || type === 'error');
            assert.deepEqual(ends, []);
          }
          await late.close();
        }
        for (const socket of sockets) {
          // An outage is told once, not with every attempt.
          const texts = socket.inbox.history.map((message) => JSON.stringify(message));
          const repeated = texts.filter((text, n) => n > 0 && text === texts[n - 1]);
          assert.deepEqual(repeated, [], texts.join('\n'));
          await socket.close();
        }
      } finally {
        await server.kill();
      }
    });

    test('at the start: the server comes up with it', async () => {
      await database.writer.close();
      await cluster.pause();
      const server = await Server.start({ url: database.url, ready: false });
      try {
        await until('requests get an error meanwhile', async () => {
          if (server.isOver) throw new Error(`the server ended: ${server.log}`);
          const { errors } = await server.post(QUERY);
          assert.equal(typeof errors[0].extensions.code, 'string');
          return true;
        });
        assert.notEqual((await fetch(`${server.base}/readyz`)).status, 200);
        await cluster.start();
        await until(
          'queries are answered',
          async () => (await server.data('{ customer_by_pk(id: 2) { name } }')).customer_by_pk.name === 'Bo',
        );
        assert.equal((await fetch(`${server.base}/readyz`)).status, 200);
      } finally {
        await server.kill();
        await cluster.start();
        database.writer = database.newWriter();
      }
    });

    test('at the start: it says so, waits, and serves once it is there', async () => {
      await database.writer.close();
      await cluster.pause();
      const server = await Server.start({ url: database.url, ready: false });
      try {
        await until('the log says what is wrong', () => {
          if (server.isOver) throw new Error(`the server ended: ${server.log}`);
          return /(ERROR|WARN).*database/.test(server.log);
        });
        assert.doesNotMatch(server.log, /panicked/);
        await cluster.start();
        await server.ready();
        assert.deepEqual(await server.data('{ customer_by_pk(id: 2) { name } }'), { customer_by_pk: { name: 'Bo' } });
      } finally {
        await server.kill();
        await cluster.start();
        database.writer = database.newWriter();
      }
    });
  });
}
