// @mercuriusjs/gateway over one service. Arguments: URL for requests, URL for sockets. Prints its
// address.
import mercuriusGateway from '@mercuriusjs/gateway';
import Fastify from 'fastify';

const [url, wsUrl] = process.argv.slice(2);
const app = Fastify();
app.register(mercuriusGateway, {
  gateway: { services: [{ name: 'ticks', url, wsUrl, mandatory: true }] },
  subscription: true,
  // As its documentation recommends; it is for queries only.
  jit: 1,
});
await app.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
console.log(`127.0.0.1:${app.server.address().port}`);
