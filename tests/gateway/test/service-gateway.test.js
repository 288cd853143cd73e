// A real Mercurius gateway in front of Artesian, which is a service: what its clients see.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';

import { Gateway, PROTOCOLS, asAdmin, bearer, notes, seconds, service, until } from '../lib/service-stage.js';

// The gateway takes equal queries with equal variables of different clients for one operation, and
// gives all of them what the first may see. So no two tests, and no two clients, ask the same.
let asked = 0;
const LIVE = 'subscription ($above: Int!) { note(where: {id: {_gt: $above}}, order_by: {id: asc}) { id } }';
const distinct = () => ({ above: -(asked += 1) });
// It keeps the ids of all its clients' operations in one map, too.
const newId = () => `operation ${(asked += 1)}`;

for (const protocol of PROTOCOLS) {
  describe(`a Mercurius gateway in front, ${protocol}`, () => {
    let stage;
    let gateway;
    before(async () => {
      stage = await service();
      gateway = await Gateway.start(stage, protocol);
    });
    after(async () => {
      await gateway?.close();
      await stage?.server.alive();
      await stage?.close();
    });
    afterEach(() => gateway.unharmed());

    /** A client of the gateway, and an operation of it. */
    async function follow(user, variables = distinct(), spec = {}) {
      const socket = await gateway.client(protocol, bearer(user, spec));
      const id = newId();
      socket.start(id, LIVE, variables);
      return {
        socket,
        id,
        result: () => socket.result(id),
        /** Stops it, as a client does that is done. */
        stop: async () => {
          socket.stop(id);
          await socket.inbox.takeUntil('the end', ({ type }) => type === 'complete');
        },
      };
    }
    const rows = (...ids) => notes('id', ids);

    test('queries: the schema is what the role sees, the rows are those of each client', async () => {
      const query = '{ note(order_by: {id: asc}) { id title } note_by_pk(id: 11) { title } }';
      assert.deepEqual(await gateway.post(query, bearer('bea')), {
        data: { note: [{ id: 11, title: 'eleven' }], note_by_pk: { title: 'eleven' } },
      });
      const ada = await gateway.post(query, bearer('ada'));
      assert.deepEqual(ada.data, { note: [{ id: 1, title: 'one' }, { id: 2, title: 'two' }], note_by_pk: null });
      const unknown = await gateway.post('{ note { remark } }', bearer('ada'));
      assert.match(JSON.stringify(unknown), /Cannot query field .*remark/);
    });

    test('subscriptions: each client has its own rows, from the first to the last result', async () => {
      const ada = await follow('ada');
      assert.deepEqual(await ada.result(), rows(1, 2));
      const bea = await follow('bea');
      assert.deepEqual(await bea.result(), rows(11));
      await stage.write("insert into note values (12, 'bea', 'twelve', 'r')");
      assert.deepEqual(await bea.result(), rows(11, 12));
      await stage.write("insert into note values (3, 'ada', 'three', 'r')");
      assert.deepEqual(await ada.result(), rows(1, 2, 3));
      await stage.write('delete from note where id in (3, 12)');
      assert.deepEqual(await ada.result(), rows(1, 2));
      assert.deepEqual(await bea.result(), rows(11));
      await ada.stop();
      await bea.stop();
      await stage.server.subscribers(0);
    });

    test('who comes after the last has left with the same query is served', async () => {
      const variables = distinct();
      for (const user of ['ada', 'bea', 'ada']) {
        const client = await follow(user, variables);
        assert.deepEqual(await client.result(), user === 'ada' ? rows(1, 2) : rows(11));
        await client.stop();
        await stage.server.subscribers(0);
      }
    });

    test('a client that is refused is told so, and nobody else is', async () => {
      const ada = await follow('ada');
      assert.deepEqual(await ada.result(), rows(1, 2));
      const forged = await follow('bea', undefined, { tamper: 'signature changed' });
      // The gateway makes a plain end of every error of a service.
      assert.equal((await forged.socket.inbox.take('the end')).type, 'complete');
      // A client that says nothing of itself is the gateway, which sees nothing.
      const nobody = await gateway.client(protocol, undefined);
      nobody.start(newId(), LIVE, distinct());
      assert.equal((await nobody.inbox.take('the end')).type, 'complete');
      await stage.write("insert into note values (3, 'ada', 'three', 'r')");
      assert.deepEqual(await ada.result(), rows(1, 2, 3));
      await stage.write('delete from note where id = 3');
      assert.deepEqual(await ada.result(), rows(1, 2));
      await ada.stop();
      await stage.server.subscribers(0);
    });

    test('twenty clients at once have twenty identities', async () => {
      const users = Array.from({ length: 20 }, (_, n) => ({ user: `user ${n}`, row: 1000 + n }));
      for (const { user, row } of users) await stage.write(`insert into note values (${row}, '${user}', 't', 'r')`);
      const clients = await Promise.all(users.map(async (one) => ({ ...one, client: await follow(one.user) })));
      for (const { row, client } of clients) assert.deepEqual(await client.result(), rows(row));
      await stage.write('update note set id = id + 1000 where id >= 1000');
      for (const { row, client } of clients) assert.deepEqual(await client.result(), rows(row + 1000));
      await stage.write('delete from note where id >= 1000');
      for (const { client } of clients) {
        assert.deepEqual(await client.result(), rows());
        await client.stop();
        // Nothing of anybody else came in between.
        assert.equal(client.socket.inbox.history.length, 5);
      }
      await stage.server.subscribers(0);
    });

    test('a token that expires ends what was started with it', async () => {
      // Long enough for the first result, however busy the machine is.
      const exp = seconds(10);
      const ada = await follow('ada', undefined, { exp });
      const bea = await follow('bea');
      assert.deepEqual(await ada.result(), rows(1, 2));
      assert.deepEqual(await bea.result(), rows(11));
      assert.equal((await ada.socket.inbox.take('the end')).type, 'complete');
      assert.ok(Date.now() >= exp * 1000, 'it ended too early');
      await stage.server.subscribers(1);
      await stage.write("insert into note values (12, 'bea', 'twelve', 'r')");
      assert.deepEqual(await bea.result(), rows(11, 12));
      await stage.write('delete from note where id = 12');
      assert.deepEqual(await bea.result(), rows(11));
      await bea.stop();
    });

    test('the administrator sees whose operations run, and ends those of a user', async () => {
      const [ada, bea] = [await follow('ada'), await follow('bea')];
      assert.deepEqual(await ada.result(), rows(1, 2));
      assert.deepEqual(await bea.result(), rows(11));
      const sockets = async (method, query) => {
        const url = `${stage.server.base}/v1/sockets${query}`;
        return (await fetch(url, { method, headers: asAdmin() })).json();
      };
      const { sockets: all } = await sockets('GET', '');
      assert.deepEqual(
        all.map(({ kind, user, role }) => `${kind} ${user} ${role}`).sort(),
        ['operation ada user', 'operation bea user', 'socket gateway gateway'],
      );
      assert.deepEqual(await sockets('DELETE', '?user=ada'), { closed: 1 });
      assert.equal((await ada.socket.inbox.take('the end')).type, 'complete');
      await stage.server.subscribers(1);
      await bea.stop();
      await stage.server.subscribers(0);
    });

    test('after a restart of the service everything goes on, as who it was', async () => {
      const [ada, bea] = [await follow('ada'), await follow('bea')];
      assert.deepEqual(await ada.result(), rows(1, 2));
      assert.deepEqual(await bea.result(), rows(11));
      await stage.server.kill();
      await gateway.serviceIs('closed');
      await stage.server.restart();
      // It may have tried in vain meanwhile.
      await until('the gateway is back', async () => (await gateway.events.take()).service === 'ready');
      assert.deepEqual(await ada.result(), rows(1, 2));
      assert.deepEqual(await bea.result(), rows(11));
      await stage.write("insert into note values (3, 'ada', 'three', 'r')");
      assert.deepEqual(await ada.result(), rows(1, 2, 3));
      await stage.write('delete from note where id = 3');
      assert.deepEqual(await ada.result(), rows(1, 2));
      await ada.stop();
      await bea.stop();
      await stage.server.subscribers(0);
    });

    test('signs of life in both directions harm nobody', async () => {
      const lively = await Gateway.start(stage, protocol, { keepAlive: 20 });
      try {
        const socket = await lively.client(protocol, bearer('ada'));
        const id = newId();
        socket.start(id, LIVE, distinct());
        assert.deepEqual(await socket.result(id), rows(1, 2));
        // Each change takes longer than the gateway is silent.
        for (let n = 100; n < 115; n += 1) {
          await stage.write(`insert into note values (${n}, 'ada', 'a', 'r')`);
          assert.equal((await socket.result(id)).data.note.at(-1).id, n);
        }
        await stage.write('delete from note where id >= 100');
        assert.deepEqual(await socket.result(id), rows(1, 2));
        lively.unharmed();
      } finally {
        await lively.close();
      }
      await stage.server.subscribers(0);
    });
  });
}
