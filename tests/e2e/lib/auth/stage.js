// A server with notes that belong to users, for tests of what becomes of open sockets: who sees what is
// decided by permissions, so that whose results they are can be seen in them.

import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { databases } from '../databases.js';
import { openEvents, openSingle } from '../events.js';
import { openParts } from '../parts.js';
import { Server } from '../server.js';
import { Socket } from '../sockets.js';
import { until } from '../wait.js';
import { over, token } from './tokens.js';

const CLAIMS = 'https://hasura.io/jwt/claims';

const SQL = `
  create table note (id integer primary key, owner text not null, title text not null, remark text not null);
  insert into note values (1, 'ada', 'one', 'r1'), (2, 'ada', 'two', 'r2'), (11, 'bea', 'eleven', 'r11');
`;

/** Users see their own notes, editors all of them with their remarks, outsiders nothing but numbers. */
const metadata = (kind) => {
  const permission = (role, columns, filter) => ({ role, permission: { columns, filter } });
  const select_permissions = [
    permission('user', ['id', 'title'], { owner: { _eq: 'X-Hasura-User-Id' } }),
    permission('editor', ['id', 'title', 'remark'], {}),
    permission('outsider', ['id'], { owner: { _eq: 'X-Hasura-User-Id' } }),
  ];
  return JSON.stringify({ version: 3, sources: [{ name: 'default', kind, tables: [{ table: 'note', select_permissions }] }] });
};

/** Titles, live. */
export const TITLES = 'subscription { note(order_by: {id: asc}) { title } }';
/** Numbers, live. */
export const IDS = 'subscription { note(order_by: {id: asc}) { id } }';
/** Numbers, once. */
export const ONCE = '{ note(order_by: {id: asc}) { id } }';

/** The answer with these notes. */
export const notes = (name, values) => ({ data: { note: values.map((value) => ({ [name]: value })) } });

/** Seconds since 1970, so many from now on: a whole number, so that it is at least a second less. */
export const seconds = (from) => Math.floor(Date.now() / 1000) + from;

/** The database, a server, and files that can be changed. */
export class Stage {
  #open = [];

  /** `config` is the configuration file; `env` further settings. */
  static async create(config, env = {}) {
    const stage = new Stage();
    const [kind] = databases;
    stage.database = await kind.create(SQL);
    stage.folder = await mkdtemp(join(tmpdir(), 'artesian-stage-'));
    await stage.put('metadata.json', metadata(kind.name));
    await stage.put('artesian.yaml', JSON.stringify(config));
    const args = ['--config', join(stage.folder, 'artesian.yaml'), '--metadata', join(stage.folder, 'metadata.json')];
    args.push('--reload-interval', '30ms', '--websocket-http2', 'true', '--expiry-grace', '8s');
    stage.server = await Server.start({ url: stage.database.url, args, env });
    return stage;
  }

  async close() {
    await this.hangUp();
    await this.server.kill();
    await this.database.drop();
    await rm(this.folder, { recursive: true });
  }

  /** Closes what tests have left open. */
  async hangUp() {
    for (const one of this.#open.splice(0)) await one.close();
  }

  write(sql) {
    return this.database.write(sql);
  }

  /** Writes a file as editors do it: never in place. */
  async put(name, text) {
    await writeFile(join(this.folder, `${name}.new`), text);
    await rename(join(this.folder, `${name}.new`), join(this.folder, name));
  }

  /** Changes the configuration file, and waits until it is in force. */
  async configure(config, result = 'ok') {
    const reloads = () => this.server.metric('artesian_reloads_total', { result });
    const before = await reloads();
    await this.put('artesian.yaml', JSON.stringify(config));
    await until(() => `the configuration is read; the log:\n${this.server.log}`, async () => (await reloads()) > before);
  }

  /** A socket that is acknowledged. */
  async socket(protocol, headers, options = {}) {
    const socket = await Socket.open(this.server, protocol, { init: { headers }, ...options });
    this.#open.push(socket);
    return socket;
  }

  /** An event stream, a multipart response, or an operation in single connection mode. */
  async stream(kind, query, headers) {
    const open = { 'event stream': openEvents, multipart: openParts, 'single connection': openSingle }[kind];
    const stream = await open(this.server, { query }, { headers });
    this.#open.push(stream);
    return stream;
  }
}

/** The header with a token for a user; `changes` are claims over the usual ones, `spec` the rest. */
export function bearer(user, { role = 'user', exp, claims = {}, ...spec } = {}) {
  const usual = {
    exp: exp ?? seconds(3600),
    [CLAIMS]: { 'x-hasura-default-role': role, 'x-hasura-allowed-roles': [role, 'user'], 'x-hasura-user-id': user },
  };
  const all = { alg: 'HS256', key: 'stage', ...spec, claims: over(usual, claims) };
  return { authorization: `Bearer ${token(all)}` };
}
