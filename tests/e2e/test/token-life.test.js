// Tokens that expire while sockets and streams are open, and fresh ones that come in time.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';

import { secret } from '../lib/auth/keys.js';
import { IDS, ONCE, Stage, TITLES, bearer, notes, seconds } from '../lib/auth/stage.js';
import { LEGACY, MODERN, PROTOCOLS } from '../lib/sockets.js';
import { until } from '../lib/wait.js';

const EXPIRED = 'the credentials have expired';
const CONFIG = {
  server: { admin_secret: 'open sesame' },
  auth: { jwt: { type: 'HS256', key: secret('stage') } },
};

/** How long tokens live that are to expire, in seconds: what comes before must be over on a busy machine, too. */
const LIFE = 10;

/** Waits for a time of the clock, in seconds since 1970. */
const past = (time) => until(`${time} is over`, () => Date.now() > time * 1000);

/** The only error of an answer, in the words of either protocol. */
const errorOf = (payload) => (Array.isArray(payload) ? payload : payload.errors)[0];

/** Notes of users: adding them, and making users whom no other test knows. */
function writer(of) {
  let next = 100;
  const add = async (owner) => {
    const id = (next += 1);
    await of().write(`insert into note values (${id}, '${owner}', 't${id}', 'r')`);
    return id;
  };
  const user = async () => {
    const name = `user-${next + 1}`;
    return { name, first: await add(name) };
  };
  return { add, user };
}

/** Ways to send fresh credentials: what is sent, and what answers it. */
const REFRESH = [
  [MODERN, 'ping, headers', (socket, headers) => socket.send({ type: 'ping', payload: { headers } }), 'pong'],
  [MODERN, 'ping, connectionParams', (socket, headers) => socket.send({ type: 'ping', payload: { connectionParams: { headers } } }), 'pong'],
  [
    MODERN,
    'subscribe, extensions',
    (socket, headers) => {
      const payload = { query: '{ __typename }', extensions: { connectionInit: { headers } } };
      socket.send({ id: 'fresh', type: 'subscribe', payload });
    },
    'next',
    'complete',
  ],
  [LEGACY, 'connection_init, headers', (socket, headers) => socket.init({ headers }), 'connection_ack'],
  [LEGACY, 'connection_init, at the top', (socket, headers) => socket.init(headers), 'connection_ack'],
];

/**
 * Sends fresh credentials in one of these ways, and waits for the answer. What runs meanwhile may have
 * results of its own before.
 */
async function refresh(socket, headers, send, answers) {
  send(socket, headers);
  for (const answer of answers) {
    await socket.inbox.takeOutOfTurn(answer, ({ type, id }) => type === answer && (id ?? 'fresh') === 'fresh');
  }
}

// Each has a user of its own, so they need not wait for each other.
describe('tokens that expire', { concurrency: true }, () => {
  let stage;
  const { add, user } = writer(() => stage);
  before(async () => (stage = await Stage.create(CONFIG)));
  after(async () => {
    await stage.server.alive();
    await stage.close();
  });

  for (const protocol of PROTOCOLS) {
    for (const http2 of [false, true]) {
      test(`${protocol}${http2 ? ' over HTTP/2' : ''}`, async () => {
        const { name, first } = await user();
        const exp = seconds(LIFE);
        const socket = await stage.socket(protocol, bearer(name, { exp }), { http2 });
        const other = await stage.socket(protocol, bearer(name));
        for (const one of [socket, other]) {
          one.start('live', IDS);
          assert.deepEqual(await one.result('live'), notes('id', [first]));
        }
        const second = await add(name);
        for (const one of [socket, other]) assert.deepEqual(await one.result('live'), notes('id', [first, second]));

        // Whatever is started from then on is refused.
        let n = 0;
        const refusal = await until('an operation is refused', async () => {
          const id = `once ${(n += 1)}`;
          socket.start(id, ONCE);
          const { id: of, type, payload } = await socket.inbox.take('an answer');
          assert.equal(of, id);
          if (type === socket.words.result && payload.data) {
            assert.equal((await socket.inbox.take('the end')).type, 'complete');
            return false;
          }
          return payload;
        });
        const over = Date.now() - exp * 1000;
        assert.equal(errorOf(refusal).message, EXPIRED);
        assert.equal(errorOf(refusal).extensions.code, 'invalid-jwt');
        assert.ok(over >= 0, `it ended ${-over} ms too early`);

        // What runs is quiet, and ends with the socket.
        const third = await add(name);
        assert.deepEqual(await other.result('live'), notes('id', [first, second, third]));
        assert.deepEqual(await socket.closing(), { code: 4403, reason: 'Forbidden: token expired' });
        const late = socket.inbox.history.filter(({ id, payload }) => id === 'live' && JSON.stringify(payload).includes(third));
        assert.deepEqual(late, []);
        const fourth = await add(name);
        assert.deepEqual(await other.result('live'), notes('id', [first, second, third, fourth]));
      });
    }

    test(`${protocol}: beside an admin secret, which has no end`, async () => {
      const { name, first } = await user();
      const exp = seconds(2);
      const who = { 'x-hasura-admin-secret': 'open sesame', 'x-hasura-role': 'user', 'x-hasura-user-id': name };
      const socket = await stage.socket(protocol, { ...who, ...bearer(name, { exp }) });
      socket.start('live', IDS);
      assert.deepEqual(await socket.result('live'), notes('id', [first]));
      await past(exp + 0.3);
      const second = await add(name);
      assert.deepEqual(await socket.result('live'), notes('id', [first, second]));
    });
  }

  for (const [protocol, how, send, ...answers] of REFRESH) {
    test(`${protocol}, ${how}: a fresh token in time`, async () => {
      const { name, first } = await user();
      const exp = seconds(LIFE);
      const socket = await stage.socket(protocol, bearer(name, { exp }));
      socket.start('live', IDS);
      assert.deepEqual(await socket.result('live'), notes('id', [first]));
      await refresh(socket, bearer(name), send, answers);
      // Past the end of the first token nothing has happened: the next message is the next change.
      await past(exp + 0.3);
      const second = await add(name);
      assert.deepEqual(await socket.result('live'), notes('id', [first, second]));
      socket.start('once', ONCE);
      assert.deepEqual(await socket.result('once'), notes('id', [first, second]));
    });

    test(`${protocol}, ${how}: a fresh token after the end of the old one`, async () => {
      const { name, first } = await user();
      const exp = seconds(LIFE);
      const socket = await stage.socket(protocol, bearer(name, { exp }));
      socket.start('live', IDS);
      assert.deepEqual(await socket.result('live'), notes('id', [first]));
      await past(exp);
      const second = await add(name);
      await refresh(socket, bearer(name), send, answers);
      assert.deepEqual(await socket.result('live'), notes('id', [first, second]));
    });
  }

  for (const kind of ['event stream', 'multipart', 'single connection']) {
    test(kind, async () => {
      const { name, first } = await user();
      const exp = seconds(LIFE);
      const stream = await stage.stream(kind, IDS, bearer(name, { exp }));
      const result = (item) => item.payload ?? item.data?.payload ?? item.data;
      assert.deepEqual(result(await stream.inbox.take('the first result')), notes('id', [first]));
      const second = await add(name);
      assert.deepEqual(result(await stream.inbox.take('the second')), notes('id', [first, second]));
      const end = await stream.inbox.take('the end');
      const over = Date.now() - exp * 1000;
      assert.ok(over >= 0, `it ended ${-over} ms too early`);
      const [error] = end.errors ?? result(end).errors;
      assert.deepEqual([error.message, error.extensions.code], [EXPIRED, 'invalid-jwt']);
      await add(name);
      if (kind === 'multipart') {
        assert.equal(await stream.ended, 'end');
      } else {
        assert.equal((await stream.inbox.take('complete')).event, 'complete');
        if (stream.ended) assert.equal(await stream.ended, 'end');
      }
      assert.equal(stream.inbox.size, 0, JSON.stringify(stream.inbox.history));
    });
  }
});

describe('fresh tokens', () => {
  let stage;
  const { add } = writer(() => stage);
  before(async () => (stage = await Stage.create(CONFIG)));
  after(() => stage.close());
  afterEach(async () => {
    await stage.hangUp();
    await stage.write('delete from note where id >= 100');
    await stage.server.subscribers(0);
    await stage.server.alive();
  });

  for (const [protocol, how, send, ...answers] of REFRESH) {
    const fresh = (socket, headers) => refresh(socket, headers, send, answers);

    test(`${protocol}, ${how}: another user`, async () => {
      const socket = await stage.socket(protocol, bearer('ada'));
      const witness = await stage.socket(protocol, bearer('ada'));
      for (const one of [socket, witness]) {
        one.start('live', TITLES);
        assert.deepEqual(await one.result('live'), notes('title', ['one', 'two']));
      }
      await fresh(socket, bearer('bea'));
      assert.deepEqual(await socket.result('live'), notes('title', ['eleven']));
      // What the first user writes is the witness's alone.
      const [mine, hers] = [await add('ada'), await add('bea')];
      assert.deepEqual(await witness.result('live'), notes('title', ['one', 'two', `t${mine}`]));
      assert.deepEqual(await socket.result('live'), notes('title', ['eleven', `t${hers}`]));
    });

    test(`${protocol}, ${how}: a role that may do less`, async () => {
      const socket = await stage.socket(protocol, bearer('ada', { role: 'editor' }));
      socket.start('remarks', 'subscription { note(order_by: {id: asc}) { remark } }');
      assert.deepEqual(await socket.result('remarks'), notes('remark', ['r1', 'r2', 'r11']));
      socket.start('ids', IDS);
      assert.deepEqual(await socket.result('ids'), notes('id', [1, 2, 11]));
      send(socket, bearer('ada', { role: 'outsider' }));
      const got = [];
      while (got.length < answers.length + 2) got.push(await socket.inbox.take('what comes of it'));
      const end = got.find(({ id }) => id === 'remarks');
      assert.equal(end.type, 'error', JSON.stringify(got));
      assert.match(JSON.stringify(end.payload), /field 'remark' not found in type: 'note'/);
      const ids = got.find(({ id }) => id === 'ids');
      assert.deepEqual(ids.payload, notes('id', [1, 2]));
      await add('bea');
      const mine = await add('ada');
      assert.deepEqual(await socket.result('ids'), notes('id', [1, 2, mine]));
    });

    test(`${protocol}, ${how}: the administrator`, async () => {
      const socket = await stage.socket(protocol, bearer('ada'));
      socket.start('ids', IDS);
      assert.deepEqual(await socket.result('ids'), notes('id', [1, 2]));
      await fresh(socket, { 'x-hasura-admin-secret': 'open sesame' });
      assert.deepEqual(await socket.result('ids'), notes('id', [1, 2, 11]));
    });

    for (const [what, headers, message] of [
      ['a forged one', () => bearer('bea', { key: 'stranger' }), 'Could not verify JWT: JWSInvalidSignature'],
      ['an expired one', () => bearer('ada', { exp: seconds(-1) }), 'Could not verify JWT: JWTExpired'],
      ['a role that is not allowed', () => ({ ...bearer('ada'), 'x-hasura-role': 'admin' }), 'Your requested role is not in allowed roles'],
      ['none', () => ({}), "Missing 'Authorization' or 'Cookie' header in JWT authentication mode"],
    ]) {
      test(`${protocol}, ${how}: refused, ${what}`, async () => {
        const socket = await stage.socket(protocol, bearer('ada'));
        const other = await stage.socket(protocol, bearer('ada'));
        for (const one of [socket, other]) {
          one.start('live', IDS);
          assert.deepEqual(await one.result('live'), notes('id', [1, 2]));
        }
        send(socket, headers());
        const closing = await socket.closing();
        const legacy = { code: 1011, reason: message };
        assert.deepEqual(closing, protocol === LEGACY ? legacy : { code: 4403, reason: `Forbidden: ${message}` });
        const id = await add('ada');
        assert.deepEqual(await other.result('live'), notes('id', [1, 2, id]));
      });
    }
  }

  test('headers of the upgrade still count', async () => {
    const socket = await stage.socket(MODERN, bearer('ada'), { headers: { 'x-hasura-role': 'user' } });
    socket.start('ids', IDS);
    assert.deepEqual(await socket.result('ids'), notes('id', [1, 2]));
    // Its default role is another; the upgrade has asked for this one.
    socket.send({ type: 'ping', payload: { headers: bearer('bea', { role: 'editor' }) } });
    assert.equal((await socket.inbox.take('pong')).type, 'pong');
    assert.deepEqual(await socket.result('ids'), notes('id', [11]));
  });

  test('an operation that brings its credentials starts under them', async () => {
    const socket = await stage.socket(MODERN, bearer('ada'));
    const payload = { query: TITLES, extensions: { connectionInit: { headers: bearer('bea') } } };
    socket.send({ id: 'live', type: 'subscribe', payload });
    assert.deepEqual(await socket.result('live'), notes('title', ['eleven']));
  });

  test('a ping with anything else is a ping', async () => {
    const socket = await stage.socket(MODERN, bearer('ada'));
    for (const payload of [undefined, {}, { authorization: 'Bearer no' }, { headers: null }, { token: 'no' }]) {
      socket.send({ type: 'ping', payload });
      assert.deepEqual(await socket.inbox.take('pong'), payload ? { type: 'pong', payload } : { type: 'pong' });
    }
    socket.start('once', ONCE);
    assert.deepEqual(await socket.result('once'), notes('id', [1, 2]));
  });

  test('fresh tokens one after the other, and what comes between them', async () => {
    const socket = await stage.socket(MODERN, bearer('ada'));
    const users = ['bea', 'ada', 'bea', 'ada', 'bea'];
    for (const [n, user] of users.entries()) {
      socket.send({ type: 'ping', payload: { headers: bearer(user) } });
      socket.start(`once ${n}`, ONCE);
    }
    const results = new Map();
    while (results.size < users.length) {
      const { type, id, payload } = await socket.inbox.take('a result');
      if (type === 'next') results.set(id, payload);
    }
    for (const [n, user] of users.entries()) {
      assert.deepEqual(results.get(`once ${n}`), notes('id', user === 'ada' ? [1, 2] : [11]), user);
    }
  });
});
