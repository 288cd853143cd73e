// Runs the table of `auth-cases/`: settings, credentials, and the identity or the refusal that must come
// of them over every transport.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { count, environment, filled, headers, subjects, visible } from './cases.js';
import { makeKeys } from './keys.js';
import { missing, Observatory } from './observe.js';
import { KeySets, Webhook } from './services.js';
import { SETTINGS, told, waysFor } from './ways.js';
import { databases } from '../databases.js';
import { Server } from '../server.js';
import { LEGACY } from '../sockets.js';
import { until, within } from '../wait.js';

/** Only groups in whose titles this is. */
const WANTED = process.env.ARTESIAN_E2E_CASES ?? '';

const observatory = new Observatory(visible());
const world = {};

/** Runs one case over one transport; throws if the answer is not as expected. */
async function check(server, one, way, tokens, known) {
  const expected = { ...one, ...(way.isSocket ? one.sockets : one.http) };
  const name = `${one.id}/${way.name}`;
  const options = headers(one, tokens, known, name);
  const variables = Object.entries(expected.identity?.session ?? {});
  const present = variables.filter(([, value]) => value !== null).map(([variable]) => variable);
  const query = Observatory.query(present);
  const repeat = one.repeat ?? 1;
  for (let n = 0; n < repeat; n += 1) {
    const answer = await way.ask(server, { query }, options);
    if (expected.identity) {
      assert.ok(answer.data, `refused: ${JSON.stringify(answer)}`);
      const session = Object.fromEntries(present.map((variable) => [variable, expected.identity.session[variable]]));
      assert.deepEqual(observatory.seen(answer.data, present), { role: expected.identity.role, session });
    } else {
      refused(told(answer), expected.refusal, way);
    }
  }
  for (const [variable] of variables.filter(([, value]) => value === null)) {
    const answer = told(await way.ask(server, { query: Observatory.query([variable]) }, options));
    const { code, message } = missing(variable);
    assert.deepEqual([answer.code, answer.message], [code, message], `${variable} is there`);
  }
  const asked = world.hook.of(name);
  if (expected.asks !== undefined) assert.equal(asked.length, expected.asks, 'questions to the webhook');
  if (expected.asksAtLeast !== undefined) assert.ok(asked.length >= expected.asksAtLeast, `${asked.length} questions to the webhook`);
  if (expected.asked) {
    assert.ok(asked.length > 0, 'the webhook was not asked');
    asked.forEach((question) => heard(question, filled(expected.asked, known)));
  }
}

/** Whether a refusal is as expected. */
function refused(found, { code, message, status, upgrade, path }, way) {
  if (path !== undefined) return assert.deepEqual(found, { code, message, path });
  // What is not the client's fault may be over soon: it is to try again later.
  const isOurs = code === 'unexpected';
  if (way.isSocket && (upgrade ?? status) !== undefined) {
    assert.deepEqual(found, { upgrade: upgrade ?? status });
  } else if (way.isSocket) {
    const isLegacy = way.name.startsWith(LEGACY);
    // The reason of a close has at most 123 bytes (RFC 6455, section 5.5).
    const reason = (isLegacy || isOurs ? message : `Forbidden: ${message}`).slice(0, isLegacy ? undefined : 123);
    const wanted = { closed: isOurs ? 1013 : isLegacy ? 1011 : 4403, message: reason };
    assert.deepEqual({ closed: found.closed, message: found.message, messages: found.messages }, { ...wanted, messages: undefined });
    if (isLegacy && found.code !== undefined) assert.equal(found.code, code);
  } else if (status !== undefined && message === undefined) {
    assert.equal(found.status, status, JSON.stringify(found));
  } else {
    assert.deepEqual(found, { code, message, path: '$' });
  }
  return undefined;
}

/** Whether the webhook was told what it should have been. */
function heard(asked, { method, url, headers: wanted = {}, request }) {
  if (method) assert.equal(asked.method, method);
  if (url) assert.equal(asked.url, url);
  const said = Webhook.told(asked);
  const lower = Object.fromEntries(Object.entries(said).map(([name, value]) => [name.toLowerCase(), value]));
  for (const [name, value] of Object.entries(wanted)) assert.equal(lower[name] ?? null, value, `the webhook got ${name}`);
  if (request !== undefined) {
    const { request: got } = JSON.parse(asked.body);
    if (request === null) assert.equal(got ?? null, null);
    else assert.match(JSON.stringify(got), new RegExp(request));
  }
}

/** Prepares what a step of a group changes in the world. */
function arrange(group, { jwks = {} }) {
  for (const [path, behaviour] of Object.entries(jwks)) world.keySets.set(`/${group.number}${path}`, behaviour);
}

/** Starts the server of a group: its settings, and a configuration file if it has one. */
async function start(group, known) {
  const folder = await mkdtemp(join(tmpdir(), 'artesian-cases-'));
  const args = ['--metadata', world.metadata];
  if (group.yaml) {
    const file = join(folder, 'artesian.yaml');
    await writeFile(file, JSON.stringify(filled(group.yaml, known)));
    args.push('--config', file);
  }
  const env = environment({ ...SETTINGS, ...group.settings }, known);
  const server = await Server.start({ url: world.database.url, args, env, ready: false });
  return { server, forget: () => rm(folder, { recursive: true }) };
}

const knownTo = (group) => ({ jwks: `${world.keySets.url}/${group.number}`, hook: world.hook.url });

/** Runs the files whose subject is wanted, several servers at a time. */
export function runCases(wants) {
  test('the table is as long as it should be', () => {
    assert.ok(count >= 250, `${count} cases`);
  });
  describe('who is asking', { concurrency: 3 }, () => describeAll(subjects.filter(({ subject }) => wants(subject))));
}

function describeAll(wanted) {
  before(async () => {
    // Before there are sockets and webhooks that would have to wait for it.
    makeKeys();
    const [kind] = databases;
    world.kind = kind.name;
    world.database = await kind.create(observatory.sql());
    world.folder = await mkdtemp(join(tmpdir(), 'artesian-cases-'));
    world.metadata = join(world.folder, 'metadata.json');
    await writeFile(world.metadata, observatory.metadata(kind.name));
    world.keySets = await KeySets.create();
    world.hook = await Webhook.create();
  });
  after(async () => {
    await world.keySets?.close();
    await world.hook?.close();
    await world.database?.drop();
    await rm(world.folder, { recursive: true });
  });

  let number = 0;
  for (const { subject, groups, tokens = {} } of wanted) {
    for (const group of groups) {
      group.number = number += 1;
      const title = `${subject}: ${group.title}`;
      if (!title.includes(WANTED)) continue;
      if (group.refused) describeRefused(title, group);
      else describeGroup(title, group, tokens);
    }
  }
}

/** Settings with which the server must not start. */
function describeRefused(title, group) {
  describe(title, () => {
    for (const one of group.refused) {
      test(one.name, async () => {
        const { server, forget } = await start({ ...group, ...one }, knownTo(group));
        const ended = within(() => `the server ends: ${server.log}`, server.exited);
        const { code, signal } = await ended.finally(() => server.kill()).finally(forget);
        assert.equal(signal, null);
        assert.notEqual(code, 0, server.log);
        assert.match(server.log, new RegExp(one.message));
        assert.doesNotMatch(server.log, /panicked/);
        if (one.hides) assert.ok(!server.log.includes(filled(one.hides, {})), `the log tells a secret: ${server.log}`);
      });
    }
  });
}

function describeGroup(title, group, tokens) {
  // One case after the other: some change what the next one meets.
  describe(title, { concurrency: 1 }, () => {
    let running;
    before(async () => {
      arrange(group, group);
      running = await start(group, knownTo(group));
      await running.server.ready();
    });
    after(async () => {
      await running?.server.kill();
      await running?.forget();
    });
    group.cases.forEach((one, at) => {
      one.id = `${group.number}.${at}`;
      test(one.name, async () => {
        const { server } = running;
        const known = { ...knownTo(group), base: server.base, port: String(server.port) };
        arrange(group, one);
        if (one.hook) world.hook.set(one.id, filled(one.hook, known));
        const ways = waysFor(one);
        assert.ok(ways.length > 0, 'no transport carries this case');
        if (one.fetched) {
          const path = `/${group.number}${one.fetched}`;
          await world.keySets.fetched(path, world.keySets.count(path) + 1);
        }
        if (one.eventually) {
          // Keys are not fetched more often than every few seconds.
          await until(`over ${ways[0].name}`, async () => (await check(server, one, ways[0], tokens, known), true));
        }
        const results = await Promise.allSettled(ways.map((way) => check(server, one, way, tokens, known)));
        const failed = results.flatMap(({ reason }, n) => (reason ? [`${ways[n].name}: ${reason.message}`] : []));
        if (failed.length > 0) throw new Error(failed.join('\n'));
        if (one.unasked) assert.equal(world.keySets.count(`/${group.number}${one.unasked}`), 0, `${one.unasked} was asked for`);
        await server.alive();
      });
    });
  });
}

