import assert from 'node:assert/strict';
import { test } from 'node:test';
import { advance, MARK_MS, nextExpiry, settle, type LiveView } from '../src/model/live.ts';
import { tablesOf } from '../src/model/table.ts';

/** Rows as `+id` (added), `-id` (removed) or `id`, with the changed columns after a `!`. */
function show(view: LiveView | undefined): string[] {
  return (view?.[0]?.rows ?? []).map((row) => {
    const changed = [...row.cells].filter(([, cell]) => cell.changedUntil !== undefined).map(([column]) => column);
    const sign = { kept: '', added: '+', removed: '-' }[row.state];
    return sign + row.key + (changed.length > 0 ? `!${changed.join(',')}` : '');
  });
}

const result = (...rows: [id: number, status?: string][]) =>
  tablesOf({ orders: rows.map(([id, status = 'open']) => ({ id, status })) });

test('the first result is not news', () => {
  const view = advance(undefined, result([1], [2]), 0);
  assert.deepEqual(show(view), ['1', '2']);
  assert.equal(nextExpiry(view), undefined);
});

test('changed cells, added and removed rows are marked, then settle', () => {
  let view = advance(undefined, result([1], [2], [3]), 0);
  view = advance(view, result([4], [1, 'done'], [3]), 100);
  assert.deepEqual(show(view), ['+4', '1!status', '-2', '3']);
  assert.equal(nextExpiry(view), 100 + MARK_MS);
  assert.equal(settle(view, 99 + MARK_MS), view, 'nothing ended: the same object');
  view = settle(view, 100 + MARK_MS);
  assert.deepEqual(show(view), ['4', '1', '3']);
  assert.equal(nextExpiry(view), undefined);
});

test('a mark outlasts further results, and each ends at its own time', () => {
  let view = advance(undefined, result([1], [2]), 0);
  view = advance(view, result([1, 'a'], [2]), 100);
  view = advance(view, result([1, 'a'], [2, 'b']), 600);
  assert.deepEqual(show(view), ['1!status', '2!status']);
  view = settle(view, 100 + MARK_MS);
  assert.deepEqual(show(view), ['1', '2!status']);
});

test('a cell that changes again is marked from then', () => {
  let view = advance(undefined, result([1]), 0);
  view = advance(view, result([1, 'a']), 100);
  view = advance(view, result([1, 'b']), 900);
  assert.equal(nextExpiry(view), 900 + MARK_MS);
});

test('removed rows stay where they stood, also the first and over several results', () => {
  let view = advance(undefined, result([1], [2], [3], [4]), 0);
  view = advance(view, result([2], [4]), 100);
  assert.deepEqual(show(view), ['-1', '2', '-3', '4']);
  view = advance(view, result([4]), 200);
  assert.deepEqual(show(view), ['-1', '-2', '-3', '4']);
  view = settle(view, 100 + MARK_MS);
  assert.deepEqual(show(view), ['-2', '4']);
});

test('a row that comes back replaces its ghost', () => {
  let view = advance(undefined, result([1], [2]), 0);
  view = advance(view, result([2]), 100);
  view = advance(view, result([1], [2]), 200);
  assert.deepEqual(show(view), ['+1', '2']);
});

test('a row stays added while its mark lasts, though results follow', () => {
  let view = advance(undefined, result([1]), 0);
  view = advance(view, result([1], [2]), 100);
  view = advance(view, result([1], [2, 'done']), 200);
  assert.deepEqual(show(view), ['1', '+2!status']);
});

test('an empty result keeps the columns', () => {
  let view = advance(undefined, result([1]), 0);
  view = advance(view, result(), 100);
  assert.deepEqual(view[0]?.columns, ['id', 'status']);
  assert.deepEqual(show(view), ['-1']);
  assert.equal(view[0]?.total, 0);
});

test('moving is not changing', () => {
  let view = advance(undefined, result([1], [2]), 0);
  view = advance(view, result([2], [1]), 100);
  assert.deepEqual(show(view), ['2', '1']);
});

test('whatever comes, the unremoved rows are those of the result, in order', () => {
  let seed = 7;
  const random = (n: number) => (seed = (seed * 48271) % 2147483647) % n;
  let view: LiveView | undefined;
  for (let step = 0; step < 500; step++) {
    const ids = Array.from({ length: random(8) }, () => random(10)).filter((id, i, all) => all.indexOf(id) === i);
    const now = step * 400;
    view = settle(advance(view, result(...ids.map((id): [number, string] => [id, String(random(3))])), now), now);
    const rows = view[0]?.rows ?? [];
    assert.deepEqual(rows.filter((row) => row.state !== 'removed').map((row) => row.key), ids.map(String));
    assert.equal(new Set(rows.map((row) => row.key)).size, rows.length, 'no row shows twice');
    assert.ok(rows.every((row) => row.until === undefined || row.until > now));
  }
});

test('an object that takes the place of null is a change of its row only', () => {
  const orders = (...couriers: (string | null)[]) =>
    tablesOf({ orders: couriers.map((name, id) => ({ id, courier: name === null ? null : { name } })) });
  let view = advance(undefined, orders(null, null), 0);
  view = advance(view, orders('Ana', null), 100);
  assert.deepEqual(show(view), ['0!courier.name', '1']);
  view = advance(settle(view, 9000), orders(null, 'Ana'), 9000);
  assert.deepEqual(show(view), ['0!courier.name', '1!courier.name']);
});
