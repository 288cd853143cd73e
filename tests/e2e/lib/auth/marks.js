// Secrets that can be found again: whatever a program writes, in whatever form, none of them may be in it.

import { randomBytes } from 'node:crypto';

/** A prefix of this many characters tells enough of a secret to count. */
const PREFIX = 12;

/** The base64 of a text that may stand anywhere within another: what is the same wherever it begins. */
const within64 = (bytes, encoding) =>
  [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString(encoding);
    // The characters at both ends depend on what is before and behind.
    return text.slice(shift === 0 ? 0 : shift + 1, Math.floor((bytes.length + shift) / 3) * 4);
  });

/** Everything that a secret looks like. */
function looks(secret) {
  const bytes = Buffer.from(secret);
  const start = secret.slice(0, PREFIX);
  return [
    start,
    secret.slice(-PREFIX),
    start.toLowerCase(),
    start.toUpperCase(),
    encodeURIComponent(secret).slice(0, PREFIX + 6),
    JSON.stringify(start).slice(1, -1),
    bytes.subarray(0, PREFIX).toString('hex'),
    [...bytes.subarray(0, PREFIX)].join(', '),
    ...within64(bytes.subarray(0, PREFIX + 3), 'base64'),
    ...within64(bytes.subarray(0, PREFIX + 3), 'base64url'),
  ];
}

/** Secrets by what they are. */
export class Marks {
  #known = [];

  /** Takes note of a secret; gives it. */
  note(what, secret) {
    if (secret.length < PREFIX) throw new Error(`too short to be found: ${what}`);
    this.#known.push({ what, looks: [...new Set(looks(secret))] });
    return secret;
  }

  /** A new secret with letters that are written differently in URLs, in base64 and in JSON. */
  make(what, length = 40) {
    return this.note(what, `${randomBytes(9).toString('base64url')}/+${randomBytes(length).toString('base64')}`.slice(0, length));
  }

  /** A token: its claims and its signature, each by itself. */
  token(what, text) {
    for (const part of text.split('.').slice(1)) if (part.length >= PREFIX) this.note(what, part);
    return text;
  }

  /** What of them is in a text: `what (look)`, with the place. */
  foundIn(text) {
    return this.#known.flatMap(({ what, looks: all }) =>
      all
        .filter((look) => text.includes(look))
        .map((look) => {
          const at = text.indexOf(look);
          return `${what} as ${look}: …${text.slice(Math.max(0, at - 160), at + 60)}…`;
        }),
    );
  }
}
