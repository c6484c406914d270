import type { Row } from "./model.ts";

/** How rows are sorted. */
export interface Order {
  /** The column's title. */
  readonly title: string;
  readonly direction: "ascending" | "descending";
}

/**
 * Rows sorted by a column, and among equals by id. With `held`, rows that were there before stay in their places, and
 * new ones follow.
 */
export function inOrder<R>(
  rows: readonly Row<R>[],
  by: ((row: Row<R>) => number | string) | undefined,
  { direction }: Order,
  held: readonly Row<R>[] | undefined,
): readonly Row<R>[] {
  if (held !== undefined && held.length > 0) {
    const left = new Map(rows.map((row) => [row.id, row]));
    const kept: Row<R>[] = [];
    for (const { id } of held) {
      const row = left.get(id);
      if (row !== undefined && left.delete(id)) kept.push(row);
    }
    return [...kept, ...left.values()];
  }
  if (by === undefined) return rows;
  const sign = direction === "ascending" ? 1 : -1;
  const keyed = rows.map((row) => ({ row, key: by(row) }));
  keyed.sort((a, b) => sign * compare(a.key, b.key) || compare(a.row.id, b.row.id));
  return keyed.map(({ row }) => row);
}

const names = new Intl.Collator("en", { numeric: true });

function compare(a: number | string, b: number | string): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return names.compare(`${a}`, `${b}`);
}
