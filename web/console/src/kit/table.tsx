import type { Key, ReactNode } from "react";

export interface Column<Row> {
  label: string;
  cell: (row: Row) => ReactNode;
}

interface TableProps<Row> {
  /** What the table shows, for those who do not see it. */
  label: string;
  columns: Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => Key;
}

/** Rows with the same facts; on a phone each row stands on its own, with the columns' names beside the facts. */
export function Table<Row>({ label, columns, rows, keyOf }: TableProps<Row>) {
  // The roles are said because a phone's layout takes them away.
  return (
    <table role="table" aria-label={label}>
      <thead role="rowgroup">
        <tr role="row">{columns.map((column) => <th role="columnheader" scope="col" key={column.label}>{column.label}</th>)}</tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr role="row" key={keyOf(row)}>
            {columns.map((column) => <td role="cell" data-label={column.label} key={column.label}>{column.cell(row)}</td>)}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
