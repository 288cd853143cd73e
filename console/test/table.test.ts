import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_ROWS, tablesOf } from '../src/model/table.ts';

const texts = (data: unknown) =>
  tablesOf(data).map(({ name, rows }) => [name, rows.map((row) => [...row.cells].map(([c, { text }]) => `${c}=${text}`).join(' '))]);

test('each root field is a table, nested objects are dotted columns', () => {
  assert.deepEqual(texts({ orders: [{ id: 1, courier: { name: 'Ana' } }, { id: 2, courier: null }], now: 'x' }), [
    ['orders', ['id=1 courier.name=Ana', 'id=2 courier.name=null']],
    ['now', ['value=x']],
  ]);
});

test('an object is one row, and the lists of objects in it are tables of their own', () => {
  assert.deepEqual(texts({ all: { aggregate: { count: 2 }, nodes: [{ id: 1 }] } }), [
    ['all', ['aggregate.count=2']],
    ['all.nodes', ['id=1']],
  ]);
});

test('rows are known by id, else by their first filled column, and duplicates stay apart', () => {
  const keys = (list: unknown[]) => tablesOf({ list })[0]?.rows.map((row) => row.key);
  assert.deepEqual(keys([{ a: 1, id: 'x' }, { a: 1, id: 'y' }]), ['x', 'y']);
  assert.deepEqual(keys([{ __typename: 'T', a: null, b: 7 }, { __typename: 'T', a: 1, b: 8 }]), ['7', '8']);
  assert.deepEqual(keys([{ a: 1 }, { a: 1 }]), ['1', '1 (2)']);
  assert.deepEqual(keys([{}, {}]), ['#0', '#1']);
  assert.deepEqual(keys([{ count: 3 }]), ['#0'], 'a lone row stays itself when its values change');
});

test('values keep their kind', () => {
  const cells = tablesOf({ t: [{ a: null, b: 1, c: true, d: 'x', e: [1, 2] }] })[0]?.rows[0]?.cells;
  assert.deepEqual([...(cells ?? [])].map(([, { kind, text }]) => `${kind}:${text}`), [
    'null:null', 'number:1', 'boolean:true', 'string:x', 'json:[1,2]',
  ]);
});

test('odd data makes no table and no fuss', () => {
  for (const data of [null, undefined, 3, 'x', []]) assert.deepEqual(tablesOf(data), []);
  assert.deepEqual(tablesOf({ t: null })[0]?.rows.length, 1);
  assert.deepEqual(tablesOf({ t: [] })[0], { name: 't', columns: [], rows: [], total: 0 });
});

test('a long list is cut, and its length told', () => {
  const table = tablesOf({ t: Array.from({ length: MAX_ROWS + 1 }, (_, id) => ({ id })) })[0];
  assert.equal(table?.rows.length, MAX_ROWS);
  assert.equal(table?.total, MAX_ROWS + 1);
});
