// What an operator sees: health, metrics, and the end of the process.

import assert from 'node:assert/strict';
import { before, after, describe, test } from 'node:test';

import { databases } from '../lib/databases.js';
import { openEvents } from '../lib/events.js';
import { Server } from '../lib/server.js';
import { LEGACY, MODERN, PROTOCOLS, Socket } from '../lib/sockets.js';
import { overDatabases } from '../lib/suite.js';
import { until, within } from '../lib/wait.js';

const LIVE = 'subscription { purchase(order_by: {id: asc}) { id amount } }';

overDatabases('health and metrics', (world) => {
  test('health', async () => {
    for (const path of ['/healthz', '/readyz']) {
      const response = await fetch(world.server.base + path);
      assert.equal(response.status, 200, path);
      assert.equal(await response.text(), 'OK', path);
    }
    assert.equal((await fetch(`${world.server.base}/nothing-here`)).status, 404);
  });

  test('every metric has its name, its type and a description', async () => {
    await world.server.data('{ customer { id } }');
    const socket = await Socket.open(world.server, MODERN);
    socket.start('1', LIVE);
    await socket.result('1');
    await world.database.write('update purchase set amount = amount + 1 where id = 1');
    await socket.result('1');
    const response = await fetch(`${world.server.base}/metrics`);
    assert.match(response.headers.get('content-type'), /^application\/openmetrics-text/);
    const text = await response.text();
    await socket.close();
    assert.ok(text.endsWith('# EOF\n'));
    const types = new Map();
    for (const [, name, type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) types.set(name, type);
    const expected = {
      artesian_connections: 'gauge',
      artesian_connections_opened: 'counter',
      artesian_connections_closed: 'counter',
      artesian_http_responses: 'counter',
      artesian_operations: 'counter',
      artesian_operations_active: 'gauge',
      artesian_execution_seconds: 'histogram',
      artesian_first_result_seconds: 'histogram',
      artesian_pushed_messages: 'counter',
      artesian_pushed_bytes: 'counter',
      artesian_outgoing_queue_bytes: 'gauge',
      artesian_live_plans: 'gauge',
      artesian_live_cohorts: 'gauge',
      artesian_live_subscribers: 'gauge',
      artesian_live_reruns: 'counter',
      artesian_live_rerun_seconds: 'histogram',
      artesian_live_rerun_cohorts: 'histogram',
      artesian_live_results: 'counter',
      artesian_live_deliveries: 'counter',
      artesian_live_quarantined: 'counter',
      artesian_live_database_unavailable: 'counter',
      artesian_live_feeds_lost: 'counter',
      artesian_build: 'info',
      artesian_process_start_time_seconds: 'gauge',
    };
    for (const [name, type] of Object.entries(expected)) {
      assert.equal(types.get(name), type, name);
      assert.match(text, new RegExp(`^# HELP ${name} \\S`, 'm'));
    }
    for (const name of types.keys()) assert.ok(name.startsWith('artesian_'), name);
  });

  test('the figures are right', async () => {
    const { server } = world;
    const count = (name, labels) => server.metric(name, labels);
    const isGone = async () => {
      const open = await Promise.all(PROTOCOLS.map((transport) => count('artesian_connections', { transport })));
      return open.every((n) => n === 0);
    };
    await server.subscribers(0);
    await until('the sockets of other tests are gone', isGone);
    const before = {
      ok: await count('artesian_operations_total', { transport: 'http', kind: 'query', outcome: 'ok' }),
      rejected: await count('artesian_operations_total', { transport: 'http', outcome: 'rejected' }),
      executed: await count('artesian_execution_seconds_count', { transport: 'http', kind: 'query' }),
    };
    for (let n = 0; n < 3; n += 1) await server.data('{ customer { id } }');
    await server.post('{ customer { nope } }');
    assert.equal(
      await count('artesian_operations_total', { transport: 'http', kind: 'query', outcome: 'ok' }),
      before.ok + 3,
    );
    assert.equal(await count('artesian_operations_total', { transport: 'http', outcome: 'rejected' }), before.rejected + 1);
    assert.equal(
      await count('artesian_execution_seconds_count', { transport: 'http', kind: 'query' }),
      before.executed + 3,
    );

    // Counted once a result was handed out, so perhaps after its client has it.
    const deliveries = await count('artesian_live_deliveries_total');
    const delivered = (more) =>
      until(`${more} deliveries`, async () => (await count('artesian_live_deliveries_total')) === deliveries + more);
    const sockets = await Promise.all(PROTOCOLS.map((protocol) => Socket.open(server, protocol)));
    for (const socket of sockets) {
      socket.start('1', LIVE);
      await socket.result('1');
    }
    // The second client is given what is there.
    await delivered(1);
    for (const transport of PROTOCOLS) {
      assert.equal(await count('artesian_connections', { transport }), 1);
      assert.equal(await count('artesian_operations_active', { transport, kind: 'subscription' }), 1);
    }
    // Two clients, one live result.
    assert.equal(await count('artesian_live_cohorts'), 1);
    assert.equal(await count('artesian_live_subscribers'), 2);
    await world.database.write('update purchase set amount = amount + 1 where id = 2');
    for (const socket of sockets) await socket.result('1');
    await delivered(1 + 2);
    for (const socket of sockets) await socket.close();
    await server.subscribers(0);
    await until('the cohort is dropped', async () => (await count('artesian_live_cohorts')) === 0);
    await until('the sockets are gone', isGone);
  });
});

describe('the end', () => {
  for (const kind of databases) {
    test(`SIGTERM: open sockets are closed with 1001 and the process ends with 0, ${kind.name}`, async () => {
      const database = await kind.create();
      const server = await Server.start({ url: database.url });
      try {
        const sockets = [];
        for (const protocol of [MODERN, LEGACY, MODERN]) {
          const socket = await Socket.open(server, protocol);
          socket.start('1', LIVE);
          await socket.result('1');
          sockets.push(socket);
        }
        const idle = await Socket.open(server, MODERN);
        const events = await openEvents(server, { query: LIVE });
        assert.equal((await events.inbox.take()).event, 'next');

        const exit = server.stop();
        for (const socket of sockets) {
          const { code } = await within('the socket is closed', socket.closed);
          assert.equal(code, 1001);
          // A completion would tell the client not to come back.
          assert.deepEqual(socket.inbox.history.map(({ type }) => type), ['connection_ack', socket.words.result]);
        }
        assert.equal((await within('the idle socket is closed', idle.closed)).code, 1001);
        await within('the event stream ends', events.ended);
        assert.deepEqual(events.inbox.history.map(({ event }) => event), ['next']);
        assert.deepEqual(await exit, { code: 0, signal: null });
        await assert.rejects(fetch(`${server.base}/healthz`));
      } finally {
        await server.kill();
        await database.drop();
      }
    });
  }

  test('SIGTERM with a narrow window ends at once', async () => {
    const database = await databases[0].create();
    const server = await Server.start({ url: database.url, args: ['--shutdown-window', '0s'] });
    try {
      const sockets = await Promise.all(Array.from({ length: 60 }, () => Socket.open(server, MODERN)));
      // By default they are spread over ten seconds: of so many, some would still be there after nine.
      assert.deepEqual(await server.stop(9_000), { code: 0, signal: null });
      for (const socket of sockets) assert.equal((await socket.closing()).code, 1001);
    } finally {
      await server.kill();
      await database.drop();
    }
  });
});

describe('what cannot be served is told at once', () => {
  let database;
  before(async () => (database = await databases[0].create()));
  after(() => database.drop());

  const failing = async (options) => {
    const server = await Server.start({ url: database.url, ...options, ready: false });
    try {
      const { code } = await within('the process ends', server.exited);
      return { code, log: server.log };
    } finally {
      await server.kill();
    }
  };

  test('a file that is not there', async () => {
    const { code, log } = await failing({ url: 'sqlite:/nowhere/at/all.db' });
    assert.ok(code > 0);
    assert.match(log, /\/nowhere\/at\/all\.db does not exist/);
  });

  test('a URL of no kind of database', async () => {
    const { code, log } = await failing({ url: 'carrier-pigeon://loft' });
    assert.ok(code > 0);
    assert.match(log, /postgres:\/\//);
    assert.match(log, /sqlite:/);
  });

  test('a port that is taken', async () => {
    const first = await Server.start({ url: database.url });
    try {
      const { code, log } = await failing({ port: first.port });
      assert.ok(code > 0);
      assert.ok(log.includes(String(first.port)), log);
    } finally {
      await first.kill();
    }
  });

  test('an unknown flag', async () => {
    const { code, log } = await failing({ args: ['--admin-secert', 'x'] });
    assert.ok(code > 0);
    assert.match(log, /--admin-secret/);
  });
});
