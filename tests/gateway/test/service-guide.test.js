// What docs/migrating-from-mercurius.md shows works as it is.

import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { secret } from '../../e2e/lib/auth/keys.js';
import { Guide } from '../../e2e/lib/guide.js';
import { Server } from '../../e2e/lib/server.js';
import { Socket } from '../../e2e/lib/sockets.js';
import { fieldsOf } from '../lib/gateway.js';
import { MODERN, SECRET, bearer, notes, service, until } from '../lib/service-stage.js';
import { Service } from '../lib/services.js';

// Beside the packages, so that the sample finds them.
const FOLDER = fileURLToPath(new URL(`../.guide-${process.pid}`, import.meta.url));

test('Artesian behind a Mercurius gateway', async () => {
  const guide = await Guide.read('migrating-from-mercurius.md');
  await mkdir(FOLDER, { recursive: true });
  // Its database and metadata; the guide's own settings are those of a second server.
  const stage = await service();
  let server;
  let app;
  try {
    await writeFile(`${FOLDER}/artesian.yaml`, guide.text('service settings'));
    const env = { ADMIN_SECRET: SECRET, JWT_KEY: secret('stage') };
    const args = ['--config', `${FOLDER}/artesian.yaml`, '--metadata', `${stage.folder}/metadata.json`];
    server = await Server.start({ url: stage.database.url, args, env });
    Object.assign(process.env, { ...env, ARTESIAN_URL: server.http, ARTESIAN_WS_URL: server.ws });
    await writeFile(`${FOLDER}/gateway.mjs`, guide.text('gateway'));
    ({ app } = await import(`${FOLDER}/gateway.mjs`));
    await app.listen({ port: 0, host: '127.0.0.1' });
    const { port } = app.server.address();

    const ask = async (headers) => {
      const answer = await app.inject({
        method: 'POST',
        url: '/graphql',
        headers,
        payload: { query: '{ note(order_by: {id: asc}) { id } }' },
      });
      return answer.json();
    };
    assert.deepEqual(await ask(bearer('bea')), notes('id', [11]));
    assert.ok((await ask({})).errors, 'a stranger was answered');

    const gateway = { ws: `ws://127.0.0.1:${port}/graphql` };
    await until('the gateway has its socket', () => app.graphqlGateway.serviceMap.artesian.client._ready);
    const query = (above) => `subscription { note(where: {id: {_gt: ${above}}}, order_by: {id: asc}) { id } }`;
    const ada = await Socket.open(gateway, MODERN, { init: bearer('ada') });
    ada.start('ada 1', query(-1));
    assert.deepEqual(await ada.result('ada 1'), notes('id', [1, 2]));
    // Who says nothing is nobody: not the gateway, and not the first who asked.
    const stranger = await Socket.open(gateway, MODERN, {});
    stranger.start('stranger 1', query(-2));
    assert.equal((await stranger.inbox.take('the end')).type, 'complete');
    const seen = await fetch(`${server.base}/v1/sockets`, { headers: { 'x-hasura-admin-secret': SECRET } });
    const { sockets } = await seen.json();
    assert.deepEqual(sockets.map(({ kind, role }) => `${kind} ${role}`), ['socket gateway', 'operation user']);
    await stage.write("insert into note values (3, 'ada', 'three', 'r')");
    assert.deepEqual(await ada.result('ada 1'), notes('id', [1, 2, 3]));
    await ada.close();
    await stranger.close();
    await server.alive();
  } finally {
    // The gateway itself leaves it open, and would try to come back for ever.
    app?.graphqlGateway?.serviceMap.artesian.client.close();
    await app?.close();
    await server?.kill();
    await stage.close();
    await guide.close();
    await rm(FOLDER, { recursive: true, force: true });
  }
});

test('Artesian in the place of a Mercurius gateway', async () => {
  const folder = `${FOLDER}-gateway`;
  await mkdir(folder, { recursive: true });
  const guide = await Guide.read('migrating-from-mercurius.md');
  const reviews = await Service.start('mercurius');
  let server;
  let client;
  try {
    const settings = guide.text('gateway settings').replaceAll('reviews:4001', `127.0.0.1:${reviews.port}`);
    await writeFile(`${folder}/artesian.yaml`, settings);
    server = await Server.start({ args: ['--config', `${folder}/artesian.yaml`], env: { GATEWAY_TOKEN: 'gateway' } });
    await fieldsOf(server, ['hello']);
    await reviews.reset();
    client = await Socket.open(server, MODERN, { init: { token: 'ada', more: 'not for services' } });
    client.start('1', 'subscription { whoami }');
    const { data } = await client.result('1');
    assert.deepEqual(data.whoami.init, { token: 'ada' });
    const { inits } = await reviews.state();
    assert.deepEqual(inits[0], { token: 'gateway' });
  } finally {
    await client?.close();
    await server?.kill();
    await reviews.kill();
    await guide.close();
    await rm(folder, { recursive: true, force: true });
  }
});
