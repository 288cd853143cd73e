// What a Mercurius gateway sends, message by message as @mercuriusjs/subscription-client 2.0.0 writes
// it, and what it must be answered: it never closes the socket, and it ends for good if it hears of a
// type that it does not know.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';

import WebSocket from 'ws';

import { GATEWAY, LEGACY, MODERN, PROTOCOLS, bearer, notes, service } from '../lib/service-stage.js';
import { Inbox, within } from '../../e2e/lib/wait.js';

const QUERY = 'subscription Query_note {\n  note(order_by: {id: asc}) {\n    id\n    __typename\n  }\n}';

/** Every type that the gateway takes; for any other its process ends. */
const TAKEN = {
  [MODERN]: ['connection_ack', 'connection_error', 'next', 'error', 'complete', 'ping', 'pong'],
  [LEGACY]: ['connection_ack', 'connection_error', 'data', 'error', 'complete', 'ka'],
};
const START = { [MODERN]: 'subscribe', [LEGACY]: 'start' };
const STOP = { [MODERN]: 'complete', [LEGACY]: 'stop' };
const RESULT = { [MODERN]: 'next', [LEGACY]: 'data' };

for (const protocol of PROTOCOLS) {
  describe(`messages of a Mercurius gateway, ${protocol}`, () => {
    let stage;
    let ws;
    let inbox;
    let closing;
    before(async () => (stage = await service()));
    after(async () => {
      await stage?.server.alive();
      await stage?.close();
    });
    afterEach(async () => {
      for (const { type } of inbox.history) assert.ok(TAKEN[protocol].includes(type), `it sent ${type}`);
      assert.equal(closing, undefined, 'it closed the socket');
      await within('the socket is gone', new Promise((resolve) => ws.once('close', resolve).terminate()));
    });

    const send = (message) => ws.send(JSON.stringify(message));
    /** What is sent for an operation of a client. */
    const start = (id, init) =>
      send({
        id,
        type: START[protocol],
        payload: { query: QUERY, variables: {} },
        ...(init && { extensions: [{ type: 'connectionInit', payload: init }] }),
      });
    const stop = (id) => send({ id, type: STOP[protocol], payload: null });
    const result = (id, ...ids) => {
      const { data } = notes('id', ids);
      for (const note of data.note) note.__typename = 'note';
      return { id, type: RESULT[protocol], payload: { data } };
    };
    /** The next message that is about something. */
    const take = (what) => inbox.takeUntil(what, ({ type }) => type !== 'ka');
    const ends = async (id) => {
      const { type, id: of, payload } = await take('the end');
      assert.deepEqual([type, of, payload ?? null], ['complete', id, null]);
    };
    const fails = async (id) => {
      const { type, id: of, payload } = await take('an error');
      assert.deepEqual([type, of, Array.isArray(payload), payload.length], ['error', id, true, 1]);
      // It sends every error back.
      send({ id, type: 'error', payload });
      return payload[0];
    };

    /** Its socket, with the protocol that it means first in a list. */
    async function connect() {
      ws = new WebSocket(stage.server.ws, [protocol, protocol === MODERN ? LEGACY : MODERN]);
      inbox = new Inbox();
      closing = undefined;
      ws.on('message', (data) => inbox.put(JSON.parse(data.toString())));
      ws.on('close', (code) => (closing = code));
      await within('a socket', new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject)));
      // It speaks the first of its list, whatever was chosen.
      assert.equal(ws.protocol, protocol);
      send({ id: null, type: 'connection_init', payload: GATEWAY });
      assert.equal((await inbox.take('the acknowledgement')).type, 'connection_ack');
    }

    test('each operation is its client\'s, and every stop is answered with complete', async () => {
      await connect();
      start('1', bearer('ada'));
      assert.deepEqual(await take('a result'), result('1', 1, 2));
      start('2', bearer('bea'));
      assert.deepEqual(await take('a result'), result('2', 11));
      stop('1');
      await ends('1');
      // It uses every id once.
      start('3', bearer('bea'));
      assert.deepEqual(await take('a result'), result('3', 11));
      for (const id of ['3', '2']) {
        stop(id);
        await ends(id);
      }
      await stage.server.subscribers(0);
    });

    test('a stop that comes right behind its start is answered too', async () => {
      await connect();
      for (let n = 1; n <= 20; n += 1) {
        start(`${n}`, bearer('ada'));
        stop(`${n}`);
        const { type, id } = await inbox.takeUntil('the end', ({ type }) => type === 'complete');
        assert.deepEqual([type, id], ['complete', `${n}`]);
      }
      await stage.server.subscribers(0);
    });

    test('a client without a payload is the gateway, one with an empty payload is nobody', async () => {
      await connect();
      start('1');
      assert.match((await fails('1')).message, /^no subscriptions exist$/);
      start('2', {});
      const refused = await fails('2');
      assert.match(refused.message, /^Forbidden: Missing 'Authorization'/);
      assert.equal(refused.extensions.code, 'invalid-headers');
      stop('2');
      start('3', bearer('ada'));
      assert.deepEqual(await take('a result'), result('3', 1, 2));
      stop('3');
      await ends('3');
    });

    test('whatever is wrong with a client is said of its operation alone', async () => {
      await connect();
      start('0', bearer('bea'));
      assert.deepEqual(await take('a result'), result('0', 11));
      const wrong = {
        'a forged token': [bearer('ada', { tamper: 'signature changed' }), /^Forbidden: Could not verify JWT/],
        'an old token': [bearer('ada', { exp: 1 }), /^Forbidden: Could not verify JWT: JWTExpired/],
        'a role that is not its own': [{ ...bearer('ada'), 'x-hasura-role': 'editor' }, /^Forbidden: Your requested role/],
        'an admin secret': [{ 'x-hasura-admin-secret': 'guess' }, /^Forbidden: invalid "x-hasura-admin-secret"/],
      };
      let n = 0;
      for (const [what, [init, expected]] of Object.entries(wrong)) {
        const id = `${(n += 1)}`;
        start(id, init);
        assert.match((await fails(id)).message, expected, what);
      }
      // What only other gateways send.
      send({ id: '8', type: START[protocol], payload: { query: QUERY }, extensions: [{ type: 'tracing' }] });
      assert.equal((await fails('8')).message, 'Unknown extension tracing');
      await stage.write("insert into note values (12, 'bea', 'twelve', 'r')");
      assert.deepEqual(await take('a result'), result('0', 11, 12));
      await stage.write('delete from note where id = 12');
      assert.deepEqual(await take('a result'), result('0', 11));
      stop('0');
      await ends('0');
    });

    test('its signs of life and its slips are nothing to close a socket for', async () => {
      await connect();
      const alive = protocol === MODERN ? 'ping' : 'ka';
      send({ id: null, type: alive, payload: {} });
      if (protocol === MODERN) assert.deepEqual(await take('a pong'), { type: 'pong', payload: {} });
      // Its answers to ours: to `ping`, and to `ka` without a type.
      send(protocol === MODERN ? { type: 'pong', payload: {} } : { payload: {} });
      send({ id: '7', type: 'error', payload: [{ message: 'it was you' }] });
      // Stopped for an id that is over, or never was.
      stop('7');
      start('1', bearer('ada'));
      assert.deepEqual(await take('a result'), result('1', 1, 2));
      stop('1');
      await ends('1');
    });
  });
}
