// Verifies tokens with npm's `jose` and `jsonwebtoken`. Reads what to verify from standard input as
// JSON; prints the CPU time of this process for each token in µs: the median of some rounds and, in
// brackets, the least.
import { createPublicKey, createSecretKey } from 'node:crypto';
import { jwtVerify } from 'jose';
import jsonwebtoken from 'jsonwebtoken';

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { algorithm, key, tokens, issuer, audience, rounds } = JSON.parse(Buffer.concat(chunks));
const parsed = algorithm === 'HS256' ? createSecretKey(Buffer.from(key)) : createPublicKey(key);

async function measure(verify) {
  const found = [];
  for (let round = 0; round <= rounds; round++) {
    const before = process.cpuUsage();
    for (const token of tokens) await verify(token);
    const used = process.cpuUsage(before);
    // The first round warms up.
    if (round > 0) found.push((used.user + used.system) / tokens.length);
  }
  found.sort((a, b) => a - b);
  return `${found[Math.floor(found.length / 2)].toFixed(2)} (${found[0].toFixed(2)})`;
}

const algorithms = [algorithm];
const jose = await measure((token) => jwtVerify(token, parsed, { algorithms, issuer, audience }));
// It does not know EdDSA.
const other =
  algorithm === 'EdDSA'
    ? null
    : await measure((token) => jsonwebtoken.verify(token, parsed, { algorithms, issuer, audience }));
console.log(JSON.stringify({ jose, jsonwebtoken: other }));
