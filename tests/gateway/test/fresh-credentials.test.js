// Fresh credentials on an open socket: what runs goes on at the service under the new ones, and the
// old ones are of no use any more. See "Fresh credentials" in docs/protocols.md.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { LEGACY, MODERN, Socket } from '../../e2e/lib/sockets.js';
import { Gateway, endOf, sourceOf } from '../lib/gateway.js';
import { marksOf } from '../lib/identity.js';
import { Service } from '../lib/services.js';
import { UPSTREAMS } from '../lib/upstreams.js';

const payload = (name) => ({ headers: { authorization: `Bearer ${name}` } });

/** How a socket is given fresh credentials, by its protocol. */
const REFRESH = {
  [MODERN]: (socket, name) => socket.send({ type: 'ping', payload: payload(name) }),
  [LEGACY]: (socket, name) => socket.init(payload(name)),
};

for (const upstream of UPSTREAMS) {
  describe(upstream.title, () => {
    const world = {};
    before(async () => {
      world.service = await Service.start(upstream.name);
      const source = sourceOf(world.service, { protocol: upstream.protocol, headers: { forward: ['authorization'] } });
      world.server = await Gateway.start([source]);
    });
    after(async () => {
      await endOf(world.server);
      await world.service?.kill();
    });

    const isAuto = upstream.protocol === 'auto';
    for (const [protocol, refresh] of Object.entries(REFRESH)) {
      test(`${protocol}: subscriptions are those of the new identity, queries too`, async (t) => {
        const socket = await Socket.open(world.server, protocol, { init: payload('old') });
        t.after(() => socket.close());
        // What came in a payload goes on in a payload; in a header only where there is no payload, or where
        // it is not known whether there is one.
        const assertHeard = ({ data }, name, inPayload) => {
          assert.deepEqual(marksOf(data.whoami).authorization, inPayload && !isAuto ? [] : [`Bearer ${name}`]);
          assert.deepEqual(data.whoami.init ?? null, inPayload ? payload(name) : null);
        };
        socket.start('1', 'subscription { whoami }');
        assertHeard(await socket.result('1'), 'old', upstream.socket);
        for (const name of ['new', 'newer']) {
          refresh(socket, name);
          // Beside the answer to the credentials.
          const { payload: result } = await socket.inbox.takeUntil(`whoami of ${name}`, ({ id }) => id === '1');
          assertHeard(result, name, upstream.socket);
          await world.service.live(1);
          socket.start('2', '{ whoami }');
          const { payload: query } = await socket.inbox.takeUntil('the query', ({ id }) => id === '2');
          assertHeard(query, name, false);
          await socket.inbox.takeUntil('its end', ({ id, type }) => id === '2' && type === 'complete');
        }
        socket.stop('1');
        await world.service.live(0);
      });
    }
  });
}
