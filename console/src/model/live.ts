/**
 * The live view: the tables of the latest result, with what changed since the one before marked for a while.
 * Pure: `advance` takes a new result and the time, `settle` takes the time and drops marks that have expired.
 */
import type { Cell, Row, Table } from './table.ts';

/** How long a change stays marked, in milliseconds. The CSS animations last as long. */
export const MARK_MS = 1500;

export type RowState = 'kept' | 'added' | 'removed';

export interface LiveCell extends Cell {
  /** When the mark of a change ends; undefined if there is none. */
  readonly changedUntil: number | undefined;
}

export interface LiveRow {
  readonly key: string;
  readonly state: RowState;
  /** When `added` or `removed` ends. */
  readonly until: number | undefined;
  readonly cells: ReadonlyMap<string, LiveCell>;
}

export interface LiveTable {
  readonly name: string;
  readonly columns: readonly string[];
  /** Rows of the latest result, and between them the removed ones that still show. */
  readonly rows: readonly LiveRow[];
  readonly total: number;
}

export type LiveView = readonly LiveTable[];

export function advance(view: LiveView | undefined, tables: readonly Table[], now: number): LiveView {
  const before = new Map(view?.map((table) => [table.name, table]));
  return tables.map((table) => {
    const old = before.get(table.name);
    return old ? advanceTable(old, table, now) : firstTable(table);
  });
}

/** The view without the marks that ended at `now` or earlier; the same object if nothing ended. */
export function settle(view: LiveView, now: number): LiveView {
  let touched = false;
  const settled = view.map((table) => {
    const rows: LiveRow[] = [];
    let tableTouched = false;
    for (const row of table.rows) {
      const next = settleRow(row, now);
      if (next !== row) tableTouched = true;
      if (next) rows.push(next);
    }
    if (!tableTouched) return table;
    touched = true;
    return { ...table, rows };
  });
  return touched ? settled : view;
}

/** When the next mark ends; undefined if none is left. */
export function nextExpiry(view: LiveView): number | undefined {
  let next = Infinity;
  for (const table of view) {
    for (const row of table.rows) {
      if (row.until !== undefined) next = Math.min(next, row.until);
      for (const cell of row.cells.values()) {
        if (cell.changedUntil !== undefined) next = Math.min(next, cell.changedUntil);
      }
    }
  }
  return next === Infinity ? undefined : next;
}

function firstTable(table: Table): LiveTable {
  return {
    ...table,
    rows: table.rows.map((row) => liveRow(row, 'kept', undefined, unmarked(row.cells))),
  };
}

function advanceTable(old: LiveTable, table: Table, now: number): LiveTable {
  const present = new Map(old.rows.filter((row) => row.state !== 'removed').map((row) => [row.key, row]));
  const keys = new Set(table.rows.map((row) => row.key));

  const rows = table.rows.map((row) => {
    const was = present.get(row.key);
    if (!was) return liveRow(row, 'added', now + MARK_MS, unmarked(row.cells));
    const stillNew = was.until !== undefined && was.until > now;
    return liveRow(row, stillNew ? 'added' : 'kept', stillNew ? was.until : undefined, compare(was.cells, row.cells, now));
  });

  return {
    name: table.name,
    // An empty list says nothing about its columns: keep the ones known.
    columns: table.columns.length > 0 ? table.columns : old.columns,
    rows: weave(rows, ghostsOf(old, keys, now)),
    total: table.total,
  };
}

function compare(
  before: ReadonlyMap<string, LiveCell>,
  cells: ReadonlyMap<string, Cell>,
  now: number,
): Map<string, LiveCell> {
  const result = new Map<string, LiveCell>();
  for (const [column, cell] of cells) {
    const was = before.get(column);
    // A column that appears as other rows fill it changes nothing in the rows where it is null.
    const changed = was ? was.text !== cell.text || was.kind !== cell.kind : cell.kind !== 'null';
    const running = was?.changedUntil !== undefined && was.changedUntil > now ? was.changedUntil : undefined;
    result.set(column, { ...cell, changedUntil: changed ? now + MARK_MS : running });
  }
  return result;
}

interface Ghost {
  /** The row of the new result that the removed row stood after; undefined means at the top. */
  readonly after: string | undefined;
  readonly row: LiveRow;
}

/** The rows that have gone, or had gone a moment ago, each with the row it stood after. */
function ghostsOf(old: LiveTable, keys: ReadonlySet<string>, now: number): Ghost[] {
  const ghosts: Ghost[] = [];
  let after: string | undefined;
  for (const row of old.rows) {
    if (keys.has(row.key)) {
      if (row.state !== 'removed') after = row.key;
    } else if (row.state !== 'removed') {
      const cells = unmarked(row.cells);
      ghosts.push({ after, row: { key: row.key, state: 'removed', until: now + MARK_MS, cells } });
    } else if (row.until !== undefined && row.until > now) {
      ghosts.push({ after, row });
    }
  }
  return ghosts;
}

function weave(rows: readonly LiveRow[], ghosts: readonly Ghost[]): LiveRow[] {
  if (ghosts.length === 0) return [...rows];
  const byAnchor = new Map<string | undefined, LiveRow[]>();
  for (const { after, row } of ghosts) {
    const list = byAnchor.get(after);
    if (list) list.push(row);
    else byAnchor.set(after, [row]);
  }
  return [...(byAnchor.get(undefined) ?? []), ...rows.flatMap((row) => [row, ...(byAnchor.get(row.key) ?? [])])];
}

function settleRow(row: LiveRow, now: number): LiveRow | undefined {
  const ended = row.until !== undefined && row.until <= now;
  if (ended && row.state === 'removed') return undefined;

  let cells: Map<string, LiveCell> | undefined;
  for (const [column, cell] of row.cells) {
    if (cell.changedUntil !== undefined && cell.changedUntil <= now) {
      cells ??= new Map(row.cells);
      cells.set(column, { ...cell, changedUntil: undefined });
    }
  }
  if (!ended && !cells) return row;
  return {
    key: row.key,
    state: ended ? 'kept' : row.state,
    until: ended ? undefined : row.until,
    cells: cells ?? row.cells,
  };
}

function liveRow(row: Row, state: RowState, until: number | undefined, cells: Map<string, LiveCell>): LiveRow {
  return { key: row.key, state, until, cells };
}

function unmarked(cells: ReadonlyMap<string, Cell>): Map<string, LiveCell> {
  return new Map([...cells].map(([column, { text, kind }]) => [column, { text, kind, changedUntil: undefined }]));
}
