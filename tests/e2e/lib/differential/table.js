// The tables of scripts (`fixtures/differential/*.txt`): how they are read and written.
//
//   # NAME               a script begins
//   why: TEXT            why the servers differ in it
//   server KIND          open (the default), guarded or hasty: see servers.js
//   offer A, B           the subprotocols that the client offers; "none" for none
//
// and its steps, each with what all servers say then:
//
//   > TEXT               the client sends a text message
//   >> TEXT              the same, and goes on without looking for answers
//   b> TEXT              a binary message
//   init                 > {"type":"connection_init"}
//   release KEY          whoever waits for the key goes on
//   closed               waits for the end of the connection
//   reconnect            closes the connection and opens another
//   < LINE               what follows; "r<": only the reference says so; "o<": only ours
//
// In texts `<a>` is a key of this script's own and `<x300>` stands for 300 times the letter x.

const STEP = /^(>>?|b>|init|release|closed|reconnect)(?: (.*))?$/;
const SAID = /^([ro]?)< (.*)$/;

export function parse(text) {
  const scripts = [];
  let script;
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    const fail = () => new Error(`line ${index + 1}: ${line}`);
    const [, directive, value] = /^(#|why:|server|offer) (.*)$/.exec(line) ?? [];
    if (directive === '#') {
      // The handshake is a step too, as far as something is said of it.
      script = { name: value, server: 'open', steps: [{ verb: 'open', said: [] }] };
      scripts.push(script);
      continue;
    }
    if (line === '' || line.startsWith('//')) continue;
    if (!script) throw fail();
    const said = SAID.exec(line);
    const step = STEP.exec(line);
    if (directive === 'why:') script.why = value;
    else if (directive === 'server') script.server = value;
    else if (directive === 'offer') script.offer = value === 'none' ? [] : value.split(', ');
    else if (said) script.steps.at(-1).said.push({ by: said[1], line: said[2] });
    else if (step) script.steps.push({ verb: step[1], text: step[2] ?? '', said: [] });
    else throw fail();
  }
  return scripts;
}

/** What a step makes the reference ('r') or our server ('o') say. */
export const expected = (step, who) =>
  step.said.filter(({ by }) => by === '' || by === who).map(({ line }) => line);

/** What is said, from what the two said: their common beginning, then the rest of each. */
export function merge(reference, ours) {
  let same = 0;
  while (same < reference.length && reference[same] === ours[same]) same += 1;
  return [
    ...reference.slice(0, same).map((line) => ({ by: '', line })),
    ...reference.slice(same).map((line) => ({ by: 'r', line })),
    ...ours.slice(same).map((line) => ({ by: 'o', line })),
  ];
}

/** The text with other things said; everything else stays as it is. */
export function rewrite(text, scripts) {
  const out = [];
  const all = scripts.flatMap((script) => script.steps);
  let next = 0;
  const flush = () => {
    for (const { by, line } of all[next - 1]?.said ?? []) out.push(`${by}< ${line}`);
  };
  let pending = false;
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (SAID.test(line)) continue;
    const begins = line.startsWith('# ');
    const blank = line === '' || line.startsWith('//');
    if (pending && (begins || blank || STEP.test(line))) {
      flush();
      pending = false;
    }
    if (begins || STEP.test(line)) {
      next += 1;
      pending = true;
    }
    out.push(raw);
  }
  if (pending) flush();
  return out.join('\n');
}
