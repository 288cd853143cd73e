// Claims of a client's token in what a service is told: templates read them, nobody can invent them.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, describe, test } from 'node:test';

import { Gateway, endOf, sourceOf } from '../lib/gateway.js';
import { valuesOf } from '../lib/identity.js';
import { Service } from '../lib/services.js';
import { TRANSPORTS } from '../lib/transports.js';

const KEY = 'a key that is long enough for HS256, and no more';
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

function token(claims) {
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({
    'https://hasura.io/jwt/claims': { 'x-hasura-allowed-roles': ['user'], 'x-hasura-default-role': 'user' },
    ...claims,
  })}`;
  return `${text}.${createHmac('sha256', KEY).update(text).digest('base64url')}`;
}

describe('claims', () => {
  const world = {};
  before(async () => {
    world.service = await Service.start('graphql-ws');
    const source = sourceOf(world.service, {
      protocol: 'graphql-transport-ws',
      subscriptions: { payload: { tenant: '{{claims.tenant.id}}', roles: '{{claims.roles}}' } },
      headers: { set: { 'x-tenant': '{{claims.tenant.id}}' } },
    });
    const env = {
      ARTESIAN_JWT_SECRET: JSON.stringify({ type: 'HS256', key: KEY }),
      ARTESIAN_UNAUTHORIZED_ROLE: 'anonymous',
    };
    world.server = await Gateway.start([source], { env });
  });
  after(async () => {
    await endOf(world.server);
    await world.service?.kill();
  });

  const bearer = (claims) => ({ headers: { authorization: `Bearer ${token(claims)}` } });

  test('of the token are told in headers and payload, with their types', async () => {
    for (const [claims, tenant] of [
      [{ tenant: { id: 'acme' }, roles: ['a', 1] }, ['acme']],
      [{ tenant: { id: 'other' }, roles: null }, ['other']],
      [{}, []],
    ]) {
      const client = TRANSPORTS.POST.connect(world.server, bearer(claims));
      const { data } = await client.ask({ query: '{ whoami }' });
      assert.deepEqual(valuesOf(data.whoami, 'x-tenant'), tenant);
      const socket = TRANSPORTS['graphql-ws'].connect(world.server, bearer(claims));
      const following = socket.follow({ query: 'subscription { whoami }' });
      const { whoami } = await following.data('whoami');
      assert.equal(whoami.init?.tenant, claims.tenant?.id);
      assert.deepEqual(whoami.init?.roles ?? null, claims.roles ?? null);
      await socket.close();
    }
  });

  test('cannot be invented', async () => {
    const said = { headers: { 'x-tenant': 'acme', claims: '{"tenant":{"id":"acme"}}' } };
    const client = TRANSPORTS.POST.connect(world.server, said);
    const { data, errors } = await client.ask({ query: '{ whoami }' });
    assert.equal(errors, undefined);
    assert.deepEqual(valuesOf(data.whoami, 'x-tenant'), []);
  });
});
