// What the JavaScript services have in common: a port, /control/*, and what came in is remembered.

import { createServer } from 'node:http';

import { State } from './state.js';

/** Headers as they came: pairs of name, in small letters, and value. */
export const pairs = ({ rawHeaders }) => {
  const all = [];
  for (let at = 0; at < rawHeaders.length; at += 2) all.push([rawHeaders[at].toLowerCase(), rawHeaders[at + 1]]);
  return all;
};

export const json = async (request) => {
  let text = '';
  for await (const piece of request.setEncoding('utf8')) text += piece;
  return text ? JSON.parse(text) : {};
};

/** How long connections are kept for further requests, in ms. */
const KEPT = 600_000;

const CONTROLS = {
  state: (state) => state.report(),
  publish: (state, { topic, value }) => ({ listeners: state.publish(topic, value) }),
  close: (state, how) => state.close(how),
  reset: (state) => state.reset(),
  schema: (state, { extended }, changed) => {
    state.extended = extended;
    changed?.();
  },
  set: (state, { nothing }) => {
    state.nothing = nothing;
  },
};

/**
 * An HTTP server that counts what comes, answers /control/*, and leaves the rest to `handle`. `changed`
 * is called when another schema is to be served. Without `sockets` an upgrade is a request like others.
 */
export function createService({ state = new State(), handle, changed, sockets = true }) {
  const server = createServer(async (request, response) => {
    const [, control] = /^\/control\/(\w+)/.exec(request.url) ?? [];
    if (control) {
      const answer = CONTROLS[control](state, await json(request), changed);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(answer ?? {}));
      return;
    }
    state.requests.push({ method: request.method, accept: request.headers.accept ?? null, headers: pairs(request) });
    state.responses.add(response);
    response.on('close', () => state.responses.delete(response));
    handle(request, response);
  });
  // Longer than anybody keeps one: a connection that is closed just when a request is on its way is not
  // what the tests are about, and a mutation may not be sent again.
  server.keepAliveTimeout = KEPT;
  if (!sockets) return { state, server };
  server.on('upgrade', (request, socket) => {
    state.upgrades.push({ protocols: request.headers['sec-websocket-protocol'] ?? null, headers: pairs(request) });
    state.sockets.add(socket);
    socket.on('close', () => state.sockets.delete(socket));
  });
  return { state, server };
}

/** Listens and says where, as one line; ends with standard input, so that nobody outlives the tests. */
export function announce(server) {
  const port = Number(process.argv[2] ?? 0);
  server.listen(port, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
  process.stdin.on('end', () => process.exit(0)).resume();
}
