/** Turns the `data` of a GraphQL result into tables, one per list or object found at the root. Pure. */

export type CellKind = 'null' | 'number' | 'boolean' | 'string' | 'json';

export interface Cell {
  readonly text: string;
  readonly kind: CellKind;
}

export interface Row {
  /** Tells whether a row of the next result is this row: its `id`, or its first column. */
  readonly key: string;
  readonly cells: ReadonlyMap<string, Cell>;
}

export interface Table {
  /** The path of the list or object in `data`, such as `orders` or `orders_aggregate.nodes`. */
  readonly name: string;
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
  /** How many rows the result has; `rows` holds at most `MAX_ROWS` of them. */
  readonly total: number;
}

export const MAX_ROWS = 500;

type Json = unknown;
type JsonObject = Readonly<Record<string, Json>>;

export function tablesOf(data: Json): Table[] {
  if (!isObject(data)) return [];
  return Object.entries(data).flatMap(([name, value]) => rootTables(name, value));
}

function rootTables(name: string, value: Json): Table[] {
  if (Array.isArray(value)) return [listTable(name, value)];
  if (!isObject(value)) return [listTable(name, [value])];

  // An object is one row, and each list of objects in it is a table of its own.
  const lists = Object.entries(value).filter(([, v]) => isListOfObjects(v));
  const rest = Object.entries(value).filter(([, v]) => !isListOfObjects(v));
  const own = rest.length > 0 ? [listTable(name, [Object.fromEntries(rest)])] : [];
  return [...own, ...lists.map(([field, list]) => listTable(`${name}.${field}`, list as Json[]))];
}

function listTable(name: string, items: readonly Json[]): Table {
  const cells = items.slice(0, MAX_ROWS).map(cellsOf);
  const columns = columnsOf(cells);
  const keyColumn = chooseKey(columns, cells);
  const seen = new Map<string, number>();
  const rows = cells.map((row, index): Row => {
    const base = (keyColumn === undefined ? undefined : row.get(keyColumn)?.text) ?? `#${index}`;
    const count = (seen.get(base) ?? 0) + 1;
    seen.set(base, count);
    return { key: count === 1 ? base : `${base} (${count})`, cells: row };
  });
  return { name, columns, rows, total: items.length };
}

/** The columns in order of appearance. A null object has those that the object has in other rows, all null. */
function columnsOf(rows: readonly Map<string, Cell>[]): string[] {
  const columns = [...new Set(rows.flatMap((row) => [...row.keys()]))];
  const objects = columns.filter((column) => columns.some((other) => other.startsWith(`${column}.`)));
  for (const object of objects) {
    for (const row of rows) {
      const cell = row.get(object);
      if (cell?.kind !== 'null') continue;
      row.delete(object);
      for (const field of columns) if (field.startsWith(`${object}.`)) row.set(field, cell);
    }
  }
  return columns.filter((column) => !objects.includes(column) || rows.some((row) => row.has(column)));
}

/** One row: nested objects become dotted columns, lists stay JSON. */
function cellsOf(item: Json): Map<string, Cell> {
  const cells = new Map<string, Cell>();
  if (isObject(item)) flatten('', item, cells);
  else cells.set('value', cellOf(item));
  return cells;
}

function flatten(prefix: string, object: JsonObject, into: Map<string, Cell>): void {
  for (const [name, value] of Object.entries(object)) {
    if (isObject(value)) flatten(`${prefix}${name}.`, value, into);
    else into.set(prefix + name, cellOf(value));
  }
}

function cellOf(value: Json): Cell {
  switch (typeof value) {
    case 'string':
      return { text: value, kind: 'string' };
    case 'number':
      return { text: String(value), kind: 'number' };
    case 'boolean':
      return { text: String(value), kind: 'boolean' };
    default:
      return value === null || value === undefined
        ? { text: 'null', kind: 'null' }
        : { text: JSON.stringify(value), kind: 'json' };
  }
}

function chooseKey(columns: readonly string[], rows: readonly ReadonlyMap<string, Cell>[]): string | undefined {
  const filled = (column: string) => rows.every((row) => (row.get(column)?.kind ?? 'null') !== 'null');
  if (columns.includes('id') && filled('id')) return 'id';
  // A lone object stays the same row whatever its values are.
  if (rows.length === 1 && !columns.includes('id')) return undefined;
  return columns.find((column) => !column.endsWith('__typename') && filled(column));
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isListOfObjects(value: Json): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(isObject);
}
