// A server of which every secret is marked, and everything that was heard of it.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { BIN, Server } from '../server.js';
import { until } from '../wait.js';
import { secret } from './keys.js';
import { Marks } from './marks.js';
import { KeySets, Webhook } from './services.js';
import { token } from './tokens.js';

export const CLAIMS = 'https://hasura.io/jwt/claims';

const metadata = (kind) =>
  JSON.stringify({
    version: 3,
    sources: [
      {
        name: 'default',
        kind,
        tables: [
          {
            table: 'note',
            select_permissions: [{ role: 'user', permission: { columns: ['id'], filter: { owner: { _neq: 'X-Hasura-Password' } } } }],
          },
        ],
      },
    ],
  });

/** The server, its services, and what it said. */
export class Scene {
  marks = new Marks();
  heard = [];

  hear(what) {
    this.heard.push(typeof what === 'string' ? what : JSON.stringify(what) ?? '');
    return what;
  }

  /** A marked token. `what` is said of it if it is found. */
  token(what, { claims = {}, ...spec } = {}) {
    const all = { exp: Math.floor(Date.now() / 1000) + 3600, sub: this.marks.make(`sub of ${what}`), ...claims };
    all[CLAIMS] ??= {
      'x-hasura-default-role': 'user',
      'x-hasura-allowed-roles': ['user'],
      'x-hasura-password': this.marks.make(`a variable of ${what}`),
    };
    return this.marks.token(what, token({ alg: 'HS256', key: this.key, claims: all, ...spec }));
  }

  /** Credentials of all kinds, good and bad, each in a request of its own. */
  credentials() {
    const { marks } = this;
    const bearer = (text) => ({ authorization: `Bearer ${text}` });
    return [
      {},
      { 'x-hasura-admin-secret': this.admin },
      { 'x-hasura-access-key': this.admin, 'x-hasura-role': 'user', 'x-hasura-password': marks.make('a variable beside the secret') },
      { 'x-hasura-admin-secret': marks.make('a wrong admin secret') },
      { 'x-artesian-admin-secret': marks.make('a wrong admin secret of ours'), 'x-hasura-role': '' },
      bearer(this.token('a good token')),
      { ...bearer(this.token('a token with a role')), 'x-hasura-role': marks.make('a role', 20) },
      { ...bearer(this.token('a token with forged variables')), 'x-hasura-password': marks.make('a forged variable') },
      bearer(this.token('an expired token', { claims: { exp: 1 } })),
      bearer(this.token('a token to come', { claims: { nbf: 4e9 } })),
      bearer(this.token('a forged token', { key: 'stranger' })),
      bearer(this.token('a changed token', { tamper: 'signature changed' })),
      bearer(this.token('none', { alg: 'none' })),
      bearer(this.token('a token of RS256', { alg: 'RS256', key: 'rsa' })),
      bearer(this.token('a token with a strange key', { kid: marks.make('a kid') })),
      bearer(this.token('a token of a strange algorithm', { header: { alg: marks.make('an algorithm', 24) } })),
      bearer(this.token('a token with a strange claim', { claims: { exp: marks.make('an exp') } })),
      bearer(this.token('a token without claims', { claims: { [CLAIMS]: marks.make('claims that are a text') } })),
      bearer(this.token('a token with a list', { claims: { [CLAIMS]: { 'x-hasura-default-role': [marks.make('a default role')] } } })),
      bearer(this.token('a long token', { pad: 15_000 })),
      bearer(marks.make('a token that is none')),
      { authorization: marks.make('Authorization without a scheme') },
      { authorization: `Basic ${marks.make('a password')}` },
      { 'x-token': this.token('a token in a header of its own') },
      { cookie: `session=${this.token('a good cookie')}; other=${marks.make('another cookie')}` },
      { cookie: `session=${this.token('a forged cookie', { key: 'stranger' })}` },
      { cookie: `session=${marks.make('one cookie')}; session=${marks.make('the same cookie')}` },
    ];
  }

  async start({ kind, format, level, auth }) {
    this.folder = await mkdtemp(join(tmpdir(), 'artesian-secrets-'));
    this.database = await kind.create("create table note (id integer primary key, owner text not null); insert into note values (1, 'x')");
    this.keySets = await KeySets.create();
    this.hook = await Webhook.create();
    this.key = `marked ${this.folder}`;
    this.marks.note('the key of tokens', secret(this.key));
    this.admin = this.marks.make('the admin secret');
    this.config = { server: { admin_secrets: [this.admin, this.marks.make('the other admin secret')] }, auth: auth(this) };
    await writeFile(join(this.folder, 'metadata.json'), metadata(kind.name));
    await this.put(JSON.stringify(this.config));
    const args = ['--config', join(this.folder, 'artesian.yaml'), '--metadata', join(this.folder, 'metadata.json')];
    args.push('--reload-interval', '30ms', '--websocket-http2', 'true', '--log-format', format, '--log-level', level);
    this.server = await Server.start({ url: this.database.url, args });
  }

  async end() {
    await this.server?.stop();
    await this.keySets?.close();
    await this.hook?.close();
    await this.database?.drop();
    await rm(this.folder, { recursive: true });
  }

  async put(text) {
    await writeFile(join(this.folder, 'new'), text);
    await rename(join(this.folder, 'new'), join(this.folder, 'artesian.yaml'));
  }

  /** Puts a configuration there, and waits for what becomes of it. */
  async configure(text, result) {
    const reloads = () => this.server.metric('artesian_reloads_total', { result });
    const before = await reloads();
    await this.put(text);
    await until(() => `the configuration is ${result}`, async () => (await reloads()) > before);
  }

  /** `artesian check`, and what it says. */
  async check(...args) {
    const all = ['check', '--config', join(this.folder, 'artesian.yaml'), '--metadata', join(this.folder, 'metadata.json')];
    const said = await new Promise((resolve) => {
      const env = { PATH: process.env.PATH };
      execFile(BIN, [...all, '--database-url', this.database.url, ...args], { env }, (error, out, err) => resolve(out + err));
    });
    assert.match(said, /\d+ errors?, \d+ warnings?/);
    return said;
  }
}
