import { memo } from 'react';
import type { LiveCell, LiveRow, LiveTable } from '../model/live.ts';

/** Rows drawn; the JSON has them all. */
const SHOWN = 200;

export const LiveTableView = memo(function LiveTableView({ table }: { readonly table: LiveTable }) {
  const shown = table.rows.slice(0, SHOWN);
  return (
    <table className="live-table" data-table={table.name}>
      <caption>
        <span>{table.name}</span>
        <small>
          {table.total === 1 ? '1 row' : `${table.total.toLocaleString('en')} rows`}
          {table.total > shown.length && `, the first ${shown.length} shown`}
        </small>
      </caption>
      <thead>
        <tr>
          {table.columns.map((column) => (
            <th key={column} scope="col" className={isNumeric(shown, column) ? 'number' : undefined}>
              {column}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {shown.map((row) => (
          // A removed row and a new one may have the same key for a moment.
          <RowView key={`${row.state === 'removed' ? '-' : '+'}${row.key}`} row={row} columns={table.columns} />
        ))}
        {table.total === 0 && shown.length === 0 && (
          <tr className="none">
            <td colSpan={Math.max(table.columns.length, 1)}>no rows</td>
          </tr>
        )}
      </tbody>
    </table>
  );
});

const RowView = memo(function RowView({ row, columns }: { readonly row: LiveRow; readonly columns: readonly string[] }) {
  return (
    <tr className={row.state === 'kept' ? undefined : row.state} data-key={row.key}>
      {columns.map((column) => {
        const cell = row.cells.get(column);
        // The time in the key makes an animation that is under way start anew.
        return <CellView key={`${column}@${cell?.changedUntil ?? ''}`} cell={cell} column={column} />;
      })}
    </tr>
  );
});

function CellView({ cell, column }: { readonly cell: LiveCell | undefined; readonly column: string }) {
  if (!cell) return <td className="absent" data-column={column} />;
  const changed = cell.changedUntil !== undefined;
  return (
    <td className={changed ? `${cell.kind} changed` : cell.kind} data-column={column} title={cell.text}>
      <span>{cell.text}</span>
    </td>
  );
}

function isNumeric(rows: readonly LiveRow[], column: string): boolean {
  return rows.length > 0 && rows.every((row) => row.cells.get(column)?.kind === 'number');
}
