// What a service hears of those who ask, and what it must not hear.

import assert from 'node:assert/strict';

/** The values of a header that the service saw, all of them. */
export const valuesOf = (whoami, name) => whoami.headers.filter(([other]) => other === name).map(([, value]) => value);

/** Headers of the rules below, as the service saw them. */
const NAMES = ['authorization', 'x-renamed', 'x-token', 'x-other', 'x-gateway', 'x-user', 'cookie'];
export const marksOf = (whoami) => Object.fromEntries(NAMES.map((name) => [name, valuesOf(whoami, name)]));

/** The rules that most cases have. */
export const HEADERS = {
  forward: ['authorization', { from: 'x-token', to: 'x-renamed' }],
  set: { 'x-gateway': 'artesian', 'x-user': '{{session.x-hasura-user-id}}' },
  cookies: ['session'],
};

/** A caller of this name, and what a service with these rules is to hear of it. */
export function caller(name) {
  return {
    headers: {
      authorization: `Bearer ${name}`,
      'x-token': `token of ${name}`,
      'x-other': `other of ${name}`,
      'x-hasura-user-id': name,
      cookie: `theme=dark; session=${name}; other=1`,
    },
    init: { token: name, nested: { list: [1, name] } },
    marks: {
      authorization: [`Bearer ${name}`],
      'x-renamed': [`token of ${name}`],
      'x-token': [],
      'x-other': [],
      'x-gateway': ['artesian'],
      'x-user': [name],
      cookie: [`session=${name}`],
    },
  };
}

export const ANONYMOUS = {
  headers: {},
  init: undefined,
  marks: { ...Object.fromEntries(NAMES.map((name) => [name, []])), 'x-gateway': ['artesian'] },
};

/**
 * Fails unless a service heard exactly what it is to hear of this caller. Who has no payload says with
 * the headers that are passed on what a service may want to know from a payload.
 */
export function assertHeard(whoami, { marks, init, headers }, { payload }) {
  assert.deepEqual(marksOf(whoami), marks);
  const { authorization } = headers;
  const instead = authorization ? { authorization, 'x-renamed': headers['x-token'] } : null;
  // Libraries tell in two ways that there was none.
  const heard = whoami.init && Object.keys(whoami.init).length === 0 ? null : whoami.init;
  assert.deepEqual(heard, payload ? (init ?? instead) : null);
}
