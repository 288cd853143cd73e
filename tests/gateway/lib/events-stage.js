// A database and a broker behind the binary, and clients of several roles.

import { createHmac } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { databases } from '../../e2e/lib/databases.js';
import { Gateway, endOf } from './gateway.js';

const SECRET = 'open sesame';
const KEY = 'a key of thirty-two bytes, or more';

const SQL = `
  create table parcel (id integer primary key, owner text not null, title text not null, weight integer not null);
  insert into parcel values (1, 'ada', 'a lamp', 3), (2, 'bob', 'a desk', 40);
`;

const metadataOf = (kind) => ({
  version: 3,
  sources: [
    {
      name: 'default',
      kind,
      tables: [
        {
          table: 'parcel',
          select_permissions: [
            {
              role: 'user',
              permission: { columns: ['id', 'owner', 'title'], filter: { owner: { _eq: 'X-Hasura-User-Id' } } },
            },
          ],
        },
      ],
    },
  ],
});

const SCHEMA = `
  type Query { _orders: Boolean, hidden: Order }
  type Mutation { place(id: ID!): Order }
  type Subscription {
    changed(region: String!): Order
    mine: Order
    staff: Order
    regional(region: String!): Order
    large(at_least: Float!): Order
    enveloped: Order
    touched: parcel
    undeclared: Order
  }
  type Order { id: ID!, status: String, total: Float }
`;

const FIELDS = {
  changed: { topic: 'changed.{{args.region}}' },
  mine: { topic: 'mine.{{session.x-hasura-user-id}}' },
  staff: { topic: 'staff', roles: ['manager'] },
  regional: {
    topic: 'regional.{{args.region}}',
    require: { 'session.x-hasura-region': { _eq: '{{args.region}}' } },
  },
  large: { topic: 'large', filter: { 'payload.total': { _gte: '{{args.at_least}}' } } },
  enveloped: { topic: 'enveloped', payload: '{{payload.order}}' },
  touched: { topic: 'touched', complete: { field: 'parcel_by_pk', arguments: { id: '{{payload.id}}' } } },
};

/** What a client says to be this user. By default by the admin secret. */
export function userOf(id, { role = 'user', region } = {}) {
  const session = { 'x-hasura-role': role, 'x-hasura-user-id': id, ...(region && { 'x-hasura-region': region }) };
  return { headers: { 'x-hasura-admin-secret': SECRET, ...session } };
}

/** The same by a token. */
export function bearerOf(id) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { 'x-hasura-default-role': 'user', 'x-hasura-allowed-roles': ['user'], 'x-hasura-user-id': id };
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ 'https://hasura.io/jwt/claims': claims })}`;
  const signature = createHmac('sha256', KEY).update(text).digest('base64url');
  return { headers: { authorization: `Bearer ${text}.${signature}` } };
}

export const ADMIN = { headers: { 'x-hasura-admin-secret': SECRET } };

export class EventsStage {
  /** Starts the binary over a database (SQLite, unless ARTESIAN_E2E_DATABASES says otherwise) and a broker, which need not run. */
  static async start(broker, settings = {}) {
    const stage = new EventsStage();
    const [kind] = databases;
    stage.database = await kind.create(SQL);
    stage.folder = await mkdtemp(join(tmpdir(), 'artesian-events-'));
    const metadata = join(stage.folder, 'metadata.json');
    await writeFile(metadata, JSON.stringify(metadataOf(kind.name)));
    const sources = [
      { name: 'default', database: { url: stage.database.url }, metadata },
      { name: 'orders', events: { ...broker.settings(), schema: SCHEMA, fields: FIELDS, ...settings } },
    ];
    const jwt = JSON.stringify({ type: 'HS256', key: KEY });
    stage.server = await Gateway.start(sources, {
      ready: false,
      env: { ARTESIAN_ADMIN_SECRET: SECRET, ARTESIAN_JWT_SECRET: jwt },
    });
    await stage.server.ready();
    return stage;
  }

  async end() {
    await endOf(this.server);
    await this.database.drop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
