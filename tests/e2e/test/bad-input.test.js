// What is not well-formed is refused clearly, and harms nobody else. What is well-formed and wrong is
// in `policy.test.js`.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openEvents } from '../lib/events.js';
import { raw } from '../lib/raw.js';
import { LEGACY, MODERN, PROTOCOLS, Socket } from '../lib/sockets.js';
import { overDatabases } from '../lib/suite.js';
import { until } from '../lib/wait.js';

function assertRefused(answer, code, path, message) {
  assert.equal(answer.data ?? null, null);
  assert.ok(Array.isArray(answer.errors) && answer.errors.length > 0, JSON.stringify(answer));
  const [error] = answer.errors;
  assert.equal(error.extensions?.code, code, JSON.stringify(error));
  if (path instanceof RegExp) assert.match(error.extensions.path, path);
  else assert.equal(error.extensions.path, path);
  assert.match(error.message, message);
  for (const { message: text, extensions } of answer.errors) {
    assert.equal(typeof text, 'string');
    assert.equal(typeof extensions.code, 'string');
    assert.equal(typeof extensions.path, 'string');
  }
}

const head = (length, accept) =>
  `POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: ${accept}\r\n` +
  `Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;

overDatabases('bad input', (world) => {
  const MALFORMED = ['', '{', '{"query": "{ customer { id } }"', '{"query": }', 'query { customer { id } }', '{} {}'];

  for (const accept of ['application/json', 'text/event-stream']) {
    test(`malformed JSON, ${accept}`, async () => {
      for (const body of MALFORMED) {
        const answer = await raw(world.server, head(body.length, accept) + body);
        assert.match(answer, /"code":"invalid-json"/, body);
        assert.match(answer, /"path":"\$/, body);
        if (accept === 'application/json') assert.match(answer, /^HTTP\/1\.1 400 /, body);
      }
    });

    test(`invalid UTF-8, ${accept}`, async () => {
      const body = Buffer.concat([Buffer.from('{"query": "{ customer { id } } #'), Buffer.from([0xff]), Buffer.from('"}')]);
      const answer = await raw(world.server, Buffer.concat([Buffer.from(head(body.length, accept)), body]));
      assert.match(answer, /"code":"invalid-json"/);
      if (accept === 'application/json') assert.match(answer, /^HTTP\/1\.1 400 /);
    });

    test(`an oversized body, ${accept}`, async () => {
      const length = (1 << 20) + 1;
      const announced = await raw(world.server, head(length, accept));
      assert.match(announced, /^HTTP\/1\.1 413 [^]*"code":"limit-exceeded"/);
      const chunk = `80000\r\n${' '.repeat(0x80000)}\r\n`;
      const chunked = head(0, accept).replace('Content-Length: 0', 'Transfer-Encoding: chunked') + chunk + chunk + chunk;
      assert.match(await raw(world.server, chunked), /^HTTP\/1\.1 413 [^]*"code":"limit-exceeded"/);
    });
  }

  test('parameters of the wrong type over HTTP', async () => {
    for (const body of ['{}', '{"query": 1}', '{"query": "{a}", "variables": []}', '{"query": "{a}", "operationName": 1}', '"{a}"', 'null']) {
      const answer = await raw(world.server, head(body.length, 'application/json') + body);
      assert.match(answer, /^HTTP\/1\.1 400 [^]*"code":"(parse-failed|invalid-json)"/, body);
    }
  });

  test('variables nested far too deep', async () => {
    const body = `{"query":"{ customer { id } }","variables":{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`;
    assert.match(await raw(world.server, head(body.length, 'application/json') + body), /^HTTP\/1\.1 400 [^]*"errors"/);
    const modern = await Socket.open(world.server, MODERN);
    modern.sendText(`{"id":"1","type":"subscribe","payload":${body}}`);
    assert.equal((await modern.closing()).code, 4400);
  });

  test('a URL that is too long', async () => {
    const query = `{ customer { id } } #${'x'.repeat(100_000)}`;
    const answer = await raw(world.server, `GET /graphql?query=${encodeURIComponent(query)} HTTP/1.1\r\nHost: x\r\n\r\n`);
    assert.match(answer, /^HTTP\/1\.1 4(14|31) /);
  });

  test('malformed messages, graphql-transport-ws: 4400', async () => {
    const messages = [
      '{',
      'null',
      '[]',
      '{"type": 1}',
      '{"type": "nope"}',
      '{"type": "subscribe"}',
      '{"type": "subscribe", "id": "", "payload": {"query": "{a}"}}',
      '{"type": "subscribe", "id": 1, "payload": {"query": "{a}"}}',
      '{"type": "subscribe", "id": "1", "payload": {"query": 1}}',
      '{"type": "subscribe", "id": "1", "payload": {"query": "{a}", "variables": []}}',
      '{"type": "connection_ack"}',
    ];
    for (const message of messages) {
      const socket = await Socket.open(world.server, MODERN);
      socket.sendText(message);
      const { code, reason } = await socket.closing();
      assert.equal(code, 4400, message);
      assert.match(reason, /^Invalid message received/);
    }
  });

  test('malformed messages, graphql-ws: connection_error, and the socket goes on', async () => {
    const socket = await Socket.open(world.server, LEGACY);
    for (const message of ['{', 'null', '[]', '"x"']) {
      socket.sendText(message);
      const answer = await socket.inbox.take('connection_error');
      assert.equal(answer.type, 'connection_error', message);
      assert.equal(answer.id ?? null, null);
      assert.equal(typeof answer.payload.message, 'string');
    }
    socket.sendText('{"type": "nope", "id": "7"}');
    const unknown = await socket.inbox.take('error');
    assert.deepEqual([unknown.type, unknown.id, unknown.payload.message], ['error', '7', 'Invalid message type!']);
    socket.start('1', '{ customer_by_pk(id: 1) { name } }');
    assert.deepEqual(await socket.result('1'), { data: { customer_by_pk: { name: 'Ada' } } });
    await socket.close();
  });

  for (const protocol of PROTOCOLS) {
    test(`invalid UTF-8 in a message, ${protocol}: 1007`, async () => {
      const socket = await Socket.open(world.server, protocol);
      const start = `{"id":"1","type":"${socket.words.start}","payload":{"query":"{ customer { id } } #`;
      socket.sendText(Buffer.concat([Buffer.from(start), Buffer.from([0xc3, 0x28]), Buffer.from('"}}')]));
      assert.equal((await socket.closing()).code, 1007);
    });

    test(`an oversized message, ${protocol}: 1009`, async () => {
      const socket = await Socket.open(world.server, protocol);
      socket.start('1', `{ customer { id } } #${'x'.repeat(1 << 20)}`);
      assert.equal((await socket.closing()).code, 1009);
    });

    test(`a message just below the limit is served, ${protocol}`, async () => {
      const socket = await Socket.open(world.server, protocol);
      socket.start('1', `{ customer_by_pk(id: 2) { name } } #${'x'.repeat((1 << 20) - 1000)}`);
      assert.deepEqual(await socket.result('1'), { data: { customer_by_pk: { name: 'Bo' } } });
      await socket.close();
    });
  }

  test('a socket without a known subprotocol: 4406', async () => {
    const socket = await Socket.open(world.server, null, { init: false });
    assert.equal((await socket.closing()).code, 4406);
  });

  test('an event stream with a refusal ends with complete', async () => {
    const events = await openEvents(world.server, { query: '{ customer { nope } }' });
    assert.equal(events.response.status, 200);
    const { event, data } = await events.inbox.take();
    assert.equal(event, 'next');
    assertRefused(data, 'validation-failed', '$.selectionSet.customer.selectionSet.nope', /nope/);
    assert.deepEqual(await events.inbox.take(), { event: 'complete', data: null });
    assert.equal(await events.ended, 'end');
  });

  test('a view without a key can be queried, but not by key', async () => {
    const rows = await world.server.data('{ city_spending(order_by: {city: asc}) { city amount } }');
    const amounts = rows.city_spending.map(({ city, amount }) => [city, Number(amount)]);
    assert.deepEqual(amounts, [['Delft', 135], ['Lund', 310]]);
    const { __schema } = await world.server.data('{ __schema { queryType { fields { name } } } }');
    const roots = __schema.queryType.fields.map(({ name }) => name);
    assert.ok(roots.includes('customer_by_pk'));
    assert.ok(roots.includes('city_spending_aggregate'));
    assert.ok(!roots.includes('city_spending_by_pk'));
    const answer = await world.server.post('{ city_spending_by_pk(city: "Lund") { amount } }');
    assertRefused(answer, 'validation-failed', '$.selectionSet.city_spending_by_pk', /city_spending_by_pk/);
    const socket = await Socket.open(world.server, MODERN);
    socket.start('v', 'subscription { city_spending(where: {city: {_eq: "Lund"}}) { amount } }');
    const amount = async () => Number((await socket.result('v')).data.city_spending[0].amount);
    assert.equal(await amount(), 310);
    await world.database.write('update purchase set amount = 311 where id = 3');
    assert.equal(await amount(), 311);
    await world.database.write('update purchase set amount = 310 where id = 3');
    await socket.close();
  });

  test('a table whose name GraphQL does not allow is skipped, with a hint how to name it', async () => {
    // Colours may stand between words.
    const log = await until('the warning', () => {
      const text = world.server.log.replace(/\u001b\[[0-9;]*m/g, '');
      return text.split('\n').find((line) => line.includes('loyalty-card'));
    });
    assert.match(log, /WARN/);
    assert.match(log, /skipped/);
    assert.match(log, /custom_name/);
    assert.match(log, /loyalty_card/);
    const { __schema } = await world.server.data('{ __schema { types { name } } }');
    assert.ok(!__schema.types.some(({ name }) => name.startsWith('loyalty')));
  });
});
