// Real clients over a network that fails: nothing hangs, nothing wrong is shown, nothing stays behind.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { CLIENTS } from '../lib/clients.js';
import { FlakyNetwork } from '../lib/flaky.js';
import { Random } from '../lib/random.js';
import { overDatabases } from '../lib/suite.js';
import { pause, until, within } from '../lib/wait.js';

// The same faults in each run, at times that differ by themselves; others by ARTESIAN_E2E_SEED.
const SEED = Number(process.env.ARTESIAN_E2E_SEED ?? 20261121);
const STEPS = Number(process.env.ARTESIAN_E2E_FAULTS ?? 60);

// Two rows that are always changed together: whoever sees them apart sees what never was.
const PAIR = 'subscription ($ids: [Int!]!) { shelf(where: {id: {_in: $ids}}, order_by: {id: asc}) { id floor } }';
const ONE = 'subscription Alone { shelf_by_pk(id: 1) { floor } }';

const floorOf = {
  [PAIR]: ({ shelf }) => {
    assert.deepEqual(shelf.map(({ id }) => id), [1, 2]);
    assert.equal(shelf[0].floor, shelf[1].floor, 'half of a transaction');
    return shelf[0].floor;
  },
  [ONE]: ({ shelf_by_pk: { floor } }) => floor,
};

/** Follows a query and notes what is wrong with what comes. */
function witness(name, client, query, variables) {
  const seen = { name, floors: [], faults: [] };
  seen.stop = client.follow(query, variables, ({ data, errors }) => {
    try {
      assert.equal(errors, undefined);
      const floor = floorOf[query](data);
      const last = seen.floors.at(-1) ?? 0;
      assert.ok(Number.isInteger(floor) && floor >= last, `${floor} after ${last}`);
      seen.floors.push(floor);
    } catch (error) {
      seen.faults.push(error.message);
    }
  });
  return seen;
}

/** What the server holds for its clients. */
async function held(server) {
  const names = ['artesian_live_subscribers', 'artesian_live_cohorts', 'artesian_operations_active', 'artesian_outgoing_queue_bytes'];
  const sums = await Promise.all(names.map(async (name) => [name, await server.metric(name)]));
  for (const transport of ['sse', 'graphql-transport-ws', 'graphql-ws', 'multipart', 'websocket']) {
    sums.push([transport, await server.metric('artesian_connections', { transport })]);
  }
  // The question itself is one.
  sums.push(['http', (await server.metric('artesian_connections', { transport: 'http' })) - 1]);
  return Object.fromEntries(sums.filter(([, value]) => value !== 0));
}

const ARGS = '--websocket-keepalive 400ms --websocket-ping-timeout 1s --sse-heartbeat 400ms --write-timeout 2s --websocket-write-timeout 2s --websocket-close-timeout 1s'.split(' ');

overDatabases(
  'an unstable network',
  (world) => {
    let network;
    before(async () => {
      await world.database.write("insert into shelf (id, label, floor) values (1, 'a', 1), (2, 'b', 1)");
      network = await FlakyNetwork.before(world.server);
    });
    after(() => network?.close());

    const forEach = Object.entries(CLIENTS);
    for (const [name, clients] of [...forEach.map((client) => [client[0], [client]]), ['all at once', forEach]]) {
      test(`${name}, ARTESIAN_E2E_SEED=${SEED}`, async (t) => {
        const random = new Random(SEED);
        const { server, database } = world;
        const connected = clients.map(([, connect]) => connect(network));
        const witnesses = connected.flatMap((client, n) => [
          witness(clients[n][0], client, PAIR, { ids: [1, 2] }),
          witness(clients[n][0], client, PAIR, { ids: [2, 1] }),
          witness(clients[n][0], client, ONE),
        ]);
        const state = () => witnesses.map(({ name, floors }) => `${name} ${floors.at(-1)}`).join(', ');
        try {
          const everybodyKnows = (floor) => witnesses.every(({ floors }) => floors.at(-1) === floor);
          let floor = (await server.data('{ shelf_by_pk(id: 1) { floor } }')).shelf_by_pk.floor;
          await until('everybody has begun', () => everybodyKnows(floor));

          let isOver = false;
          const writing = (async () => {
            while (!isOver) {
              await database.write(`update shelf set floor = ${(floor += 1)} where id in (1, 2)`);
              await pause(5);
            }
          })();
          const { counts } = network;
          const before = { ...counts };
          const results = () => witnesses.reduce((sum, { floors }) => sum + floors.length, 0);
          try {
            for (let step = 0; step < STEPS; step += 1) {
              network.fail(random);
              await pause(random.below(150));
              // Now and then all is well for long enough that everybody gets somewhere.
              if (random.chance(0.1)) {
                network.heal();
                const known = floor;
                await until(() => `everybody hears of ${known}: ${state()}`, () => witnesses.every(({ floors }) => floors.at(-1) >= known));
              }
            }
          } finally {
            network.heal();
            isOver = true;
            await within('the writer is done', writing);
          }

          await until(() => `everybody knows ${floor}: ${state()}`, () => everybodyKnows(floor));
          for (const { faults } of witnesses) assert.deepEqual(faults, []);
          const happened = Object.entries(counts).map(([what, count]) => `${what} ${count - (before[what] ?? 0)}`);
          t.diagnostic(`${happened.join(', ')}; ${results()} results`);
        } finally {
          witnesses.forEach(({ stop }) => stop());
          for (const client of connected) await client.close();
          // Sockets that are dead are found out by the server's pings.
          if (connected.length > 1 || /sse|streams/.test(name)) network.tellOfLosses();
        }
        await until(
          'the server keeps nothing',
          async () => {
            const rest = await held(server);
            if (Object.keys(rest).length > 0) throw new Error(JSON.stringify(rest));
            return true;
          },
        );
        await server.alive();
      });
    }
  },
  { only: 'sqlite', args: ARGS },
);
