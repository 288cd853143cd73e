// Which documents run: automatic persisted queries, trusted documents, introspection. The same over
// every transport.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { databases } from '../lib/databases.js';
import { Server } from '../lib/server.js';
import { WAYS } from '../lib/ways.js';

const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const persisted = (query, hash = sha256(query)) => ({
  extensions: { persistedQuery: { version: 1, sha256Hash: hash } },
});
const SECRET = { 'x-hasura-admin-secret': 's3cret' };
const USER = { ...SECRET, 'x-hasura-role': 'user' };

const TRUSTED = 'query Names { customer(order_by: {id: asc}, limit: 1) { name } }';
const metadata = (kind) => ({
  version: 3,
  sources: [
    {
      name: 'default',
      kind,
      tables: [
        {
          table: 'customer',
          select_permissions: [{ role: 'user', permission: { columns: ['id', 'name'], filter: {} } }],
        },
      ],
    },
  ],
});

for (const kind of databases.filter(({ name }) => name === 'sqlite')) {
  describe(`documents over ${kind.name}`, () => {
    let folder;
    let database;
    const servers = [];

    const serve = async (config) => {
      const file = join(folder, `${servers.length}.yaml`);
      await writeFile(file, config);
      const args = ['--config', file, '--metadata', join(folder, 'metadata.json')];
      const env = { ARTESIAN_ADMIN_SECRET: 's3cret' };
      const server = await Server.start({ url: database.url, args, env });
      servers.push(server);
      return server;
    };

    before(async () => {
      database = await kind.create();
      folder = await mkdtemp(join(tmpdir(), 'artesian-documents-'));
      await writeFile(join(folder, 'metadata.json'), JSON.stringify(metadata(kind.name)));
      await writeFile(join(folder, 'trusted.json'), JSON.stringify({ names: TRUSTED }));
    });
    after(async () => {
      for (const server of servers) await server.kill();
      await database.drop();
      await rm(folder, { recursive: true });
    });

    const error = (answer) => {
      assert.ok(answer.errors?.length === 1, JSON.stringify(answer));
      const [{ message, extensions }] = answer.errors;
      return [extensions.code, message];
    };

    test('automatic persisted queries', async () => {
      const server = await serve('documents: {}\n');
      for (const [way, ask] of Object.entries(WAYS)) {
        const query = `query Q { customer(order_by: {id: asc}, limit: 1) { id } } # ${way}`;
        const run = (body, headers = USER) => ask(server, body, { headers });
        assert.deepEqual(
          error(await run(persisted(query))),
          ['PERSISTED_QUERY_NOT_FOUND', 'PersistedQueryNotFound'],
          way,
        );
        assert.deepEqual(
          error(await run({ query, ...persisted(query, sha256('x')) })),
          ['bad-request', 'provided sha does not match query'],
          way,
        );
        const { data } = await run({ query, ...persisted(query) });
        assert.deepEqual(data, { customer: [{ id: 1 }] }, way);
        assert.deepEqual((await run(persisted(query))).data, data, way);
        // Registered by one, asked for by another: with the permissions of the latter.
        assert.deepEqual((await run(persisted(query), SECRET)).data, data, way);
        const other = await run(persisted(query), { ...SECRET, 'x-hasura-role': 'nobody' });
        assert.equal(error(other)[0], 'validation-failed', way);
      }
      assert.ok((await server.metric('artesian_persisted_query_hits_total')) > 0);
    });

    test('only trusted documents', async () => {
      const server = await serve('documents:\n  trusted: trusted.json\n  trusted_mode: only\n');
      for (const [way, ask] of Object.entries(WAYS)) {
        const run = (body, headers = USER) => ask(server, body, { headers });
        const { data } = await run({ query: TRUSTED });
        assert.equal(data.customer.length, 1, way);
        assert.deepEqual((await run({ documentId: 'names' })).data, data, way);
        assert.deepEqual((await run({ documentId: `sha256:${sha256(TRUSTED)}` })).data, data, way);
        assert.deepEqual((await run(persisted(TRUSTED))).data, data, way);
        for (const query of ['{ customer { id } }', 'subscription { customer { id } }', '{ __schema { queryType { name } } }']) {
          const expected = ['validation-failed', 'query is not allowed'];
          assert.deepEqual(error(await run({ query })), expected, `${way}: ${query}`);
          assert.deepEqual(error(await run({ query, ...persisted(query) })), expected, `${way}: ${query}`);
        }
        assert.equal(error(await run({ documentId: 'unknown' }))[0], 'not-found', way);
        assert.ok((await run({ query: '{ customer { id } }' }, SECRET)).data, way);
      }
    });

    test('introspection that is switched off', async () => {
      const server = await serve('documents:\n  introspection: admin\n');
      const query = '{ __schema { queryType { name } } }';
      for (const [way, ask] of Object.entries(WAYS)) {
        const refused = error(await ask(server, { query }, { headers: USER }));
        assert.equal(refused[0], 'validation-failed', way);
        assert.match(refused[1], /introspection is switched off/);
        const { data } = await ask(server, { query: '{ __typename }' }, { headers: USER });
        assert.deepEqual(data, { __typename: 'query_root' }, way);
        assert.ok((await ask(server, { query }, { headers: SECRET })).data, way);
      }
    });
  });
}
