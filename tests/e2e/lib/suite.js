// The frame of a test file: for every kind of database one database and one server.

import { after, before, describe } from 'node:test';

import { databases } from './databases.js';
import { Server } from './server.js';

/**
 * Describes the same tests for every kind of database. `define` gets an object that has `database`
 * and `server` while its tests run. `only` names the one kind that is enough where databases make no
 * difference.
 */
export function overDatabases(title, define, { args, env, sql, only } = {}) {
  for (const kind of databases) {
    if (only && kind.name !== only) continue;
    describe(`${title} over ${kind.name}`, () => {
      const world = { kind: kind.name };
      before(async () => {
        world.database = await kind.create(sql);
        world.server = await Server.start({ url: world.database.url, args, env });
      });
      define(world);
      // After the hooks of the tests themselves, which may close their clients.
      after(async () => {
        await world.server?.kill();
        await world.database?.drop();
      });
    });
  }
}
