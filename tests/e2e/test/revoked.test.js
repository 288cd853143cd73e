// Sockets and streams that end since the administrator says so, or since what let their client in is no
// longer configured; and those that do not.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';

import { pem, secret } from '../lib/auth/keys.js';
import { KeySets, Webhook } from '../lib/auth/services.js';
import { IDS, ONCE, Stage, bearer, notes } from '../lib/auth/stage.js';
import { LEGACY, MODERN, PROTOCOLS } from '../lib/sockets.js';
import { until } from '../lib/wait.js';

const ROTATED = { code: 4403, reason: 'Forbidden: the credentials are no longer accepted' };
const REVOKED = { code: 4403, reason: 'Forbidden: closed by the administrator' };
const hs = (name, issuer) => ({ type: 'HS256', key: secret(name), issuer });
const by = (key, user, more) => bearer(user, { key, claims: { iss: key }, ...more });

/** Opens a socket that follows its notes, and has heard of them. */
async function follower(stage, protocol, headers, ids, options) {
  const socket = await stage.socket(protocol, headers, options);
  socket.start('live', IDS);
  assert.deepEqual(await socket.result('live'), notes('id', ids));
  return socket;
}

/** Checks that the next thing which a follower hears of is a change that is made now. */
async function goesOn(stage, followers) {
  await stage.write("insert into note values (50, 'ada', 't50', 'r')");
  for (const one of followers) {
    const { data } = await one.result('live');
    assert.ok(data.note.some(({ id }) => id === 50), JSON.stringify(data));
  }
  await stage.write('delete from note where id = 50');
  for (const one of followers) {
    const { data } = await one.result('live');
    assert.ok(!data.note.some(({ id }) => id === 50), JSON.stringify(data));
  }
}

describe('a configuration that changes under open sockets', () => {
  const jwt = [hs('red', 'red'), hs('blue', 'blue')];
  const config = (server, auth) => ({ server, auth: { unauthorized_role: 'outsider', ...auth } });
  const first = config({ admin_secrets: ['old secret', 'new secret'] }, { jwt });
  let stage;
  before(async () => (stage = await Stage.create(first)));
  after(() => stage.close());
  afterEach(async () => {
    await stage.hangUp();
    await stage.configure(first);
    await stage.server.alive();
  });

  const admin = (value) => ({ 'x-hasura-admin-secret': value });

  test('an admin secret that is gone', async () => {
    const closed = () => stage.server.metric('artesian_sockets_closed_total', { reason: 'rotated' });
    const earlier = await closed();
    const [old, others] = [[], []];
    for (const protocol of PROTOCOLS) {
      old.push(await follower(stage, protocol, admin('old secret'), [1, 2, 11]));
      old.push(await follower(stage, protocol, admin('old secret'), [1, 2, 11], { http2: true }));
      // Who came in by the old secret in another role is out as well.
      const who = { ...admin('old secret'), 'x-hasura-role': 'user', 'x-hasura-user-id': 'ada' };
      old.push(await follower(stage, protocol, who, [1, 2]));
      others.push(await follower(stage, protocol, admin('new secret'), [1, 2, 11]));
      others.push(await follower(stage, protocol, by('red', 'ada'), [1, 2]));
    }
    const events = await stage.stream('event stream', IDS, admin('old secret'));
    const parts = await stage.stream('multipart', IDS, admin('old secret'));
    const kept = await stage.stream('event stream', IDS, admin('new secret'));
    for (const stream of [events, parts, kept]) await stream.inbox.take('the first result');

    await stage.configure(config({ admin_secrets: ['new secret'] }, { jwt }));
    for (const socket of old) assert.deepEqual(await socket.closing(), ROTATED);
    await events.ended;
    await parts.ended;
    await goesOn(stage, others);
    assert.equal((await kept.inbox.take('a change')).event, 'next');
    const { errors } = await stage.server.post(ONCE, {}, admin('old secret'));
    assert.equal(errors[0].extensions.code, 'access-denied');
    assert.equal((await closed()) - earlier, old.length + 2);
  });

  test('an issuer that is gone', async () => {
    const [red, blue, boss] = [[], [], []];
    for (const protocol of PROTOCOLS) {
      red.push(await follower(stage, protocol, by('red', 'ada'), [1, 2]));
      blue.push(await follower(stage, protocol, by('blue', 'ada'), [1, 2]));
      boss.push(await follower(stage, protocol, admin('old secret'), [1, 2, 11]));
    }
    await stage.configure(config({ admin_secrets: ['old secret', 'new secret'] }, { jwt: [jwt[1]] }));
    for (const socket of red) assert.deepEqual(await socket.closing(), ROTATED);
    await goesOn(stage, [...blue, ...boss]);
    const { errors } = await stage.server.post(ONCE, {}, by('red', 'ada'));
    assert.equal(errors[0].message, 'Could not verify JWT: JWSInvalidSignature');
  });

  test('a key of an issuer that is another', async () => {
    const socket = await follower(stage, MODERN, by('red', 'ada'), [1, 2]);
    const other = await follower(stage, LEGACY, by('blue', 'ada'), [1, 2]);
    const changed = { ...hs('red-next', 'red') };
    await stage.configure(config({ admin_secrets: ['old secret', 'new secret'] }, { jwt: [changed, jwt[1]] }));
    assert.deepEqual(await socket.closing(), ROTATED);
    await goesOn(stage, [other]);
    const again = bearer('ada', { key: 'red-next', claims: { iss: 'red' } });
    await goesOn(stage, [other, await follower(stage, MODERN, again, [1, 2])]);
  });

  test('an audience that is asked for from now on', async () => {
    const socket = await follower(stage, MODERN, by('red', 'ada'), [1, 2]);
    const jwtNow = [{ ...jwt[0], audience: 'app' }, jwt[1]];
    await stage.configure(config({ admin_secrets: ['old secret', 'new secret'] }, { jwt: jwtNow }));
    assert.deepEqual(await socket.closing(), ROTATED);
  });

  test('a role for strangers that is gone', async () => {
    const stranger = await stage.socket(MODERN, {});
    const user = await follower(stage, MODERN, by('red', 'ada'), [1, 2]);
    await stage.configure({ server: { admin_secrets: ['old secret', 'new secret'] }, auth: { jwt } });
    assert.deepEqual(await stranger.closing(), ROTATED);
    await goesOn(stage, [user]);
  });

  test('changes that are none of theirs', async () => {
    const followers = [];
    for (const protocol of PROTOCOLS) {
      followers.push(await follower(stage, protocol, admin('old secret'), [1, 2, 11]));
      followers.push(await follower(stage, protocol, by('red', 'ada'), [1, 2]));
      followers.push(await follower(stage, protocol, by('blue', 'ada'), [1, 2]));
    }
    const closed = await stage.server.metric('artesian_sockets_closed_total');
    // The same in another order, a further secret, a further issuer, and something else.
    await stage.configure(config({ admin_secrets: ['new secret', 'third', 'old secret'] }, { jwt: [jwt[1], jwt[0], hs('green', 'green')] }));
    await stage.configure({ ...first, limits: { depth: 20 } });
    await goesOn(stage, followers);
    assert.equal(await stage.server.metric('artesian_sockets_closed_total'), closed);
  });

  test('a configuration that is refused', async () => {
    const socket = await follower(stage, MODERN, by('red', 'ada'), [1, 2]);
    await stage.configure(config({ admin_secrets: ['new secret'] }, { jwt: [{ type: 'HS256', key: 'short' }] }), 'refused');
    await goesOn(stage, [socket, await follower(stage, MODERN, admin('old secret'), [1, 2, 11])]);
  });

  test('the administrator lists and closes', async () => {
    const ada = await follower(stage, MODERN, by('red', 'ada'), [1, 2]);
    const adaToo = await follower(stage, LEGACY, by('blue', 'ada'), [1, 2]);
    const adaEdits = await follower(stage, MODERN, by('red', 'ada', { role: 'editor' }), [1, 2, 11]);
    const bea = await follower(stage, MODERN, by('red', 'bea'), [11]);
    const boss = await follower(stage, LEGACY, admin('old secret'), [1, 2, 11]);
    const events = await stage.stream('event stream', IDS, by('red', 'ada'));
    await events.inbox.take('the first result');
    const call = async (method, query, headers = admin('old secret')) => {
      const response = await fetch(`${stage.server.base}/v1/sockets${query}`, { method, headers });
      return { status: response.status, ...(await response.json()) };
    };

    let all;
    await until('the sockets of other tests are gone', async () => (all = await call('GET', '')).total <= 6);
    assert.equal(all.total, 6);
    const short = ({ transport, role, user, operations }) => [transport, role, user, operations].join(' ');
    assert.deepEqual(all.sockets.map(short).sort(), [
      `${MODERN} editor ada 1`,
      `${MODERN} user ada 1`,
      `${MODERN} user bea 1`,
      `${LEGACY} admin  1`,
      `${LEGACY} user ada 1`,
      'sse user ada 1',
    ]);
    assert.deepEqual((await call('GET', '?user=bea')).sockets.map(short), [`${MODERN} user bea 1`]);
    assert.equal((await call('GET', '?role=user&user=ada')).total, 3);
    for (const [method, query, headers, status] of [
      ['GET', '', {}, 403],
      ['DELETE', '?user=ada', {}, 403],
      ['DELETE', '?user=ada', by('red', 'ada'), 403],
      ['DELETE', '?user=ada', admin('wrong'), 401],
      ['DELETE', '?user=ada', bearer('ada', { key: 'stranger' }), 401],
      ['DELETE', '', admin('old secret'), 400],
      ['DELETE', '?usr=ada', admin('old secret'), 400],
    ]) {
      assert.equal((await call(method, query, headers)).status, status, `${method} ${query}`);
    }
    await goesOn(stage, [ada, adaToo, adaEdits, boss]);

    assert.equal((await call('DELETE', '?user=ada&role=user')).closed, 3);
    for (const socket of [ada, adaToo]) assert.deepEqual(await socket.closing(), REVOKED);
    await events.ended;
    await goesOn(stage, [adaEdits, boss]);
    assert.equal((await call('DELETE', '?role=editor')).closed, 1);
    assert.deepEqual(await adaEdits.closing(), REVOKED);
    await until('two are left', async () => (await call('GET', '')).total === 2);
    assert.equal((await call('DELETE', '?all=true')).closed, 2);
    for (const socket of [bea, boss]) assert.deepEqual(await socket.closing(), REVOKED);
    // Whoever has a token may come again.
    await goesOn(stage, [await follower(stage, MODERN, by('red', 'ada'), [1, 2])]);
  });
});

describe('keys that rotate under open sockets', () => {
  let keySets;
  let stage;
  const signed = (key, user) => bearer(user, { alg: 'RS256', key, kid: key });
  const serve = (...keys) => keySets.set('/set', { keys, headers: { 'cache-control': 'max-age=1' } });
  before(async () => {
    keySets = await KeySets.create();
    serve('rsa');
    stage = await Stage.create({ auth: { jwt: { jwk_url: `${keySets.url}/set` } } });
  });
  after(async () => {
    await stage.close();
    await keySets.close();
  });

  test('a socket outlives the key of its token, and takes one of the new key', async () => {
    const followers = [];
    for (const protocol of PROTOCOLS) followers.push(await follower(stage, protocol, signed('rsa', 'ada'), [1, 2]));
    serve('rsa-next');
    await until('the old key is refused', async () => {
      const { errors } = await stage.server.post(ONCE, {}, signed('rsa', 'ada'));
      return errors?.[0].message === 'Could not verify JWT: its key is unknown';
    });
    await goesOn(stage, followers);
    const [modern, legacy] = followers;
    modern.send({ type: 'ping', payload: { headers: signed('rsa-next', 'ada') } });
    assert.equal((await modern.inbox.take('pong')).type, 'pong');
    legacy.init({ headers: signed('rsa-next', 'ada') });
    assert.equal((await legacy.inbox.take('connection_ack')).type, 'connection_ack');
    await goesOn(stage, followers);
    // A fresh token by the old key is a refused one.
    modern.send({ type: 'ping', payload: { headers: signed('rsa', 'ada') } });
    assert.deepEqual(await modern.closing(), { code: 4403, reason: 'Forbidden: Could not verify JWT: its key is unknown' });
    await goesOn(stage, [legacy]);
  });
});

describe('a webhook that changes', () => {
  let hooks;
  let stage;
  const config = (hook) => ({ server: { admin_secret: 'open sesame' }, auth: { webhook: { url: `${hook.url}/who` } } });
  before(async () => {
    hooks = [await Webhook.create(), await Webhook.create()];
    for (const hook of hooks) hook.set('ada', { json: { 'x-hasura-role': 'user', 'x-hasura-user-id': 'ada' } });
    stage = await Stage.create(config(hooks[0]));
  });
  after(async () => {
    await stage.close();
    for (const hook of hooks) await hook.close();
  });

  test('sockets of the old one are closed, those of the administrator are not', async () => {
    const sockets = [];
    for (const protocol of PROTOCOLS) sockets.push(await follower(stage, protocol, { 'x-case': 'ada' }, [1, 2]));
    const boss = await follower(stage, MODERN, { 'x-hasura-admin-secret': 'open sesame' }, [1, 2, 11]);
    await stage.configure(config(hooks[1]));
    for (const socket of sockets) assert.deepEqual(await socket.closing(), ROTATED);
    await goesOn(stage, [boss, await follower(stage, MODERN, { 'x-case': 'ada' }, [1, 2])]);
    assert.equal(hooks[1].of('ada').length, 1);
    // From a webhook to tokens.
    await stage.configure({ ...config(hooks[1]), auth: { jwt: { type: 'RS256', key: pem('rsa') } } });
    await goesOn(stage, [boss, await follower(stage, LEGACY, bearer('ada', { alg: 'RS256', key: 'rsa' }), [1, 2])]);
  });

  test('what it says of the life of its answer ends sockets', async () => {
    await stage.configure(config(hooks[0]));
    const answer = { 'x-hasura-role': 'user', 'x-hasura-user-id': 'ada', 'Cache-Control': 'max-age=6' };
    hooks[0].set('short', { json: answer });
    const sockets = [];
    for (const protocol of PROTOCOLS) sockets.push(await follower(stage, protocol, { 'x-case': 'short' }, [1, 2]));
    const other = await follower(stage, MODERN, { 'x-case': 'ada' }, [1, 2]);
    for (const socket of sockets) assert.deepEqual(await socket.closing(), { code: 4403, reason: 'Forbidden: token expired' });
    await goesOn(stage, [other]);
  });
});
