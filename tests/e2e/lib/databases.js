// Databases for tests: an SQLite file, or a database of its own in the PostgreSQL server that
// ARTESIAN_TEST_POSTGRES_URL names. Both are written by another process, as in real life.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export const fixture = (name = 'shop.sql') => readFile(here(`../fixtures/${name}`), 'utf8');

/** A program that runs one piece of SQL after the other. */
class Writer {
  #child;
  #ask;
  #read;
  #queue = Promise.resolve();

  constructor(command, args, ask, read) {
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#ask = ask;
    this.#read = read;
    this.errors = '';
    this.#child.stderr.setEncoding('utf8').on('data', (text) => (this.errors += text));
    this.#child.stdin.on('error', () => {});
    this.failed = new Promise((_, reject) => {
      this.#child.on('error', reject);
      this.#child.on('exit', (code) => reject(new Error(`the writer ended (${code}): ${this.errors}`)));
    });
    this.failed.catch(() => {});
    this.lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Runs statements; resolves when they are done. */
  run(sql) {
    const done = this.#queue.then(async () => {
      this.errors = '';
      this.#child.stdin.write(this.#ask(sql));
      await Promise.race([this.#read(this), this.failed]);
    });
    this.#queue = done.catch(() => {});
    return done;
  }

  async close() {
    this.#child.stdin.end();
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      await new Promise((resolve) => this.#child.once('exit', resolve));
    }
  }
}

const sqliteWriter = (path) =>
  new Writer('python3', [here('writer.py'), path], (sql) => `${JSON.stringify(sql)}\n`, async (writer) => {
    const { value } = await writer.lines.next();
    const error = JSON.parse(value);
    if (error !== null) throw new Error(error);
  });

const MARK = 'artesian-done';

// Standard error goes the same way as standard output, so that errors come before the mark.
const postgresWriter = (url) =>
  new Writer(
    'sh',
    ['-c', 'exec psql --no-psqlrc --quiet --no-align --tuples-only --dbname "$1" 2>&1', 'psql', url],
    (sql) => `${sql}\n;\n\\echo ${MARK}\n`,
    async (writer) => {
      const said = [];
      for (;;) {
        const { value, done } = await writer.lines.next();
        if (done) throw new Error(`psql ended: ${said.join('\n')}`);
        if (value === MARK) break;
        said.push(value);
      }
      const errors = said.filter((line) => /ERROR|FATAL/.test(line));
      if (errors.length > 0) throw new Error(errors.join('\n'));
    },
  );

class Sqlite {
  static async create(sql) {
    const directory = await mkdtemp(join(tmpdir(), 'artesian-e2e-'));
    const database = new Sqlite();
    database.directory = directory;
    database.url = `sqlite:${join(directory, 'app.db')}`;
    database.writer = database.newWriter();
    await database.write(sql);
    return database;
  }

  newWriter() {
    return sqliteWriter(join(this.directory, 'app.db'));
  }

  write(sql) {
    return this.writer.run(sql);
  }

  async drop() {
    await this.writer.close();
    await rm(this.directory, { recursive: true, force: true });
  }
}

export class Postgres {
  /** A database of its own in the server with this URL. */
  static async create(sql, server = process.env.ARTESIAN_TEST_POSTGRES_URL) {
    if (!server) {
      throw new Error(
        'ARTESIAN_TEST_POSTGRES_URL is not set: `make test` sets it, or `eval "$(scripts/postgres.sh env DIR)"`',
      );
    }
    const database = new Postgres();
    database.name = `e2e_${randomBytes(6).toString('hex')}`;
    database.server = server;
    const admin = postgresWriter(server);
    await admin.run(`create database ${database.name}`);
    await admin.close();
    const url = new URL(server);
    url.pathname = `/${database.name}`;
    database.url = url.href;
    database.writer = database.newWriter();
    await database.write(sql);
    return database;
  }

  newWriter() {
    return postgresWriter(this.url);
  }

  write(sql) {
    return this.writer.run(sql);
  }

  async drop() {
    await this.writer.close();
    const admin = postgresWriter(this.server);
    await admin.run(`drop database ${this.name} with (force)`);
    await admin.close();
  }
}

const KINDS = { sqlite: Sqlite, postgres: Postgres };

/** The kinds of database to test: all, or those that ARTESIAN_E2E_DATABASES lists. */
export const databases = (process.env.ARTESIAN_E2E_DATABASES ?? 'sqlite,postgres').split(',').map((name) => {
  const kind = KINDS[name];
  if (!kind) throw new Error(`ARTESIAN_E2E_DATABASES: ${name} is none of ${Object.keys(KINDS)}`);
  return { name, create: async (sql) => kind.create(sql ?? (await fixture())) };
});
