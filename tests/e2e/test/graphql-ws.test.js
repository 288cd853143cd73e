// npm graphql-ws, the reference client of `graphql-transport-ws`.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { clientContract } from '../lib/contract.js';
import { modernClient } from '../lib/modern.js';
import { overDatabases } from '../lib/suite.js';
import { until } from '../lib/wait.js';

function connect(server, options = {}) {
  const client = modernClient(server, options);
  return {
    subscribe: (query, variables, observer) => client.subscribe({ query, variables }, observer),
    query: (query, variables) =>
      new Promise((resolve) => {
        let result;
        client.subscribe(
          { query, variables },
          {
            next: (value) => (result = value),
            error: (errors) => resolve({ errors }),
            complete: () => resolve(result),
          },
        );
      }),
    close: () => client.dispose(),
    client,
  };
}

clientContract('graphql-ws', connect, { resumes: true });
clientContract('graphql-ws, the server ends in peace', connect, { resumes: true, signal: 'stop' });

overDatabases('graphql-ws', (world) => {
  test('operations of one client share one socket', async () => {
    let opened = 0;
    const { client, query } = connect(world.server, { lazy: false, on: { opened: () => (opened += 1) } });
    const answers = Array.from({ length: 20 }, (_, n) =>
      query('query ($n: Int!) { customer_by_pk(id: $n) { id } }', { n: n % 5 }),
    );
    const ids = (await Promise.all(answers)).map(({ data }) => data.customer_by_pk?.id ?? null);
    assert.deepEqual(ids, Array.from({ length: 20 }, (_, n) => ([1, 2, 3].includes(n % 5) ? n % 5 : null)));
    assert.equal(opened, 1);
    await client.dispose();
  });

  test('the client pings and gets its pongs', async () => {
    const pongs = [];
    const { client } = connect(world.server, {
      lazy: false,
      keepAlive: 30,
      on: { pong: (received) => received && pongs.push(received) },
    });
    await until('three pongs', () => pongs.length >= 3);
    await client.dispose();
  });

  test('a lazy client leaves nothing behind', async () => {
    const { query } = connect(world.server);
    await query('{ customer { id } }');
    await until('the socket is closed', async () => {
      const open = await world.server.metric('artesian_connections', { transport: 'graphql-transport-ws' });
      return open === 0;
    });
  });
});
