// Who may see what: the admin secret over every transport, and roles without permissions.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openEvents } from '../lib/events.js';
import { LEGACY, MODERN, PROTOCOLS, Socket } from '../lib/sockets.js';
import { overDatabases } from '../lib/suite.js';
import { WAYS } from '../lib/ways.js';

const SECRET = 'open sesame';
const NAMES = ['X-Hasura-Admin-Secret', 'X-Hasura-Access-Key', 'X-Artesian-Admin-Secret'];
const QUERY = '{ customer_by_pk(id: 1) { name } }';
const ADA = { customer_by_pk: { name: 'Ada' } };
const json = { 'content-type': 'application/json' };

overDatabases(
  'with an admin secret',
  (world) => {
    const ask = (headers, accept = 'application/json') =>
      fetch(world.server.http, {
        method: 'POST',
        headers: { ...json, accept, ...headers },
        body: JSON.stringify({ query: QUERY }),
      });

    for (const name of NAMES) {
      test(`${name}, every transport`, async () => {
        for (const way of Object.keys(WAYS)) {
          const answer = await WAYS[way](world.server, { query: QUERY }, { headers: { [name]: SECRET } });
          assert.deepEqual(answer.data, ADA, way);
        }
        for (const protocol of PROTOCOLS) {
          for (const init of [{ [name]: SECRET }, { headers: { [name.toLowerCase()]: SECRET } }]) {
            const answer = await WAYS[protocol](world.server, { query: QUERY }, { init });
            assert.deepEqual(answer.data, ADA, JSON.stringify(init));
          }
        }
      });
    }

    test('nothing without the secret over HTTP', async () => {
      const strangers = [
        {},
        { 'x-hasura-role': 'admin' },
        { 'x-hasura-admin-secret': '' },
        { 'x-hasura-admin-secret': 'open sesam' },
        { 'x-hasura-admin-secret': `${SECRET}!` },
        { 'x-hasura-admin-secret': SECRET.toUpperCase() },
        { authorization: `Bearer ${SECRET}` },
      ];
      for (const headers of strangers) {
        for (const [accept, status] of [['application/json', 200], ['application/graphql-response+json', 403]]) {
          const response = await ask(headers, accept);
          assert.equal(response.status, status, JSON.stringify(headers));
          const answer = await response.json();
          assert.equal(answer.data, undefined);
          assert.equal(answer.errors[0].extensions.code, 'access-denied');
          assert.equal(answer.errors[0].extensions.path, '$');
        }
        const events = await openEvents(world.server, { query: QUERY }, { headers });
        const { data } = await events.inbox.take();
        assert.equal(JSON.stringify(data).includes('Ada'), false);
        assert.match(JSON.stringify(data), /access-denied/);
      }
    });

    test('a refusal tells nothing of the schema', async () => {
      const text = await (await fetch(world.server.http, {
        method: 'POST',
        headers: json,
        body: JSON.stringify({ query: '{ customer { nope } }' }),
      })).text();
      assert.doesNotMatch(text, /customer|nope/);
    });

    test('nothing without the secret, graphql-transport-ws: 4403', async () => {
      for (const init of [undefined, {}, { 'x-hasura-admin-secret': 'no' }, { headers: {} }]) {
        const socket = await Socket.open(world.server, MODERN, { init: false });
        socket.init(init);
        assert.equal((await socket.closing()).code, 4403);
        assert.deepEqual(socket.inbox.history, []);
      }
    });

    test('an operation ahead of the handshake, graphql-transport-ws: 4401', async () => {
      const socket = await Socket.open(world.server, MODERN, {
        init: false,
        headers: { 'x-hasura-admin-secret': SECRET },
      });
      socket.start('1', QUERY);
      assert.equal((await socket.closing()).code, 4401);
      assert.deepEqual(socket.inbox.history, []);
    });

    test('nothing without the secret, graphql-ws: connection_error, then 1011', async () => {
      for (const init of [undefined, {}, { 'x-hasura-admin-secret': 'no' }]) {
        const socket = await Socket.open(world.server, LEGACY, { init: false });
        // Clients of this protocol do not wait for the acknowledgement.
        socket.init(init);
        socket.start('1', QUERY);
        assert.equal((await socket.closing()).code, 1011);
        assert.deepEqual(socket.inbox.history.map(({ type }) => type), ['connection_error']);
      }
    });

    test('nothing before connection_init, graphql-ws', async () => {
      const socket = await Socket.open(world.server, LEGACY, { init: false });
      socket.start('1', QUERY);
      // Had it run, its result would come before the acknowledgement.
      socket.init({ 'x-hasura-admin-secret': SECRET });
      assert.equal((await socket.inbox.take()).type, 'connection_ack');
      assert.deepEqual(await socket.result('1'), { data: ADA });
      await socket.close();
    });

    test('health needs no secret', async () => {
      for (const path of ['/healthz', '/readyz']) {
        assert.equal((await fetch(world.server.base + path)).status, 200);
      }
    });

    test('roles see nothing, not even with the secret', () => sightless(world.server, SECRET));
  },
  { args: ['--admin-secret', SECRET] },
);

overDatabases('without an admin secret', (world) => {
  test('everybody is the administrator', async () => {
    for (const way of Object.keys(WAYS)) {
      assert.deepEqual((await WAYS[way](world.server, { query: QUERY })).data, ADA, way);
    }
  });

  test('a role that is asked for is taken, and sees nothing', () => sightless(world.server));

  test('contradicting roles are refused', async () => {
    const answer = await WAYS.POST(world.server, { query: QUERY }, { headers: { 'x-hasura-role': '' } });
    assert.equal(answer.errors[0].extensions.code, 'invalid-headers');
  });
});

/** Roles other than admin see nothing as long as there are no permissions. */
async function sightless(server, secret) {
  const who = { 'x-hasura-role': 'user', 'x-hasura-user-id': '1' };
  if (secret) who['x-hasura-admin-secret'] = secret;
  for (const way of Object.keys(WAYS)) {
    for (const root of ['customer', 'customer_by_pk', 'customer_aggregate', 'city_spending']) {
      const answer = await WAYS[way](server, { query: `{ ${root} { __typename } }` }, { headers: who });
      assert.equal(answer.data ?? null, null);
      assert.equal(answer.errors[0].extensions.code, 'validation-failed', `${way} ${root}`);
      assert.equal(answer.errors[0].extensions.path, `$.selectionSet.${root}`);
    }
    const answer = await WAYS[way](server, { query: '{ __schema { types { name fields { name } } } }' }, { headers: who });
    assert.equal(answer.errors, undefined, way);
    assert.doesNotMatch(JSON.stringify(answer.data), /customer|purchase|spending/, way);
  }
  for (const protocol of PROTOCOLS) {
    const answer = await WAYS[protocol](server, { query: QUERY }, { init: { headers: who } });
    assert.equal(answer.errors[0].extensions.code, 'validation-failed', protocol);
    const live = await WAYS[protocol](server, { query: `subscription ${QUERY}` }, { init: who });
    assert.equal(live.errors[0].extensions.code, 'validation-failed', protocol);
  }
}
