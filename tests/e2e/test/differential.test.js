// Scripts of frames, against the reference servers of npm and ours. What each says is in
// fixtures/differential/*.txt; UPDATE_TRANSCRIPTS=1 writes it there, to be read before it is
// committed. UPDATE_DOCS=1 writes the differences to docs/protocols.md.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';

import { run } from '../lib/differential/run.js';
import { legacy, ours, transportWs } from '../lib/differential/servers.js';
import { expected, merge, parse, rewrite } from '../lib/differential/table.js';

const TABLES = [
  { protocol: 'graphql-transport-ws', start: transportWs, least: 150 },
  { protocol: 'graphql-ws', start: legacy, least: 90 },

].map((table) => {
  const file = new URL(`../fixtures/differential/${table.protocol}.txt`, import.meta.url);
  const text = readFileSync(file, 'utf8');
  return { ...table, file, text, scripts: parse(text) };
});

// What the reference prints of its clients' mistakes would drown everything else.
console.error = () => {};

for (const { protocol, start, scripts, least, file, text } of TABLES) {
  describe(protocol, () => {
    const servers = {};
    before(async () => {
      servers.ours = await ours();
      servers.reference = await start();
    });
    after(() => Object.values(servers).forEach((server) => server.close()));

    for (const script of scripts) {
      test(script.name, async () => {
        const [reference, own] = await Promise.all(
          [servers.reference, servers.ours].map((server) => run(server, protocol, script)),
        );
        if (process.env.UPDATE_TRANSCRIPTS) {
          script.steps.forEach((step, at) => (step.said = merge(reference[at], own[at])));
          return;
        }
        script.steps.forEach((step, at) => {
          const what = `${script.name}\n  after: ${step.verb} ${step.text ?? ''}\n  said by`;
          assert.deepEqual(reference[at], expected(step, 'r'), `${what} the reference`);
          assert.deepEqual(own[at], expected(step, 'o'), `${what} our server`);
        });
      });
    }

    test('every difference is one, and has its reason', () => {
      if (process.env.UPDATE_TRANSCRIPTS) writeFileSync(file, rewrite(text, scripts));
      for (const { name, why, steps } of scripts) {
        for (const step of steps) {
          const minimal = merge(expected(step, 'r'), expected(step, 'o'));
          assert.deepEqual(step.said, minimal, `${name}: not the least difference`);
        }
        const differs = steps.some(({ said }) => said.some(({ by }) => by !== ''));
        assert.equal(Boolean(why), differs, `${name}: a reason (why:) is needed where servers differ`);
      }
    });

    test('there are enough scripts with different names', () => {
      const names = new Set(scripts.map(({ name }) => name));
      assert.equal(names.size, scripts.length);
      assert.ok(names.size >= least, `${names.size}`);
    });
  });
}

test('docs/protocols.md has the differences', () => {
  const path = new URL('../../../docs/protocols.md', import.meta.url);
  const docs = readFileSync(path, 'utf8');
  const [begin, end] = ['<!-- differences -->', '<!-- /differences -->'];
  const [head, rest] = docs.split(begin);
  const tail = rest.split(end)[1];
  const current = `${head}${begin}\n\n${differences()}\n\n${end}${tail}`;
  if (process.env.UPDATE_DOCS) writeFileSync(path, current);
  else assert.equal(docs, current, 'run UPDATE_DOCS=1 node --test test/differential.test.js');
});

/** Each reason once, with what it is about. */
function differences() {
  const rows = ['| protocol | where Artesian differs | scripts |', '|---|---|---|'];
  for (const { protocol, scripts } of TABLES) {
    const reasons = new Map();
    for (const { why } of scripts) if (why) reasons.set(why, (reasons.get(why) ?? 0) + 1);
    for (const [why, count] of reasons) rows.push(`| \`${protocol}\` | ${why} | ${count} |`);
  }
  return rows.join('\n');
}
