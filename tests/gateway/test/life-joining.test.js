// A service that is not there at the start.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { databases } from '../../e2e/lib/databases.js';
import { freePort } from '../../e2e/lib/server.js';
import { Gateway, endOf, fieldsOf, sourceOf } from '../lib/gateway.js';
import { CIRCUIT, RETRY } from '../lib/life.js';
import { Service } from '../lib/services.js';
import { TRANSPORTS } from '../lib/transports.js';

test('a service that is down at the start joins when it comes', async (t) => {
  const database = await databases[0].create();
  const port = await freePort();
  const service = { http: `http://127.0.0.1:${port}/graphql` };
  const sources = [{ name: 'default', database: { url: database.url } }, sourceOf(service, { retry: RETRY, circuit: CIRCUIT })];
  const server = await Gateway.start(sources, { joined: [] });
  t.after(async () => {
    await endOf(server);
    await database.drop();
  });
  const client = TRANSPORTS.POST.connect(server);
  const customers = '{ customer(where: {id: {_eq: 1}}) { name } }';
  assert.deepEqual((await client.ask({ query: customers })).data, { customer: [{ name: 'Ada' }] });
  const { errors } = await client.ask({ query: '{ hello }' });
  assert.ok(errors.length > 0);
  const live = TRANSPORTS['graphql-ws'].connect(server);
  t.after(() => live.close());
  const following = live.follow({ query: `subscription ${customers}` });
  await following.data();

  const come = await Service.start('graphql-ws', { port });
  t.after(() => come.kill());
  await fieldsOf(server, ['hello']);
  assert.deepEqual((await client.ask({ query: '{ hello }' })).data, { hello: 'Hello, world!' });
  // What ran before goes on.
  await database.write("update customer set name = 'Adah' where id = 1");
  assert.deepEqual(await following.data(), { customer: [{ name: 'Adah' }] });
});
