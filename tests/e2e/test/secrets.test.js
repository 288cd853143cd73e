// No secret is ever shown: not in logs at their most talkative, not in answers, reasons of closes,
// metrics, or what `artesian check` says. Every credential here is marked, and everything that the
// program writes is searched for the marks.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { secret } from '../lib/auth/keys.js';
import { Marks } from '../lib/auth/marks.js';
import { CLAIMS, Scene } from '../lib/auth/scene.js';
import { Webhook } from '../lib/auth/services.js';
import { token } from '../lib/auth/tokens.js';
import { waysFor } from '../lib/auth/ways.js';
import { databases } from '../lib/databases.js';
import { head, raw, statusOf, upgradeHead } from '../lib/raw.js';
import { MODERN, PROTOCOLS, Socket } from '../lib/sockets.js';

const LIVE = 'subscription { note { id } }';

/** Requests with these credentials over every transport. */
async function everyTransport(scene) {
  for (const headers of scene.credentials()) {
    const via = 'cookie' in headers ? 'headers' : undefined;
    const ways = waysFor({ headers, via });
    const answers = await Promise.all(ways.map((way) => way.ask(scene.server, { query: '{ note { id } }' }, { headers })));
    scene.hear(answers);
  }
}

/** Messages and requests that are malformed just where a secret is. */
async function malformed(scene) {
  const { marks, server } = scene;
  const broken = () => `{"type":"connection_init","payload":{"headers":{"authorization":"Bearer ${marks.make('broken JSON')}`;
  const messages = [
    broken,
    () => `${broken()}\u0001"}}}`,
    () => `{"type":"connection_init","payload":"${marks.make('a payload that is a text')}"}`,
    () => `{"type":"connection_init","payload":["${marks.make('a payload that is a list')}"]}`,
    () => `{"type":"${marks.make('a type')}","payload":{"authorization":"${marks.make('a payload of no type')}"}}`,
    () => `{"type":"connection_init","payload":{"headers":{"authorization":["${marks.make('a list')}"]}}}`,
    () => `{"type":"connection_init","payload":{"headers":{"x-hasura-role":{"a":"${marks.make('an object')}"}}}}`,
    () => `{"type":"connection_init","payload":{"headers":{"authorization":"a\\n${marks.make('a line break')}"}}}`,
    () => `{"type":"connection_init","payload":{"connectionParams":{"token":"${marks.make('connectionParams')}"}}}`,
    () => marks.make('no JSON'),
  ];
  for (const protocol of PROTOCOLS) {
    for (const message of messages) {
      const socket = await Socket.open(server, protocol, { init: false });
      socket.sendText(message());
      // A legacy client may try again on the same socket.
      scene.hear(await socket.takeOrClosing('what is said of it'));
      await socket.close();
      scene.hear(socket.inbox.history);
    }
  }
  const lines = (name, value) => `${name}: ${value}\r\n`;
  const heads = [
    ['a header that is no text', (value) => lines('Authorization', `Bearer \u00ff${value}`)],
    ['a secret twice', (value) => lines('X-Hasura-Admin-Secret', value) + lines('X-Hasura-Admin-Secret', `${value}x`)],
    ['a role twice', (value) => lines('X-Hasura-Role', value) + lines('X-Hasura-Role', `${value}x`)],
    ['a header with a zero', (value) => lines('Authorization', `Bearer ${value}\u0000`)],
    ['a header without a colon', (value) => `Authorization Bearer ${value}\r\n`],
    ['a header of 100 KB', (value) => lines('Authorization', `Bearer ${value}${'x'.repeat(100_000)}`)],
    ['a cookie of 100 KB', (value) => lines('Cookie', `session=${value}${'x'.repeat(100_000)}`)],
    ['a token of an event stream', (value) => lines('X-GraphQL-Event-Stream-Token', value)],
    ['an origin', (value) => lines('Origin', `https://${value}`)],
  ];
  for (const [what, more] of heads) {
    for (const path of ['/graphql', '/graphql/stream', '/v1/sockets', '/metrics', '/nothing']) {
      const value = marks.make(what);
      scene.hear(await raw(server, head({ method: 'GET', path, more: more(value) })));
    }
    await statusOf(server, upgradeHead(MODERN, {}, more(marks.make(`${what}, upgrade`))));
  }
}

/** Sockets that stay open: fresh credentials, refused ones, and their ends. */
async function openSockets(scene) {
  const bearer = (what, spec) => ({ authorization: `Bearer ${scene.token(what, spec)}` });
  for (const protocol of PROTOCOLS) {
    const refresh = (socket, headers) =>
      protocol === MODERN ? socket.send({ type: 'ping', payload: { headers } }) : socket.init({ headers });
    const socket = await Socket.open(scene.server, protocol, { init: { headers: bearer('the first token of a socket') } });
    socket.start('live', LIVE);
    await socket.result('live');
    refresh(socket, bearer('a fresh token'));
    // What a ping brings comes back with the pong, to who sent it: that is the protocol.
    await socket.inbox.take('the answer');
    if (protocol === MODERN) {
      const extensions = { connectionInit: { headers: bearer('a token beside an operation') } };
      socket.send({ id: 'with', type: 'subscribe', payload: { query: '{ __typename }', extensions } });
      scene.hear(await socket.inbox.take('a result'));
    }
    refresh(socket, scene.refusing(bearer('a fresh token that is refused', { key: 'stranger' })));
    scene.hear(await socket.closing());
    scene.hear(socket.inbox.history.filter(({ type }) => type !== 'pong'));
  }
  for (const accept of ['text/event-stream', 'multipart/mixed;subscriptionSpec=1.0']) {
    const abort = new AbortController();
    const response = await fetch(scene.server.http, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept, ...bearer('the token of a stream') },
      body: JSON.stringify({ query: LIVE }),
      signal: abort.signal,
    });
    const { value } = await response.body.getReader().read();
    scene.hear(Buffer.from(value).toString());
    abort.abort();
  }
  const reserved = await fetch(`${scene.server.http}/stream`, { method: 'PUT', headers: bearer('a reservation') });
  scene.marks.note('the token of an event stream', await reserved.text());
}

/** Configurations with other secrets, and with faults just where a secret is. */
async function reloads(scene) {
  const { marks, config } = scene;
  await scene.configure(JSON.stringify({ ...config, server: { admin_secrets: [marks.make('an admin secret after a reload')] } }), 'ok');
  await scene.configure(JSON.stringify({ ...config, server: { admin_secrets: marks.make('one admin secret for a list') } }), 'ok');
  const jwt = (value) => ({ ...config, auth: { jwt: value } });
  const faulty = [
    { ...config, server: { admin_secret: { value: marks.make('an admin secret in an object') } } },
    { ...config, server: { admin_secret: `${marks.make('an admin secret with a line break')}\n` } },
    { ...config, server: { admin_secrets: [[marks.make('a list in the list')]] } },
    { ...config, server: { admin_secrt: marks.make('a misspelt secret') } },
    jwt(marks.make('a key for the whole setting')),
    jwt({ type: 'HS256', key: marks.make('a short key', 30) }),
    jwt({ type: 'HS256', key: [marks.make('a key in a list')] }),
    jwt({ type: 'RS256', key: `-----BEGIN PUBLIC KEY-----\n${marks.make('a broken key')}\n-----END PUBLIC KEY-----` }),
    jwt({ type: marks.make('a type'), key: marks.make('a key beside it') }),
    jwt({ type: 'HS256', kee: marks.make('a misspelt key') }),
    jwt([{ type: 'HS256', key: marks.make('a key that is good', 64) }, { key: marks.make('a key without a type', 64) }]),
    jwt({ jwk_url: `issuer.example/keys?key=${marks.make('a secret in a bad URL')}` }),
    { ...config, auth: { webhook: { url: `issuer.example/who?key=${marks.make('a secret in the URL of a bad webhook')}` } } },
    { ...config, auth: { webhook: { url: `http://user:${marks.make('a password in a URL', 20)}@[::1/` } } },
  ];
  for (const one of faulty) await scene.configure(JSON.stringify(one), 'refused');
  const yaml = [
    (value) => `server:\n  admin_secret: "${value}\n`,
    (value) => `server:\n  admin_secret: ${value}\n  admin_secret: ${value}\n`,
    (value) => `auth:\n  jwt: {type: HS256, key: "${value}"\n`,
    (value) => `server: {admin_secret: [${value}}\n`,
  ];
  for (const text of yaml) await scene.configure(text(marks.make('a secret in broken YAML')), 'refused');
  await scene.configure(JSON.stringify(config), 'ok');
}

const KINDS = [
  {
    title: 'tokens in Authorization, cookies and a header of their own',
    format: 'text',
    auth: (scene) => ({
      jwt: [
        { type: 'HS256', key: secret(scene.key) },
        { type: 'HS256', key: secret(scene.key), header: { type: 'Cookie', name: 'session' } },
        { type: 'HS256', key: secret(scene.key), header: { type: 'CustomHeader', name: 'X-Token' } },
      ],
    }),
  },
  {
    title: 'tokens with keys by URL, and a role for strangers',
    format: 'json',
    auth: (scene) => {
      scene.keySets.set('/set', { keys: ['rsa'] });
      const url = `${scene.keySets.url}/set?key=${encodeURIComponent(scene.marks.make('a secret in the URL of keys'))}`;
      return { unauthorized_role: 'user', jwt: [{ jwk_url: url, issuer: 'other' }, { type: 'HS256', key: secret(scene.key) }] };
    },
  },
  ...['GET', 'POST'].map((mode) => ({
    title: `a webhook, ${mode}`,
    format: mode === 'GET' ? 'json' : 'text',
    auth: (scene) => {
      const made = new Map();
      const mark = (what) => {
        if (!made.has(what)) made.set(what, scene.marks.make(what));
        return made.get(what);
      };
      let n = 0;
      // One after the other: good, 401, a fault that quotes, a page that quotes, a list, a header that quotes.
      scene.hook.respond = (asked) => {
        const told = JSON.stringify(Webhook.told(asked));
        if (told.includes(scene.refused)) return { status: 401, json: { why: mark('a 401') } };
        const session = { 'x-hasura-role': 'user', 'x-hasura-password': mark('a variable of the webhook') };
        const behaviours = [
          { json: session, headers: { 'x-note': mark('a header of the webhook') } },
          { json: { ...session, 'Cache-Control': 'max-age=600' } },
          { status: 401, text: `no: ${told} ${mark('the body of a 401')}` },
          { status: 500, text: `${told} ${mark('the body of a 500')}` },
          { text: `<html>${mark('a page of the webhook')}` },
          { json: { 'x-hasura-role': [mark('a role of the webhook')] } },
          { status: 302, text: '', headers: { location: `/login?token=${encodeURIComponent(mark('a redirect'))}` } },
          { json: { 'x-hasura-role': 'user', 'x-hasura-password': { value: mark('an object of the webhook') } } },
          { end: 'cut' },
        ];
        n += 1;
        // What `artesian check` says of a token names the variables.
        if (scene.isChecked) return { json: { 'x-hasura-role': 'user', 'x-hasura-user-id': '1' } };
        return scene.isGood ? behaviours[0] : behaviours[n % behaviours.length];
      };
      return { webhook: { url: `${scene.hook.url}/who?key=${encodeURIComponent(mark('a secret in the URL of the webhook'))}`, mode } };
    },
  })),
];

describe('no secret is shown', () => {
  for (const [n, { title, format, auth }] of KINDS.entries()) {
    // Each database in turn: what they log of parameters differs.
    const kind = databases[n % databases.length];
    test(`${title}, logs as ${format}, ${kind.name}`, async () => {
      const scene = new Scene();
      scene.refused = `refuse ${n} me`;
      scene.refusing = (headers) => (title.startsWith('tokens') ? headers : { ...headers, 'x-refuse': scene.refused });
      try {
        await scene.start({ kind, format, level: 'trace', auth });
        await everyTransport(scene);
        await malformed(scene);
        scene.isGood = true;
        await openSockets(scene);
        const list = await fetch(`${scene.server.base}/v1/sockets`, { headers: { 'x-hasura-admin-secret': scene.admin } });
        scene.hear(await list.text());
        await reloads(scene);
        scene.isChecked = true;
        for (const [what, spec] of [['a good token', {}], ['a bad token', { key: 'stranger' }], ['an expired token', { claims: { exp: 1 } }]]) {
          // What a token says of who has it is what was asked for; the token itself is not shown.
          const shown = scene.marks.token(`${what} for check`, token({ alg: 'HS256', key: scene.key, claims: { sub: 'x', [CLAIMS]: {} }, ...spec }));
          scene.hear(await scene.check(`--token=${shown}`));
        }
        scene.hear(await scene.check(`--token=${scene.marks.make('a token that is none, for check')}`));
        const metrics = await fetch(`${scene.server.base}/metrics`);
        scene.hear(await metrics.text());
        await scene.server.alive();
        await scene.server.stop();

        const { log } = scene.server;
        // There is something to search: the most talkative level, and refusals of all kinds.
        assert.match(log, /TRACE/);
        assert.match(log, /request refused/);
        assert.match(log, /socket refused/);
        assert.match(scene.heard.join('\n'), /access-denied/);
        assert.ok(scene.heard.join('\n').length > 10_000);
        assert.deepEqual(scene.marks.foundIn(log), [], 'in the log');
        assert.deepEqual(scene.heard.flatMap((text) => scene.marks.foundIn(text)), [], 'in answers');
      } finally {
        await scene.end();
      }
    });
  }

  test('a secret is found in whatever form', () => {
    const marks = new Marks();
    const mark = marks.make('it');
    const forms = [
      `a ${mark} b`,
      mark.slice(0, 12),
      JSON.stringify({ mark }),
      encodeURIComponent(mark),
      Buffer.from(mark).toString('base64'),
      Buffer.from(`Bearer ${mark}`).toString('base64'),
      Buffer.from(`Basic  ${mark}`).toString('base64url'),
      Buffer.from(mark).toString('hex'),
      JSON.stringify([...Buffer.from(mark)]).replaceAll(',', ', '),
    ];
    for (const form of forms) assert.notDeepEqual(marks.foundIn(form), [], form);
    assert.deepEqual(marks.foundIn(new Marks().make('another')), []);
  });
});
