// A Mercurius gateway as a program of its own: node service-gateway.js OPTIONS, with OPTIONS as JSON.
// It says what happens as lines of JSON: {"port"} once it listens, {"service": "ready" | "closed"} of
// its socket to the service.

import fastify from 'fastify';
import mercurius from 'mercurius';
import mercuriusGateway from '@mercuriusjs/gateway';

const { services, port, pollingInterval } = JSON.parse(process.argv[2]);
const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

const app = fastify({ logger: { level: 'warn', stream: process.stderr } });

app.register(mercuriusGateway, {
  gateway: {
    ...(pollingInterval && { pollingInterval }),
    services: services.map(({ init, protocol, keepAlive, ...service }) => ({
      mandatory: true,
      // The client's own credentials.
      rewriteHeaders: ({ authorization }) => (authorization ? { authorization } : {}),
      ...(keepAlive && { keepAlive }),
      wsConnectionParams: { connectionInitPayload: init, reconnect: true, protocols: [protocol] },
      ...service,
    })),
  },
  subscription: { fullWsTransport: true },
});

await app.listen({ port: port ?? 0, host: '127.0.0.1' });

for (const [name, { client }] of Object.entries(app.graphqlGateway.serviceMap)) {
  client.on('ready', () => say({ service: 'ready', name }));
  client.on('socketClose', () => say({ service: 'closed', name }));
  if (client._ready) say({ service: 'ready', name });
}
say({ port: app.server.address().port });
