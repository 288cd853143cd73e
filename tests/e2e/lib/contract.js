// What every client library must be able to do, whatever its transport.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { MODERN, Socket } from './sockets.js';
import { overDatabases } from './suite.js';
import { Inbox, until } from './wait.js';

const BY_CITY = `query ($city: String!) {
  customer(where: {city: {_eq: $city}}, order_by: {id: asc}) {
    id name purchases(order_by: {id: asc}) { item amount paid }
  }
}`;
const OPEN = `subscription ($most: Int!) {
  purchase(where: {paid: {_eq: false}, amount: {_lte: $most}}, order_by: {id: asc}) {
    id item customer { name }
  }
}`;
const OPEN_ONCE = OPEN.replace('subscription', 'query');
const CUSTOMERS = 'subscription { customer(order_by: {id: asc}) { id name } }';
// The same under another name: some libraries make one operation of two that are equal.
const CUSTOMERS_AGAIN = CUSTOMERS.replace('subscription', 'subscription Again');

/**
 * Tests a client library over every database.
 *
 * `connect(server)` gives `{query, subscribe, close}`: `query(document, variables)` resolves to
 * `{data, errors}`, `subscribe(document, variables, observer)` calls `observer.next({data, errors})`
 * and returns a function that unsubscribes. `resumes` tells whether the library subscribes again by
 * itself after it lost its connection; otherwise `observer.error` or `observer.complete` must be
 * called and a new subscription of the same client must work. `signal` is how the server dies.
 */
export function clientContract(name, connect, { resumes, signal = 'kill' }) {
  overDatabases(name, (world) => {
    let client;
    before(() => {
      client = connect(world.server);
    });
    after(() => client?.close());
    const open = new Set();
    afterEach(() => open.forEach((stop) => stop()));

    /** A subscription whose results go to an inbox. */
    const follow = (document, variables) => {
      const results = new Inbox();
      const ends = new Inbox();
      const unsubscribe = client.subscribe(document, variables, {
        next: (result) => results.put(result),
        error: (error) => ends.put({ error }),
        complete: () => ends.put({ complete: true }),
      });
      const stop = () => open.delete(stop) && unsubscribe();
      open.add(stop);
      return { results, ends, stop };
    };
    const fresh = (variables) => world.server.data(OPEN_ONCE, variables);

    test('query', async () => {
      const result = await client.query(BY_CITY, { city: 'Delft' });
      assert.equal(result.errors, undefined);
      assert.deepEqual(plain(result.data), {
        customer: [
          {
            id: 1,
            name: 'Ada',
            purchases: [
              { item: 'lamp', amount: 40, paid: true },
              { item: 'chair', amount: 95, paid: false },
            ],
          },
        ],
      });
    });

    test('an invalid query gives an error in the shape of the dialect', async () => {
      const { errors } = await client.query('{ customer { id nope } }');
      assert.equal(errors?.length, 1);
      const [{ message, extensions }] = errors;
      assert.match(message, /nope/);
      assert.equal(extensions.code, 'validation-failed');
      assert.equal(extensions.path, '$.selectionSet.customer.selectionSet.nope');
    });

    test('subscription: the first result, then a push after a write', async () => {
      const variables = { most: 100 };
      const { results, stop } = follow(OPEN, variables);
      const first = await results.take('the first result');
      assert.equal(first.errors, undefined);
      assert.deepEqual(plain(first.data), { purchase: [{ id: 2, item: 'chair', customer: { name: 'Ada' } }] });
      await world.database.write("insert into purchase values (20, 3, 'rug', 60, false)");
      const pushed = await results.take('a push after the write');
      assert.deepEqual(plain(pushed.data), {
        purchase: [
          { id: 2, item: 'chair', customer: { name: 'Ada' } },
          { id: 20, item: 'rug', customer: { name: 'Çelik "the" O\'Neill' } },
        ],
      });
      assert.deepEqual(plain(pushed.data), await fresh(variables));
      stop();
      await world.database.write('delete from purchase where id = 20');
      await world.server.subscribers(0);
    });

    test('unsubscribe: nothing comes any more, the others go on', async () => {
      const control = await Socket.open(world.server, MODERN);
      control.start('c', CUSTOMERS);
      await control.result('c');
      const one = follow(CUSTOMERS);
      const other = follow(CUSTOMERS_AGAIN);
      await Promise.all([one.results.take(), other.results.take()]);
      await world.server.subscribers(3);
      one.stop();
      await world.server.subscribers(2);
      await world.database.write("update customer set name = 'Ada L.' where id = 1");
      // Both of these come after whatever the server would have sent to the first.
      const name = (result) => result.data.customer[0].name;
      assert.equal(name(await control.result('c')), 'Ada L.');
      assert.equal(name(await other.results.take('the other subscriber hears of it')), 'Ada L.');
      assert.equal(one.results.size, 0);
      other.stop();
      await world.server.subscribers(1);
      await control.close();
      await world.database.write("update customer set name = 'Ada' where id = 1");
      await world.server.subscribers(0);
    });

    test('an invalid subscription gives an error and does no harm to others', async () => {
      const good = follow(CUSTOMERS);
      await good.results.take();
      const bad = follow('subscription { customer { id } purchase { id } }');
      const told = await until('the error is told', () => bad.ends.last?.error ?? bad.results.last?.errors);
      assert.match(JSON.stringify(plain(told)) + String(told), /one top level field/);
      bad.stop();
      await world.database.write("insert into customer values (30, 'Dot', null)");
      const pushed = await good.results.take('a push to the other subscription');
      assert.equal(pushed.data.customer.length, 4);
      good.stop();
      await world.database.write('delete from customer where id = 30');
      await world.server.subscribers(0);
    });

    test('reconnect after the server was restarted', async () => {
      const before = follow(CUSTOMERS);
      await before.results.take();
      if (signal === 'kill') {
        await world.server.kill();
      } else {
        assert.deepEqual(await world.server.stop(), { code: 0, signal: null });
      }
      await world.database.write("insert into customer values (40, 'Eve', 'Lund')");
      await world.server.restart();
      let now = before;
      if (!resumes) {
        await until('the client is told of the loss', () => before.ends.last);
        now = follow(CUSTOMERS_AGAIN);
      }
      const names = (result) => result.data?.customer.map((c) => c.name);
      await now.results.takeUntil('the state after the restart', (result) => names(result)?.includes('Eve'));
      await world.database.write('delete from customer where id = 40');
      await now.results.takeUntil('a push after the restart', (result) => !names(result)?.includes('Eve'));
      now.stop();
      await world.server.subscribers(0);
    });
  });
}

/** Without the prototypes and the `__typename`s that some libraries add. */
function plain(value) {
  return JSON.parse(JSON.stringify(value), (key, inner) => (key === '__typename' ? undefined : inner));
}
