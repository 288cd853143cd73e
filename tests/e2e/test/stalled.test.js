// Clients that do not read, and connections that are cut by the thousand: what the server holds for
// them is bounded, and the others do not notice.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { before, afterEach, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';

import { frame, head, RawSocket, upgradeHead } from '../lib/raw.js';
import { MODERN, PROTOCOLS, Socket } from '../lib/sockets.js';
import { overDatabases } from '../lib/suite.js';
import { LIMIT, until, within } from '../lib/wait.js';

const QUEUE = 1 << 20;
// About 400 KB a result.
const ROWS = 400;
const LABEL = 'x'.repeat(1000);
const BIG = 'subscription { shelf(order_by: {id: asc}) { id label floor } }';
const SMALL = 'subscription { shelf_by_pk(id: 1) { floor } }';

const fill = async (database) => {
  const rows = Array.from({ length: ROWS }, (_, n) => `(${n + 1}, '${LABEL}', 0)`);
  await database.write(`insert into shelf (id, label, floor) values ${rows.join(', ')}`);
};

/** Changes every row again and again, each time once `heard` has shown the last change. */
async function change(world, heard, times) {
  for (let n = 0; n < times; n += 1) {
    const { shelf_by_pk: row } = await world.server.data('{ shelf_by_pk(id: 1) { floor } }');
    const floor = row.floor + 1;
    await world.database.write(`update shelf set floor = ${floor}`);
    await heard.result('small').then(({ data }) => assert.deepEqual(data, { shelf_by_pk: { floor } }));
  }
}

/** A socket that follows the big result and reads nothing after the first bytes of it. */
async function deaf(server, protocol) {
  const socket = await RawSocket.open(server, protocol);
  socket.say({ type: 'connection_init' });
  await until('the acknowledgement', () => socket.messages.some(({ type }) => type === 'connection_ack'));
  socket.socket.pause();
  socket.say({ id: 'big', type: protocol === MODERN ? 'subscribe' : 'start', payload: { query: BIG } });
  return socket;
}

const follower = async (server) => {
  const socket = await Socket.open(server, MODERN);
  socket.start('small', SMALL);
  await socket.result('small');
  return socket;
};

// Nothing else but the queues holds anybody back.
const PATIENT =
  '--websocket-write-timeout 20m --write-timeout 20m --websocket-keepalive 20m --sse-heartbeat 500ms ' +
  '--websocket-message-rate 0 --websocket-byte-rate 0';

overDatabases(
  'clients that do not read',
  (world) => {
    before(() => fill(world.database));
    afterEach(() => world.server.alive());

    for (const protocol of PROTOCOLS) {
      test(`what waits for them is bounded, and they end up with the latest, ${protocol}`, async (t) => {
        const COUNT = 3;
        const { server } = world;
        const heard = await follower(server);
        const sockets = await Promise.all(Array.from({ length: COUNT }, () => deaf(server, protocol)));
        await until('all of them follow', async () => (await server.metric('artesian_live_subscribers')) === COUNT + 1);
        await change(world, heard, 30);
        const { now } = await server.memory();
        await server.clearPeak();
        // Everybody else is served meanwhile: `change` waits for it.
        await change(world, heard, 60);
        const queued = await server.metric('artesian_outgoing_queue_bytes');
        const { peak } = await server.memory();
        t.diagnostic(`${queued} bytes wait; ${now} MiB, then ${peak} MiB`);
        // One result may exceed the limit.
        assert.ok(queued > 0, 'nothing waits: the kernel took it all');
        assert.ok(queued <= COUNT * (QUEUE + 2 * ROWS * 1100), `${queued} bytes wait`);
        assert.ok(peak - now < 24, `${now} MiB became ${peak} MiB`);
        // Those who begin to read come to the latest result, and to their pongs.
        const { shelf_by_pk: row } = await server.data('{ shelf_by_pk(id: 1) { floor } }');
        for (const socket of sockets) {
          socket.send(frame('', { opcode: 'ping' }));
          socket.socket.resume();
          // Signs of life (`ka`) may come at any time.
          const results = () => socket.messages.filter(({ id }) => id === 'big').map(({ payload }) => payload.data.shelf);
          const latest = () => results().at(-1)?.at(-1).floor;
          const what = () => `the latest result (${row.floor}) and a pong; so far ${latest()} of ${results().length} and ${socket.pongs} pongs`;
          await until(what, () => socket.pongs === 1 && latest() === row.floor);
          assert.ok(results().length < 60, 'results were skipped');
          const floors = results().map(([first]) => first.floor);
          assert.deepEqual(floors, [...floors].sort((a, b) => a - b));
          socket.destroy();
        }
        await heard.close();
        await until('nothing waits any more', async () => (await server.metric('artesian_outgoing_queue_bytes')) === 0);
        await server.subscribers(0);
      });
    }

    test('event streams that are not read are bounded, and end up with the latest', async (t) => {
      const COUNT = 3;
      const { server } = world;
      const heard = await follower(server);
      const body = JSON.stringify({ query: BIG });
      const request = head({
        headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream', 'Content-Length': body.length, Connection: undefined },
      });
      const sockets = Array.from({ length: COUNT }, () => {
        const socket = connect(server.port, '127.0.0.1').pause();
        socket.on('error', () => {}).write(request + body);
        return socket;
      });
      await until('all of them follow', async () => (await server.metric('artesian_live_subscribers')) === COUNT + 1);
      await change(world, heard, 30);
      const { now } = await server.memory();
      await server.clearPeak();
      await change(world, heard, 60);
      const { peak } = await server.memory();
      t.diagnostic(`${now} MiB, then ${peak} MiB`);
      assert.ok(peak - now < 24, `${now} MiB became ${peak} MiB`);
      const { shelf_by_pk: row } = await server.data('{ shelf_by_pk(id: 1) { floor } }');
      for (const socket of sockets) {
        let last = '';
        socket.setEncoding('latin1').on('data', (text) => (last = (last + text).slice(-2000)));
        socket.resume();
        await until('the latest result', () => last.includes(`"floor":${row.floor}}]}}`) || last.includes(`"floor" : ${row.floor}`));
        socket.destroy();
      }
      await heard.close();
      await server.subscribers(0);
    });

    test('who asks and does not read the answers is not read any more', async (t) => {
      const { server } = world;
      for (const protocol of PROTOCOLS) {
        const heard = await follower(server);
        const socket = await deaf(server, protocol);
        const { now } = await server.memory();
        await server.clearPeak();
        // Pings, and operations that are refused with much more text than they have.
        const pings = Array.from({ length: 1000 }, () => frame('x'.repeat(125), { opcode: 'ping' }));
        const bad = { id: 'bad', type: protocol === MODERN ? 'subscribe' : 'start', payload: { query: `{ ${'n'.repeat(1000)} }` } };
        const flood = Buffer.concat([...pings, ...Array.from({ length: 100 }, () => frame(JSON.stringify(bad)))]);
        const taken = () => socket.socket.bytesWritten - socket.socket.writableLength;
        for (let isFull = false; !isFull && taken() < 128 << 20; ) {
          if (socket.socket.write(flood)) continue;
          const drained = new Promise((resolve) => socket.socket.once('drain', resolve));
          // Nothing more is taken: that is what should be seen, so here time has to pass.
          isFull = await within('more is taken', drained, 2000).then(() => false, () => true);
        }
        t.diagnostic(`${protocol}: ${taken()} bytes were taken`);
        assert.ok(taken() < 32 << 20, `${taken()} bytes were taken`);
        const { peak } = await server.memory();
        assert.ok(peak - now < 24, `${now} MiB became ${peak} MiB`);
        await change(world, heard, 2);
        socket.destroy();
        await heard.close();
        await until('nothing waits any more', async () => (await server.metric('artesian_outgoing_queue_bytes')) === 0);
        await server.subscribers(0);
      }
    });
  },
  { only: 'sqlite', args: [...PATIENT.split(' '), '--websocket-max-queue-bytes', String(QUEUE)] },
);

overDatabases(
  'clients that do not read for long',
  (world) => {
    before(() => fill(world.database));
    afterEach(() => world.server.alive());

    test('sockets and event streams that take nothing are dropped', async () => {
      const { server } = world;
      const heard = await follower(server);
      const sockets = await Promise.all(PROTOCOLS.map((protocol) => deaf(server, protocol)));
      const body = JSON.stringify({ query: BIG });
      const headers = { 'Content-Type': 'application/json', Accept: 'text/event-stream', 'Content-Length': body.length };
      const stream = connect(server.port, '127.0.0.1').pause();
      stream.on('error', () => {}).write(head({ headers }) + body);
      await until('all of them follow', async () => (await server.metric('artesian_live_subscribers')) === 4);
      // Until the buffers of the kernel are full.
      const isLast = async () => (await server.metric('artesian_live_subscribers')) === 1;
      const deadline = Date.now() + 3 * LIMIT;
      while (!(await isLast()) && Date.now() < deadline) await change(world, heard, 5);
      assert.ok(await isLast(), 'they were dropped');
      // A connection ends after what ran over it.
      await until('only one connection is left', async () => {
        const transports = ['sse', 'graphql-ws', MODERN];
        const open = await Promise.all(transports.map((transport) => server.metric('artesian_connections', { transport })));
        return isDeepStrictEqual(open, [0, 0, 1]);
      });
      await until('nothing waits any more', async () => (await server.metric('artesian_outgoing_queue_bytes')) === 0);
      sockets.forEach((socket) => socket.destroy());
      stream.destroy();
      await heard.close();
    });
  },
  {
    only: 'sqlite',
    args: ['--websocket-write-timeout', '700ms', '--write-timeout', '700ms', '--websocket-max-queue-bytes', String(QUEUE)],
  },
);

overDatabases(
  'connections that are cut',
  (world) => {
    before(() => fill(world.database));

    /** Opens a connection, follows something, and cuts it, somewhere on the way. */
    async function cut(server, n) {
      const socket = connect(server.port, '127.0.0.1').setNoDelay(true);
      socket.on('error', () => {});
      const protocol = PROTOCOLS[n % 2];
      const query = n % 9 === 0 ? BIG : SMALL;
      const body = JSON.stringify({ query });
      const start = { id: '1', type: protocol === MODERN ? 'subscribe' : 'start', payload: { query } };
      const isStream = n % 5 === 0;
      const bytes = isStream
        ? head({ headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream', 'Content-Length': body.length } }) + body
        : Buffer.concat([Buffer.from(upgradeHead(protocol)), frame('{"type":"connection_init"}'), frame(JSON.stringify(start))]);
      // Some do not even finish what they have to say.
      const isHalf = n % 7 === 0;
      const enough = isHalf ? 100 : query === BIG ? [1, 200, 600, 100_000][n % 4] : 200;
      let read = 0;
      const come = new Promise((resolve) => {
        socket.on('data', (piece) => (read += piece.length) >= enough && resolve());
        socket.on('close', resolve);
      });
      socket.write(isHalf ? bytes.slice(0, -10) : bytes);
      if (!isHalf || !isStream) await within('something comes', come);
      if (n % 2) socket.resetAndDestroy();
      else socket.destroy();
    }

    const many = async (server, from, to) => {
      let next = from;
      await Promise.all(
        Array.from({ length: 16 }, async () => {
          while (next < to) await cut(server, next++);
        }),
      );
    };
    const isQuiet = async (server) => {
      const names = ['artesian_live_subscribers', 'artesian_live_cohorts', 'artesian_operations_active', 'artesian_outgoing_queue_bytes'];
      for (const name of names) if ((await server.metric(name)) !== 0) throw new Error(name);
      const open = await server.metric('artesian_connections');
      if (open !== 1) throw new Error(`${open} connections`);
      return true;
    };

    test('2,000 of them leave nothing behind', async (t) => {
      const { server } = world;
      await many(server, 0, 600);
      await until('all is quiet', () => isQuiet(server));
      const before = (await server.memory()).now;
      await many(server, 600, 2600);
      await until('all is quiet', () => isQuiet(server));
      const { now } = await server.memory();
      t.diagnostic(`${before} MiB, then ${now} MiB`);
      assert.ok(now - before < 4, `${before} MiB became ${now} MiB`);
      await server.alive();
    });
  },
  { only: 'sqlite' },
);
