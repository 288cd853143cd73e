// Tokens from descriptions: claims, a key, an algorithm, and what somebody did to them on the way.

import { constants, createHmac, sign as signWith } from 'node:crypto';

import { pair, pem, secret } from './keys.js';

const part = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** The signature of a text by an algorithm of RFC 7518 or RFC 8037. */
function signature(algorithm, key, text) {
  const hash = `sha${algorithm.slice(2)}`;
  switch (algorithm.slice(0, 2)) {
    case 'HS': {
      // The classical forgery: the public key, which everybody has, as the secret.
      const value = key.startsWith('pem:') ? pem(key.slice(4)) : secret(key);
      return createHmac(hash, value).update(text).digest('base64url');
    }
    case 'RS':
      return signWith(hash, text, pair(key).privateKey).toString('base64url');
    case 'PS': {
      const options = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
      return signWith(hash, text, { key: pair(key).privateKey, ...options }).toString('base64url');
    }
    case 'ES':
      return signWith(hash, text, { key: pair(key).privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url');
    case 'Ed':
      return signWith(null, text, pair(key).privateKey).toString('base64url');
    default:
      throw new Error(`no signatures by ${algorithm}`);
  }
}

/** The first character that is not `text[at]`, so that a change is always one. */
const changed = (text, at) => `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`;

const TAMPER = {
  'signature changed': ([head, body, mark]) => [head, body, changed(mark, 4)],
  'signature empty': ([head, body]) => [head, body, ''],
  'signature missing': ([head, body]) => [head, body],
  'signature cut short': ([head, body, mark]) => [head, body, mark.slice(0, -8)],
  'signature of zeros': ([head, body, mark]) => [head, body, 'A'.repeat(mark.length)],
  'signature padded': ([head, body, mark]) => [head, body, `${mark}==`],
  'signature no base64': ([head, body, mark]) => [head, body, `${mark.slice(0, -2)}?!`],
  'claims changed': ([head, body, mark]) => {
    const claims = JSON.parse(Buffer.from(body, 'base64url'));
    return [head, part({ ...claims, sub: 'somebody else' }), mark];
  },
  'claims replaced by text': ([head, , mark]) => [head, part('hello'), mark],
  'head no json': ([, body, mark]) => [part('hello'), body, mark],
  'head empty': ([, body, mark]) => ['', body, mark],
  'one part more': (parts) => [...parts, 'x'],
  'one part only': ([head]) => [head],
  'a space inside': ([head, body, mark]) => [head, `${body.slice(0, 5)} ${body.slice(5)}`, mark],
  'in standard base64': (parts) => parts.map((one) => Buffer.from(one, 'base64url').toString('base64')),
};

/** Seconds since 1970 from `now`, `now+60`, `now-60`; anything else as it is. */
function time(value) {
  const found = /^now(?:([+-])(\d+(?:\.\d+)?))?$/.exec(value);
  if (!found) return value;
  const by = Number(found[2] ?? 0);
  const seconds = Math.floor(Date.now() / 1000) + (found[1] === '-' ? -by : by);
  return seconds;
}

/** An object with another over it; null takes a member away, `{"exactly": …}` is taken as it is. */
export function over(base, changes) {
  const all = { ...base };
  for (const [name, value] of Object.entries(changes ?? {})) {
    const isObject = value !== null && typeof value === 'object' && !Array.isArray(value);
    if (value === null) delete all[name];
    else if (isObject && 'exactly' in value) all[name] = value.exactly;
    else if (isObject && all[name] !== null && typeof all[name] === 'object') all[name] = over(all[name], value);
    else all[name] = value;
  }
  return all;
}

/** A description without `like`: what it is like, and over it what it says itself. */
export function described(spec, named) {
  if (typeof spec === 'string') {
    if (!named[spec]) throw new Error(`no token is called ${spec}`);
    return described(named[spec], named);
  }
  if (spec.like === undefined) return spec;
  const base = described(spec.like, named);
  const { like, claims, header, ...rest } = spec;
  return { ...base, ...rest, claims: over(base.claims, claims), header: { ...base.header, ...header } };
}

/**
 * The token of a description: `text` as it is, or `claims` signed by `key` with `alg`. `header` changes
 * the head after that, `signed` names another algorithm for the signature than the head does, `stringify` names
 * a claim that becomes JSON in a string, `pad` is how many bytes of claims come on top, `tamper` what
 * was done to it.
 */
export function token(spec, named = {}) {
  const { text, alg, key, kid, header, claims, signed, stringify, pad, tamper } = described(spec, named);
  if (text !== undefined) return text;
  const head = over({ alg, typ: 'JWT', ...(kid && { kid }) }, header);
  const body = { ...claims };
  for (const name of ['exp', 'nbf', 'iat']) {
    if (name in body) body[name] = time(body[name]);
  }
  if (stringify) body[stringify] = JSON.stringify(body[stringify]);
  if (pad) body.pad = 'x'.repeat(pad);
  const message = `${part(head)}.${part(body)}`;
  const by = signed ?? alg;
  const parts = [...message.split('.'), by === 'none' ? '' : signature(by, key, message)];
  if (tamper && !TAMPER[tamper]) throw new Error(`nobody can tamper so: ${tamper}`);
  return (tamper ? TAMPER[tamper](parts) : parts).join('.');
}
