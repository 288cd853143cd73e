// Configuration, metadata and schema that change under sockets that stay open.

import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';

import { databases } from '../lib/databases.js';
import { openEvents } from '../lib/events.js';
import { Server } from '../lib/server.js';
import { LEGACY, MODERN, Socket } from '../lib/sockets.js';
import { until } from '../lib/wait.js';

const USER = { 'x-hasura-role': 'user' };

const metadata = (kind, columns, filter = {}) =>
  JSON.stringify({
    version: 3,
    sources: [
      {
        name: 'default',
        kind,
        tables: [{ table: 'note', select_permissions: [{ role: 'user', permission: { columns, filter } }] }],
      },
    ],
  });

const SQL = `
  create table note (id integer primary key, title text not null, body text not null);
  insert into note values (1, 'one', 'first'), (2, 'two', 'second');
`;

const IDS = 'subscription { note(order_by: {id: asc}) { id } }';
const TITLES = 'subscription { note(order_by: {id: asc}) { title } }';

for (const kind of databases) {
  describe(`reload over ${kind.name}`, () => {
    let folder;
    let database;
    let server;
    const open = [];

    const write = async (name, text) => {
      // As editors and Kubernetes do it: never in place.
      await writeFile(join(folder, `${name}.new`), text);
      await rename(join(folder, `${name}.new`), join(folder, name));
    };
    const reloads = (result) => server.metric('artesian_reloads_total', { result });
    const reloaded = async (change, result = 'ok') => {
      const count = await reloads(result);
      await change();
      await until(
        () => `the reload is over (${result}); the log:\n${server.log}`,
        async () => (await reloads(result)) > count,
      );
    };
    const hangUp = () => server.child.kill('SIGHUP');
    const socket = async (protocol) => {
      const one = await Socket.open(server, protocol, { init: {}, headers: USER });
      open.push(one);
      return one;
    };

    before(async () => {
      database = await kind.create(SQL);
      folder = await mkdtemp(join(tmpdir(), 'artesian-reload-'));
      await write('metadata.json', metadata(kind.name, ['id', 'title']));
      await write('artesian.yaml', 'limits:\n  depth: 10\n');
      const args = ['--config', join(folder, 'artesian.yaml'), '--metadata', join(folder, 'metadata.json')];
      args.push('--reload-interval', '30ms', '--schema-interval', '50ms');
      server = await Server.start({ url: database.url, args });
    });
    afterEach(async () => {
      for (const one of open.splice(0)) await one.close();
    });
    after(async () => {
      await server.kill();
      await database.drop();
      await rm(folder, { recursive: true });
    });

    test('narrowed permissions end what they forbid, on sockets that stay open', async () => {
      const [modern, legacy] = [await socket(MODERN), await socket(LEGACY)];
      for (const one of [modern, legacy]) {
        one.start('ids', IDS);
        assert.deepEqual(await one.result('ids'), { data: { note: [{ id: 1 }, { id: 2 }] } });
        one.start('titles', TITLES);
        assert.deepEqual(await one.result('titles'), { data: { note: [{ title: 'one' }, { title: 'two' }] } });
      }
      const events = await openEvents(server, { query: TITLES }, { headers: USER });
      assert.equal((await events.inbox.take()).data.data.note.length, 2);

      await write('metadata.json', metadata(kind.name, ['id'], { id: { _lt: 2 } }));
      await reloaded(hangUp);
      for (const one of [modern, legacy]) {
        const messages = [await one.inbox.take('an end or fewer rows'), await one.inbox.take('the other')];
        const ids = messages.find(({ id }) => id === 'ids');
        assert.deepEqual(ids.payload, { data: { note: [{ id: 1 }] } });
        const titles = messages.find(({ id }) => id === 'titles');
        assert.match(JSON.stringify(titles.payload), /field 'title' not found in type: 'note'/);
        assert.equal(titles.type, 'error');
      }
      assert.match(JSON.stringify((await events.inbox.take('the error')).data), /field 'title' not found/);
      assert.equal((await events.inbox.take('the end')).event, 'complete');

      // They go on: what is allowed is pushed, and what is not never was.
      await database.write(`insert into note values (0, 'zero', ''), (3, 'three', '')`);
      for (const one of [modern, legacy]) {
        assert.deepEqual(await one.result('ids'), { data: { note: [{ id: 0 }, { id: 1 }] } });
        one.start('titles', IDS);
        assert.deepEqual(await one.result('titles'), { data: { note: [{ id: 0 }, { id: 1 }] } });
      }
      await database.write('delete from note where id in (0, 3)');
      await reloaded(() => write('metadata.json', metadata(kind.name, ['id', 'title'])));
    });

    test('a changed file is read; a faulty one changes nothing', async () => {
      const one = await socket(MODERN);
      one.start('ids', IDS);
      assert.equal((await one.result('ids')).data.note.length, 2);
      await reloaded(() => write('metadata.json', '{"version": 3,'), 'refused');
      await reloaded(() => write('artesian.yaml', 'limits:\n  dept: 1\n'), 'refused');
      assert.match(server.log, /limits\.dept.*did you mean/);
      await database.write(`insert into note values (4, 'four', '')`);
      assert.equal((await one.result('ids')).data.note.length, 3);
      await write('metadata.json', metadata(kind.name, ['id', 'title']));
      await reloaded(() => write('artesian.yaml', 'limits:\n  depth: 1\n'));
      const ended = await one.inbox.take('the end');
      assert.deepEqual([ended.type, ended.id], ['error', 'ids']);
      assert.equal(ended.payload[0].extensions.code, 'limit-exceeded');
      await reloaded(() => write('artesian.yaml', 'limits:\n  depth: 10\n'));
      one.start('again', IDS);
      assert.equal((await one.result('again')).data.note.length, 3);
      await database.write('delete from note where id = 4');
    });

    test('the schema of the database changes', async () => {
      const one = await socket(MODERN);
      one.start('ids', IDS);
      assert.equal((await one.result('ids')).data.note.length, 2);
      one.start('titles', TITLES);
      assert.equal((await one.result('titles')).data.note.length, 2);
      await database.write('alter table note rename column title to heading');
      // The database may refuse the old statement before the new schema is known.
      const ended = await one.inbox.takeUntil('the end', ({ type }) => type === 'error');
      assert.equal(ended.id, 'titles');
      assert.equal(ended.payload[0].extensions.code, 'validation-failed');
      await database.write('delete from note where id = 2');
      const { id, payload } = await one.inbox.take('fewer rows');
      assert.deepEqual([id, payload], ['ids', { data: { note: [{ id: 1 }] } }]);
    });

    test('ten thousand equal operations go on', async () => {
      await database.write(`insert into note values (7, 'seven', '')`).catch(() => {});
      const sockets = await Promise.all(Array.from({ length: 100 }, () => socket(MODERN)));
      for (const one of sockets) {
        for (let n = 0; n < 100; n += 1) one.start(String(n), IDS);
      }
      for (const one of sockets) {
        for (let n = 0; n < 100; n += 1) await one.inbox.take('the first result');
      }
      await reloaded(hangUp);
      await server.subscribers(10_000);
      assert.equal(await server.metric('artesian_live_cohorts'), 1);
      await database.write('delete from note');
      for (const one of sockets) {
        for (let n = 0; n < 100; n += 1) {
          const { payload } = await one.inbox.take('the change');
          assert.deepEqual(payload, { data: { note: [] } });
        }
      }
    });
  });
}
