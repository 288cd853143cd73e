// One policy: what is refused over one transport is refused over all of them, with the same words. A
// new transport takes part as soon as it is in `lib/ways.js`.

import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

import { ARGS, LIMITS, REFUSED, REFUSED_LIVE } from '../lib/refusals.js';
import { MODERN, PROTOCOLS, Socket } from '../lib/sockets.js';
import { overDatabases } from '../lib/suite.js';
import { ALL_WAYS as WAYS, ALL_WAYS_ARGS, fits } from '../lib/ways.js';

const EVERY = Object.keys(WAYS);
const STREAMING = EVERY.filter((way) => WAYS[way].streams);

const SECRET = 'open sesame';
const QUERY = '{ customer_by_pk(id: 1) { name } }';
const LIVE = `subscription ${QUERY}`;

/** Code, path and message of a refusal; a socket that is closed has only the latter to tell. */
function told({ data, errors, refusal }, what) {
  if (refusal) {
    const reason = refusal.reason.replace(/^(Forbidden|Invalid message received): /, '');
    return { closed: refusal.code, message: reason };
  }
  assert.equal(data ?? null, null, what);
  assert.equal(errors?.length, 1, `${what}: ${JSON.stringify(errors ?? data).slice(0, 500)}`);
  const [{ message, extensions, ...rest }] = errors;
  assert.deepEqual(rest, {}, what);
  if (extensions === undefined) return { message };
  const { code, path, ...others } = extensions;
  assert.deepEqual(others, {}, what);
  return { code, path, message };
}

/** Asks over these transports and expects the same answer over all; gives it. */
async function refusedOver(ways, server, body, what, options) {
  let first;
  for (const way of ways) {
    const refusal = told(await WAYS[way](server, body, options), `${what}, ${way}`);
    first ??= refusal;
    assert.deepEqual(refusal, first, `${what}: ${way} is not as ${ways[0]}`);
  }
  return first;
}

function assertMatches(refusal, [what, , code, path, message]) {
  assert.equal(refusal.code, code, `${what}: ${JSON.stringify(refusal)}`);
  if (path instanceof RegExp) assert.match(refusal.path, path);
  else assert.equal(refusal.path, path);
  assert.match(refusal.message, message);
}

overDatabases(
  'one policy',
  (world) => {
    afterEach(() => world.server.alive());

    for (const refused of REFUSED) {
      test(refused[0], async () => {
        const [what, body] = refused;
        assertMatches(await refusedOver(EVERY, world.server, body, what), refused);
        // Again, from whatever caches there are.
        assertMatches(await refusedOver([...EVERY].reverse(), world.server, body, what), refused);
        if (!body.query.startsWith('{')) return;
        // Paths of introspection aside, a subscription is refused for what a query is refused for.
        const live = { ...body, query: `subscription ${body.query.replaceAll('query_root', 'subscription_root')}` };
        await refusedOver(STREAMING, world.server, live, `${what}, live`);
        const once = EVERY.filter((way) => !STREAMING.includes(way));
        await refusedOver(once, world.server, live, `${what}, live`);
      });
    }

    for (const refused of REFUSED_LIVE) {
      test(refused[0], async () => {
        const [what, body] = refused;
        assertMatches(await refusedOver(STREAMING, world.server, body, what), refused);
        // Where nothing can stream, that or the want of a stream is told.
        for (const way of EVERY.filter((name) => !STREAMING.includes(name))) {
          const { code } = told(await WAYS[way](world.server, body), way);
          assert.ok([refused[2], 'not-supported'].includes(code), `${way}: ${code}`);
        }
      });
    }

    test('a subscription where nothing can stream', async () => {
      const once = EVERY.filter((way) => !STREAMING.includes(way));
      for (const query of [LIVE, 'query @live { customer { id } }']) {
        const refused = ['live', { query }, 'not-supported', '$', /WebSocket/];
        assertMatches(await refusedOver(once, world.server, refused[1], 'live'), refused);
      }
    });

    test('a role without access', async () => {
      const options = { headers: { 'x-hasura-role': 'stranger', 'x-hasura-user-id': '1' } };
      for (const query of [QUERY, '{ customer { id } }', '{ city_spending { city } }', '{ __typename customer { id } }']) {
        const refusal = await refusedOver(EVERY, world.server, { query }, query, options);
        assert.equal(refusal.code, 'validation-failed');
        const live = query.startsWith('{ __') ? query : `subscription ${query}`;
        await refusedOver(STREAMING, world.server, { query: live }, query, options);
      }
    });

    test('what is refused is the same after something was served', async () => {
      for (const way of EVERY) {
        assert.deepEqual((await WAYS[way](world.server, { query: QUERY })).data, { customer_by_pk: { name: 'Ada' } }, way);
        if (STREAMING.includes(way)) {
          assert.deepEqual((await WAYS[way](world.server, { query: LIVE })).data, { customer_by_pk: { name: 'Ada' } }, way);
        }
      }
      await world.server.subscribers(0);
      await refusedOver(EVERY, world.server, { query: QUERY.replace('name', 'nope') }, 'after');
    });

    for (const protocol of PROTOCOLS) {
      test(`bad operations leave the others of a socket alone, ${protocol}`, async () => {
        const socket = await Socket.open(world.server, protocol);
        socket.start('live', 'subscription { customer_by_pk(id: 3) { city } }');
        assert.deepEqual(await socket.result('live'), { data: { customer_by_pk: { city: null } } });
        for (const [, body] of [...REFUSED, ...REFUSED_LIVE]) {
          socket.send({ id: 'bad', type: socket.words.start, payload: body });
          const answer = await socket.inbox.take('a refusal');
          assert.equal(answer.id, 'bad');
          if (protocol === MODERN) {
            assert.equal(answer.type, 'error', JSON.stringify([body, answer]).slice(0, 1000));
          } else {
            assert.equal(answer.type, 'data');
            assert.equal((await socket.inbox.take('complete')).type, 'complete');
          }
        }
        await world.database.write("update customer set city = 'Turku' where id = 3");
        assert.deepEqual(await socket.result('live'), { data: { customer_by_pk: { city: 'Turku' } } });
        await world.database.write('update customer set city = null where id = 3');
        await socket.close();
      });
    }

    // These are no GraphQL yet, so sockets have their own way to tell of them; the words are the same.
    const MALFORMED = [
      ['variables that are a list', { query: QUERY, variables: [] }, 'parse-failed'],
      ['variables that are a text', { query: QUERY, variables: 'x' }, 'parse-failed'],
      ['half of a surrogate pair', { query: QUERY, variables: { a: '\ud800' } }, undefined],
    ];
    for (const [what, body, code] of MALFORMED) {
      test(what, async () => {
        const messages = new Set();
        for (const way of EVERY) {
          const refusal = told(await WAYS[way](world.server, body), `${what}, ${way}`);
          // Positions in the text differ with what is around it; a batch says which request it was.
          const message = refusal.message.replace(/^request 2 of the batch: /, '');
          messages.add(message.replace(/ at line \d+ column \d+/, ''));
          if (refusal.code) assert.equal(refusal.code, code ?? refusal.code, way);
          if (refusal.closed) assert.equal(refusal.closed, 4400, way);
        }
        assert.equal(messages.size, 1, [...messages].join('\n'));
      });
    }

    test('a request that is too large', async () => {
      const body = { query: `${QUERY} #${'x'.repeat(LIMITS.bytes)}` };
      for (const way of EVERY) {
        // A long URL is served: it is a head, which has a limit of its own.
        if (WAYS[way].inUrl) continue;
        const refusal = told(await WAYS[way](world.server, body), way);
        if (WAYS[way].connects) assert.deepEqual(refusal, { closed: 1009, message: 'message is too big' }, way);
        else assert.equal(refusal.code, 'limit-exceeded', way);
      }
    });
  },
  { args: [...ARGS, ...ALL_WAYS_ARGS] },
);

overDatabases(
  'one policy for strangers',
  (world) => {
    afterEach(() => world.server.alive());

    const STRANGERS = [
      ['no secret', {}],
      ['a wrong secret', { 'x-hasura-admin-secret': 'open sesamy' }],
      ['an empty secret', { 'x-hasura-admin-secret': '' }],
      ['a role without the secret', { 'x-hasura-role': 'user' }],
      ['the secret and an empty role', { 'x-hasura-admin-secret': SECRET, 'x-hasura-role': '' }],
    ];
    for (const [what, headers] of STRANGERS) {
      test(what, async () => {
        // Whatever is asked: nothing is told of what is there.
        for (const query of [QUERY, LIVE, '{ nope', '', '{ __schema { types { name } } }', `{ ${'id '.repeat(20_000)} }`]) {
          const seen = new Set();
          for (const way of EVERY.filter((name) => fits(WAYS[name], { query }))) {
            const ways = WAYS[way].connects ? [{ headers }, { init: headers }, { init: { headers } }] : [{ headers }];
            for (const options of ways) {
              const { message, code, path, closed } = told(await WAYS[way](world.server, { query }, options), way);
              seen.add(message);
              if (closed) assert.ok([4403, 1011].includes(closed), `${way}: ${closed}`);
              else assert.deepEqual([code, path], [headers['x-hasura-role'] === '' ? 'invalid-headers' : 'access-denied', '$'], way);
            }
          }
          assert.equal(seen.size, 1, [...seen].join('\n'));
        }
      });
    }
  },
  { args: ['--admin-secret', SECRET, ...ALL_WAYS_ARGS] },
);
