// Stands in for Artesian while the console is worked on: serves console/dist under a strict policy, and a small
// schema of orders that keep changing, over HTTP and both WebSocket subprotocols, at / and under any path prefix.
//
//   node fake-server.mjs [port]
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildSchema, execute, GraphQLError, graphql, parse, subscribe, validate } from 'graphql';
import { handleProtocols } from 'graphql-ws';
import { useServer } from 'graphql-ws/use/ws';
import legacy from 'subscriptions-transport-ws';
import { WebSocketServer } from 'ws';

export const CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const DIST = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../console/dist');
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.txt': 'text/plain; charset=utf-8' };
const TICK_MS = 300;

const rootFields = `
    "Orders, as they are now."
    orders(where: OrderFilter, order_by: [OrderSort!], limit: Int): [Order!]!
    "What the server knows of the request: the headers of HTTP, or those in connection_init."
    headers(name: String!): [Header!]!
`;

const schema = buildSchema(`
  "The operation answers again whenever its result changes."
  directive @live on QUERY
  type Query { ${rootFields} }
  type Subscription {
    ${rootFields}
    "Ends in an error that the socket survives."
    broken: String
  }
  type Mutation { place_order(total: Float!): Order! }
  "Something that somebody is waiting for."
  type Order { id: Int! status: String! total: Float! placed_at: String! courier: Courier }
  "Who brings it."
  type Courier { id: Int! name: String! }
  type Header { name: String! value: String }
  input StringFilter { _eq: String _neq: String }
  input OrderFilter { status: StringFilter }
  enum Direction { asc desc }
  input OrderSort { id: Direction placed_at: Direction }
`);

class Orders {
  couriers = ['Ines', 'Tomas', 'Aiko', 'Maren', 'Joao'].map((name, index) => ({ id: index + 1, name }));
  all = [];
  #watchers = new Set();
  #clock = Date.UTC(2026, 10, 21, 9);
  #turn = 0;

  constructor() {
    for (let i = 0; i < 12; i++) this.place(12.5 + ((i * 37) % 60));
  }

  place(total) {
    this.#clock += 61_000;
    const order = {
      id: this.all.length + 1, status: 'open', total, placed_at: new Date(this.#clock).toISOString(), courier: null,
    };
    this.all.push(order);
    return order;
  }

  /** One small change, in turn: somebody picks an order up, delivers one, orders something. */
  tick() {
    const open = this.all.filter((order) => order.status === 'open');
    const turn = this.#turn++;
    if (turn % 4 === 3 || open.length < 8) this.place(10 + ((turn * 7.5) % 50));
    else if (turn % 4 === 2) open[0].status = 'delivered';
    else open.at(-1 - (turn % 5)).courier = this.couriers[turn % this.couriers.length];
    for (const wake of this.#watchers) wake();
  }

  select({ where, order_by, limit }) {
    const { _eq, _neq } = where?.status ?? {};
    const sorts = (order_by ?? []).flatMap((each) => Object.entries(each));
    return this.all
      .filter(({ status }) => (_eq == null || status === _eq) && (_neq == null || status !== _neq))
      .sort((a, b) => {
        for (const [field, direction] of sorts) {
          if (a[field] !== b[field]) return (a[field] < b[field] ? -1 : 1) * (direction === 'desc' ? -1 : 1);
        }
        return 0;
      })
      .slice(0, limit ?? undefined)
      .map((order) => ({ ...order }));
  }

  /** `produce()` now and after each change. */
  async *watch(produce) {
    let wake = () => {};
    const watcher = () => wake();
    this.#watchers.add(watcher);
    try {
      for (;;) {
        const changed = new Promise((resolve) => (wake = resolve));
        yield await produce();
        await changed;
      }
    } finally {
      this.#watchers.delete(watcher);
    }
  }
}

function rootOf(orders) {
  const headers = ({ name }, { headers }) => [{ name, value: headers[name] ?? headers[name.toLowerCase()] ?? null }];
  return {
    query: {
      orders: (args) => orders.select(args),
      headers,
      place_order: ({ total }) => orders.place(total),
    },
    subscription: {
      orders: (args) => orders.watch(() => ({ orders: orders.select(args) })),
      headers: (args, context) => orders.watch(() => ({ headers: headers(args, context) })),
      broken: async function* () {
        throw new GraphQLError('The well is dry', { extensions: { code: 'dry-well' } });
      },
    },
  };
}

export async function startFakeServer(port = 0) {
  const orders = new Orders();
  const root = rootOf(orders);
  const timer = setInterval(() => orders.tick(), TICK_MS);

  const http = createServer((request, response) => {
    handle(request, response).catch((error) => response.writeHead(500).end(String(error)));
  });

  async function handle(request, response) {
    const { pathname } = new URL(request.url, 'http://localhost');
    if (pathname.endsWith('/graphql')) return answer(request, response);
    const file = pathname.match(/\/(assets\/[\w.-]+|licenses\.txt|)$/)?.[1];
    if (file === undefined) return response.writeHead(404).end();
    const name = file || 'index.html';
    const body = await readFile(path.join(DIST, name)).catch(() => undefined);
    if (!body) return response.writeHead(404).end('Build the console first: cd console && npm ci && npm run build');
    response
      .writeHead(200, {
        'content-type': TYPES[path.extname(name)],
        'content-security-policy': CSP,
        'x-content-type-options': 'nosniff',
      })
      .end(body);
  }

  async function answer(request, response) {
    let text = '';
    for await (const chunk of request) text += chunk;
    const { query, variables, operationName } = JSON.parse(text);
    const result = await graphql({
      schema, source: query, rootValue: root.query, contextValue: { headers: request.headers }, variableValues: variables, operationName,
    });
    response.writeHead(200, { 'content-type': 'application/graphql-response+json' }).end(JSON.stringify(result));
  }

  /** `query @live` streams, other queries answer once. */
  const executeOrWatch = (args) => {
    const operation = args.document.definitions.find(
      (d) => d.kind === 'OperationDefinition' && (!args.operationName || d.name?.value === args.operationName),
    );
    const once = () => execute({ ...args, rootValue: root.query });
    return operation.directives.some((d) => d.name.value === 'live') ? orders.watch(once) : once();
  };

  const refuse = (headers) => headers?.['x-role'] === 'banned';

  const modern = new WebSocketServer({ noServer: true, handleProtocols });
  useServer(
    {
      onConnect: ({ connectionParams }) => !refuse(connectionParams?.headers),
      onSubscribe: ({ connectionParams }, _id, payload) => {
        const document = parse(payload.query);
        const errors = validate(schema, document);
        if (errors.length > 0) return errors;
        return {
          schema,
          document,
          operationName: payload.operationName,
          variableValues: payload.variables,
          rootValue: root.subscription,
          contextValue: { headers: connectionParams?.headers ?? {} },
        };
      },
      execute: executeOrWatch,
      subscribe,
    },
    modern,
  );

  const old = new WebSocketServer({ noServer: true, handleProtocols: () => 'graphql-ws' });
  legacy.SubscriptionServer.create(
    {
      schema,
      rootValue: root.subscription,
      execute: executeOrWatch,
      subscribe,
      onConnect: ({ headers }) => {
        if (refuse(headers)) throw new Error('Forbidden');
        return { headers: headers ?? {} };
      },
      keepAlive: 10_000,
    },
    old,
  );

  /** The subprotocol of each socket opened, for tests to ask about. */
  const sockets = [];
  http.on('upgrade', (request, socket, head) => {
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((each) => each.trim());
    const server = offered.includes('graphql-transport-ws') ? modern : old;
    server.handleUpgrade(request, socket, head, (websocket) => {
      sockets.push({ protocol: websocket.protocol, close: (code, reason) => websocket.close(code, reason) });
      server.emit('connection', websocket, request);
    });
  });

  await new Promise((resolve) => http.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${http.address().port}/`,
    sockets,
    async stop() {
      clearInterval(timer);
      for (const server of [modern, old]) for (const client of server.clients) client.terminate();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { url } = await startFakeServer(Number(process.argv[2] ?? 8099));
  console.log(`The console is at ${url}`);
}
