// npm graphql-http's audit of servers for GraphQL over HTTP.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { auditServer } from 'graphql-http';

import { databases } from '../lib/databases.js';
import { Server } from '../lib/server.js';

const AUDITS = 61;

async function audit(profile) {
  const database = await databases[0].create();
  const server = await Server.start({ url: database.url, args: ['--status-profile', profile] });
  try {
    const results = await auditServer({ url: server.http });
    const counts = {};
    for (const { status } of results) counts[status] = (counts[status] ?? 0) + 1;
    return { results, counts };
  } finally {
    await server.kill();
    await database.drop();
  }
}

const lines = (results, status) =>
  results.filter((r) => r.status === status).map(({ id, name, reason }) => `${id} ${name}: ${reason}`);

describe('graphql-http audit', () => {
  test('profile hasura', async (t) => {
    const { results, counts } = await audit('hasura');
    t.diagnostic(`profile hasura: ${JSON.stringify(counts)}`);
    for (const line of lines(results, 'warn')) t.diagnostic(`warning: ${line}`);
    assert.equal(results.length, AUDITS);
    assert.deepEqual(lines(results, 'error'), []);
  });

  // The audit tests a draft that is older than the one this profile follows: what differs shows up as
  // notices and warnings, for instance 422 where it would like 400.
  test('profile spec', async (t) => {
    const { results, counts } = await audit('spec');
    t.diagnostic(`profile spec: ${JSON.stringify(counts)}`);
    for (const line of lines(results, 'warn')) t.diagnostic(`warning: ${line}`);
    assert.equal(results.length, AUDITS);
    assert.deepEqual(lines(results, 'error'), []);
  });
});
