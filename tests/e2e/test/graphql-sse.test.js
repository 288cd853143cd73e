// npm graphql-sse in both of its modes.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createClient } from 'graphql-sse';

import { clientContract } from '../lib/contract.js';
import { overDatabases } from '../lib/suite.js';
import { Inbox, pause, until } from '../lib/wait.js';

const connect = (url, options) => (server) => {
  const client = createClient({
    url: url(server),
    retryAttempts: Infinity,
    retry: () => pause(50),
    ...options,
  });
  const subscribe = (query, variables, observer) => client.subscribe({ query, variables }, observer);
  return {
    subscribe,
    query: (query, variables) =>
      new Promise((resolve, reject) => {
        let result;
        subscribe(query, variables, {
          next: (value) => (result = value),
          error: reject,
          complete: () => resolve(result),
        });
      }),
    close: () => client.dispose(),
  };
};

const stream = (server) => `${server.http}/stream`;
const single = { singleConnection: true };

clientContract('graphql-sse', connect((server) => server.http), { resumes: true });
clientContract('graphql-sse, distinct connections at its own path', connect(stream), { resumes: true });
clientContract('graphql-sse, single connection', connect(stream, single), { resumes: true });
clientContract('graphql-sse, single connection that stays', connect(stream, { ...single, lazy: false }), {
  resumes: true,
  signal: 'term',
});

overDatabases('graphql-sse, single connection', (world) => {
  test('all operations of a client share one stream, refused ones too', async () => {
    const paths = [];
    const counted = (input, init) => {
      paths.push(`${init.method} ${init.headers.accept ?? ''}`.trim());
      return fetch(input, init);
    };
    const client = connect(stream, { ...single, fetchFn: counted })(world.server);
    const inboxes = [1, 2, 3].map((n) => {
      const inbox = new Inbox();
      client.subscribe(`subscription S${n} { customer(order_by: {id: asc}) { id } }`, {}, {
        next: (value) => inbox.put(value),
        error: (error) => inbox.put({ error }),
        complete: () => inbox.put({ complete: true }),
      });
      return inbox;
    });
    for (const inbox of inboxes) assert.equal((await inbox.take()).data.customer.length, 3);
    const { errors } = await client.query('{ nope }');
    assert.equal(errors[0].extensions.code, 'validation-failed');
    await world.database.write("insert into customer values (50, 'Fay', null)");
    for (const inbox of inboxes) assert.equal((await inbox.take()).data.customer.length, 4);
    const count = (what) => paths.filter((path) => path === what).length;
    assert.deepEqual([count('PUT'), count('GET text/event-stream'), count('POST')], [1, 1, 4]);
    client.close();
    await world.server.subscribers(0);
    await until('the stream is closed', async () => (await world.server.metric('artesian_connections', { transport: 'sse' })) === 0);
    await world.database.write('delete from customer where id = 50');
  });
});
