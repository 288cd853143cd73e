// The table of cases: settings, a request, and the identity or the refusal that it must meet with.
// README.md beside the files describes their form.

import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

import { pem, secret } from './keys.js';
import { CASE } from './services.js';
import { token } from './tokens.js';

const FOLDER = fileURLToPath(new URL('../../auth-cases/', import.meta.url));

/** All files: `{subject, groups: [{settings, cases, …}]}`. */
export const subjects = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.json'))
  .sort()
  .map((name) => ({ subject: basename(name, '.json'), ...JSON.parse(readFileSync(FOLDER + name, 'utf8')) }));

export const count = subjects.flatMap(({ groups }) => groups.flatMap(({ cases = [], refused = [] }) => [...cases, ...refused])).length;

function* leaves(value) {
  if (typeof value === 'string') yield value;
  else if (typeof value === 'number' || typeof value === 'boolean') yield String(value);
  else if (value !== null && typeof value === 'object') for (const inner of Object.values(value)) yield* leaves(inner);
}

/** Everything that the database must be able to show. */
export function visible() {
  const [roles, variables, values] = [new Set(['admin', 'nobody']), new Set(), new Set()];
  for (const { groups, tokens } of subjects) {
    for (const leaf of leaves([groups, tokens ?? {}])) if (leaf.length < 80) values.add(leaf);
    for (const { cases = [] } of groups) {
      for (const one of cases) {
        for (const { identity } of [one, one.http ?? {}, one.sockets ?? {}]) {
          if (!identity) continue;
          roles.add(identity.role);
          Object.keys(identity.session ?? {}).forEach((name) => variables.add(name));
        }
      }
    }
  }
  return { roles, variables, values };
}

/** A value in which `{…}` of texts stands for what is known only when the test runs. */
export function filled(value, known) {
  if (Array.isArray(value)) return value.map((one) => filled(one, known));
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, filled(one, known)]));
  }
  if (typeof value !== 'string') return value;
  return value.replaceAll(/\{(pem|secret|token|long|jwks|hook|base|port)(?::([^{}]*))?\}/g, (_, kind, name) => {
    switch (kind) {
      case 'pem':
        return pem(name);
      case 'secret':
        return secret(name);
      case 'long':
        return 'x'.repeat(Number(name));
      case 'token':
        return known.token(name);
      default:
        return known[kind];
    }
  });
}

/** Settings as environment variables. */
export const environment = (settings, known) =>
  Object.fromEntries(
    Object.entries(filled(settings, known)).map(([name, value]) => [
      /^[A-Z_]+$/.test(name) ? name : `ARTESIAN_${name.replaceAll('-', '_').toUpperCase()}`,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  );

/** The headers of a case, with its token in its place. */
export function headers(one, tokens, known, name) {
  const made = new Map();
  const mine = (which) => {
    const spec = which ? tokens[which] : one.token;
    if (!spec) throw new Error(`${one.name}: no token ${which ?? ''}`);
    const key = which ?? '';
    if (!made.has(key)) made.set(key, token(filled(spec, known), tokens));
    return made.get(key);
  };
  const all = { ...one.headers };
  const isPlaced = JSON.stringify([all, one.init ?? {}]).includes('{token}');
  if (one.token && !isPlaced) all.authorization = 'Bearer {token}';
  if (one.hook) all[CASE] = name;
  const fill = { ...known, token: mine };
  return { headers: filled(all, fill), init: one.init && filled(one.init, fill) };
}
