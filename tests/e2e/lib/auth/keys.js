// Keys of issuers, made anew in every run: none is ever in the repository.

import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';

const rsa = (modulusLength = 2048) => generateKeyPairSync('rsa', { modulusLength });
const ec = (namedCurve) => generateKeyPairSync('ec', { namedCurve });

const MAKERS = {
  rsa,
  'rsa-next': rsa,
  'rsa-stranger': rsa,
  'rsa-3072': () => rsa(3072),
  // Too short for any signature that is to be trusted.
  'rsa-1024': () => rsa(1024),
  'ec-256': () => ec('P-256'),
  'ec-256-stranger': () => ec('P-256'),
  'ec-384': () => ec('P-384'),
  'ec-521': () => ec('P-521'),
  'ec-koblitz': () => ec('secp256k1'),
  ed: () => generateKeyPairSync('ed25519'),
  'ed-stranger': () => generateKeyPairSync('ed25519'),
};

const made = new Map();

function once(kind, name, make) {
  const key = `${kind} ${name}`;
  if (!made.has(key)) made.set(key, make());
  return made.get(key);
}

/** A pair of keys by name. */
export const pair = (name) =>
  once('pair', name, () => {
    if (!MAKERS[name]) throw new Error(`no key is called ${name}`);
    return MAKERS[name]();
  });

/** Makes all of them. Whoever serves meanwhile waits for that: it may take seconds. */
export const makeKeys = () => Object.keys(MAKERS).forEach(pair);

/** The public key as PEM, as it stands in settings. */
export const pem = (name) => pair(name).publicKey.export({ type: 'spki', format: 'pem' });

/** A secret of 64 printable bytes, enough for each HMAC. */
export const secret = (name) => once('secret', name, () => randomBytes(48).toString('base64'));

/** The public key as a member of a key set; `more` adds or replaces members, null takes them away. */
export function jwk(name, more = {}) {
  const all = { ...createPublicKey(pem(name)).export({ format: 'jwk' }), kid: name, use: 'sig', ...more };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null));
}
