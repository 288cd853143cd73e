// The code of `docs/authentication.md` works: clients keep their sockets with fresh tokens, come back
// without, the webhooks say who is who, and what providers run makes the claims that it should.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import WebSocket from 'ws';

import { databases } from '../lib/databases.js';
import { Guide } from '../lib/guide.js';
import { LegacySocket } from '../lib/legacy-socket.js';
import { freePort, Server } from '../lib/server.js';
import { Inbox, until } from '../lib/wait.js';

globalThis.WebSocket ??= WebSocket;

const ADMIN = { 'x-hasura-admin-secret': 'an admin secret' };
const KEY = 'an HMAC key of the tests of the guide';
const NOTES = `create table notes (id integer primary key, owner text not null, body text not null);
  insert into notes values (1, '7', 'hello'), (2, '8', 'of somebody else');`;
const QUERY = '{ notes(order_by: {id: asc}) { body } }';
const SUBSCRIPTION = `subscription ${QUERY}`;

const metadata = (kind) => {
  const schema = kind === 'sqlite' ? 'main' : 'public';
  const table = (filter) => ({ columns: ['id', 'body'], filter });
  const tables = [
    {
      table: { schema, name: 'notes' },
      select_permissions: [
        { role: 'user', permission: table({ owner: { _eq: 'X-Hasura-User-Id' } }) },
        { role: 'editor', permission: table({}) },
        { role: 'anonymous', permission: table({ id: { _lt: 0 } }) },
      ],
    },
  ];
  const source = { name: 'default', kind, tables, configuration: {} };
  return JSON.stringify({ version: 3, sources: [source] });
};

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token of a user, by default of the user 7. */
function token(seconds, user = '7') {
  const exp = Math.floor(Date.now() / 1000) + seconds;
  const claims = {
    exp,
    'https://hasura.io/jwt/claims': {
      'x-hasura-allowed-roles': ['user'],
      'x-hasura-default-role': 'user',
      'x-hasura-user-id': user,
    },
  };
  const message = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return { exp, text: `${message}.${createHmac('sha256', KEY).update(message).digest('base64url')}` };
}

/** How long tokens of applications live, in seconds: long enough for a busy machine to connect. */
const LIFE = 8;

let users = 100;

/** What an application has: a user of its own, a function that gives a token, and when the first of them is over. */
function tokens() {
  const given = [];
  const user = String((users += 1));
  return {
    given,
    user,
    get: async () => {
      given.push(token(LIFE, user));
      return given.at(-1).text;
    },
    /** Waits until the first is no good, nor the time after it. */
    firstIsOver: (grace) => until('the token expires', () => Date.now() / 1000 > given[0].exp + grace),
  };
}

const world = {};
const [kind] = databases;

before(async () => {
  world.guide = await Guide.read('authentication.md');
  world.folder = await mkdtemp(join(tmpdir(), 'artesian-guide-'));
  world.database = await kind.create(NOTES);
  world.metadata = join(world.folder, 'metadata.json');
  await writeFile(world.metadata, metadata(kind.name));
});

after(async () => {
  await world.guide?.close();
  await world.database?.drop();
  await rm(world.folder, { recursive: true, force: true });
});

const serve = (args, env = {}) => {
  const all = ['--metadata', world.metadata, ...args];
  return Server.start({ url: world.database.url, args: all, env: { ARTESIAN_ADMIN_SECRET: 'an admin secret', ...env } });
};

let written = 100;

/** A note of a user; its text. */
async function write(user, body = `note ${written + 1}`) {
  written += 1;
  await world.database.write(`insert into notes values (${written}, '${user}', '${body}')`);
  return body;
}

// Each has a user of its own, so they need not wait for each other.
describe('clients of the guide', { concurrency: true }, () => {
  before(async () => {
    const secret = JSON.stringify({ type: 'HS256', key: KEY });
    world.server = await serve(['--expiry-grace', '500ms'], { ARTESIAN_JWT_SECRET: secret });
    world.connect = (await world.guide.load('client graphql-ws')).connect;
  });

  after(() => world.server?.kill());

  const socketsOf = async (user) => {
    const response = await fetch(`${world.server.base}/v1/sockets?user=${user}`, { headers: ADMIN });
    return (await response.json()).sockets;
  };

  /** Follows with `start(next)` while a token expires; says whether it was one socket all the time. */
  async function outlives(application, start) {
    const { user } = application;
    await write(user, 'hello');
    const results = new Inbox();
    const stop = await start((result) => results.put(result));
    try {
      const has = (body) => (result) => {
        assert.equal(result.errors, undefined, JSON.stringify(result));
        return result.data.notes.some((note) => note.body === body);
      };
      await results.takeUntil('the first result', has('hello'));
      const first = await socketsOf(user);
      assert.equal(first.length, 1, `one socket at the beginning: ${JSON.stringify(first)}`);
      await application.firstIsOver(1);
      const body = await write(user);
      await results.takeUntil('a result after the token', has(body));
      // One that was closed is there until its client has answered.
      let last;
      await until(() => `one socket at the end: ${JSON.stringify(last)}`, async () => (last = await socketsOf(user)).length === 1);
      return first[0].id === last[0].id;
    } finally {
      await stop();
    }
  }

  const NEVER = 2 ** 30;
  const follow = (client, next) =>
    client.subscribe({ query: SUBSCRIPTION }, { next, error: (error) => next({ errors: error }), complete: () => {} });

  test('graphql-ws keeps its socket', async () => {
    const application = tokens();
    const isOne = await outlives(application, (next) => {
      const client = world.connect(world.server.ws, application.get, 300);
      follow(client, next);
      return () => client.dispose();
    });
    assert.equal(isOne, true);
    assert.ok(application.given.length > 3);
  });

  test('graphql-ws comes back after the close when it sends nothing', async () => {
    const application = tokens();
    const isOne = await outlives(application, (next) => {
      const client = world.connect(world.server.ws, application.get, NEVER);
      follow(client, next);
      return () => client.dispose();
    });
    assert.equal(isOne, false);
  });

  test('subscriptions-transport-ws keeps its socket', async () => {
    const { connectLegacy } = await world.guide.load('client subscriptions-transport-ws');
    const application = tokens();
    const isOne = await outlives(application, (next) => {
      const { client, close } = connectLegacy(world.server.ws, application.get, 300, LegacySocket);
      client.request({ query: SUBSCRIPTION }).subscribe({ next });
      return close;
    });
    assert.equal(isOne, true);
  });

  test('Apollo Client, over HTTP and the socket', async () => {
    const { apollo } = await world.guide.load('client apollo');
    const { gql } = await import('@apollo/client');
    const application = tokens();
    const isOne = await outlives(application, async (next) => {
      const socket = world.connect(world.server.ws, application.get, 300);
      const client = apollo(world.server.http, application.get, socket);
      const { data } = await client.query({ query: gql(QUERY) });
      assert.equal(data.notes[0].body, 'hello');
      client
        .subscribe({ query: gql(SUBSCRIPTION), fetchPolicy: 'no-cache' })
        .subscribe(({ data: found, error }) => next({ data: found, errors: error }));
      return () => socket.dispose();
    });
    assert.equal(isOne, true);
  });

  test('urql, over HTTP and the socket', async () => {
    const { urql } = await world.guide.load('client urql');
    const application = tokens();
    const isOne = await outlives(application, async (next) => {
      const socket = world.connect(world.server.ws, application.get, 300);
      const client = urql(world.server.http, () => token(60, application.user).text, socket);
      const { data } = await client.query(QUERY, {}).toPromise();
      assert.equal(data.notes[0].body, 'hello');
      client.subscription(SUBSCRIPTION, {}).subscribe(({ data: found, error }) => next({ data: found, errors: error }));
      return () => socket.dispose();
    });
    assert.equal(isOne, true);
  });

  test('graphql-sse opens its stream again', async () => {
    const { follow: events } = await world.guide.load('client graphql-sse');
    const application = tokens();
    const isOne = await outlives(application, (next) => {
      const results = events(world.server.http, application.get, { query: SUBSCRIPTION });
      (async () => {
        for await (const result of results) next(result);
      })();
      return () => results.return();
    });
    assert.equal(isOne, false);
    assert.ok(application.given.length > 1);
  });
});

describe('webhooks of the guide', () => {
  for (const [name, extension, command] of [['node', 'mjs', process.execPath], ['python', 'py', 'python3']]) {
    test(name, async () => {
      const port = await freePort();
      const program = await world.guide.file(`webhook ${name}`, extension);
      const hook = spawn(command, [program], { env: { ...process.env, PORT: String(port) }, stdio: 'inherit' });
      let server;
      try {
        await until('the webhook answers', async () => (await fetch(`http://127.0.0.1:${port}`)).status);
        server = await serve(['--auth-hook', `http://127.0.0.1:${port}/`]);
        const ask = async (headers) => {
          const { data, errors } = await server.post(QUERY, undefined, headers);
          return data?.notes.map(({ body }) => body).slice(0, 2) ?? errors[0].extensions.code;
        };
        const all = ['hello', 'of somebody else'];
        const rows = [
          [{ authorization: 'Bearer session-of-ada' }, 'hello'],
          [{ authorization: 'Bearer session-of-ada', 'x-hasura-role': 'editor' }, all],
          [{ authorization: 'Bearer session-of-ada', 'x-hasura-role': 'admin' }, 'access-denied'],
          [{ authorization: 'Bearer nonsense' }, 'access-denied'],
          [{ 'x-hasura-role': 'user', 'x-hasura-user-id': '7' }, 'access-denied'],
          [{ ...ADMIN }, all],
        ];
        if (name === 'node') {
          rows.push(
            [{ cookie: 'theme=dark; session=session-of-ada' }, 'hello'],
            [{ cookie: 'session=session-of-bob' }, ['of somebody else']],
            [{ cookie: 'session=session-of-bob', 'x-hasura-role': 'editor' }, 'access-denied'],
            [{ cookie: 'xsession=session-of-ada' }, []],
            [{}, []],
          );
        } else {
          rows.push([{}, 'access-denied']);
        }
        for (const [headers, expected] of rows) {
          const answer = await ask(headers);
          const isOwn = expected === 'hello';
          assert.deepEqual(isOwn ? answer[0] : answer, expected, JSON.stringify(headers));
        }
      } finally {
        hook.kill();
        await server?.kill();
      }
    });
  }
});

test('the Action of Auth0 makes the claims', async () => {
  const expected = JSON.parse(world.guide.text('auth0 claims'));
  const run = async (event) => {
    const exports = {};
    new Function('exports', world.guide.text('auth0 action'))(exports);
    const claims = {};
    const accessToken = { setCustomClaim: (name, value) => (claims[name] = value) };
    await exports.onExecutePostLogin(event, { accessToken });
    return claims;
  };
  const name = 'https://hasura.io/jwt/claims';
  const user = { user_id: expected.sub };
  const claims = await run({ user, authorization: { roles: ['editor', 'admin'] } });
  assert.deepEqual(claims, { [name]: expected[name] });
  const plain = await run({ user });
  assert.deepEqual(plain[name]['x-hasura-allowed-roles'], ['user']);
});

const postgres = databases.find(({ name }) => name === 'postgres');

test('the hook of Supabase makes the claims', { skip: !postgres && 'it is for PostgreSQL' }, async () => {
  const role = (name) => `do $$ begin create role ${name}; exception when duplicate_object or unique_violation then null; end $$;`;
  // What a project has of its own.
  const project = `${['supabase_auth_admin', 'authenticated', 'anon'].map(role).join('\n')}
    create schema auth;
    create table auth.users (id uuid primary key);
    grant usage on schema auth to supabase_auth_admin;
    insert into auth.users values ('8ccaa7af-909f-44e7-84cb-67cdccb56be6'), ('00000000-0000-0000-0000-000000000002');`;
  const database = await postgres.create(project);
  try {
    await database.write(world.guide.text('supabase hook'));
    await database.write(`insert into public.user_roles
      select '8ccaa7af-909f-44e7-84cb-67cdccb56be6'::uuid, role from unnest(array['reviewer', 'editor']) role`);
    const claims = JSON.parse(world.guide.text('supabase claims'));
    const check = async (user, roles) => {
      const event = JSON.stringify({ user_id: user, claims, authentication_method: 'password' });
      const added = { 'x-hasura-allowed-roles': roles, 'x-hasura-default-role': 'user', 'x-hasura-user-id': user };
      const wanted = JSON.stringify({ ...claims, 'https://hasura.io/jwt/claims': added });
      await database.write(`set role supabase_auth_admin;
        do $$ declare found jsonb := public.custom_access_token_hook('${event}'::jsonb)->'claims'; begin
          if found is distinct from '${wanted}'::jsonb then raise exception 'the claims are %', found; end if;
        end $$;
        reset role;`);
    };
    await check('8ccaa7af-909f-44e7-84cb-67cdccb56be6', ['user', 'editor', 'reviewer']);
    await check('00000000-0000-0000-0000-000000000002', ['user']);
    await assert.rejects(database.write(`insert into public.user_roles values ('00000000-0000-0000-0000-000000000002', 'admin')`));
    await assert.rejects(
      database.write(`set role authenticated; select public.custom_access_token_hook('{}'); reset role;`),
      /permission denied/,
    );
  } finally {
    await database.drop();
  }
});
