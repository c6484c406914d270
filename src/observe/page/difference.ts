import { type PageState, type Table, type TableName, TABLES } from "./state.ts";

/** What changed between two states: fields of rows by table and id, and the ids of rows that are gone. */
export interface Difference {
  readonly nowMs: number;
  readonly changed?: Readonly<Partial<Record<TableName, Readonly<Record<string, object>>>>>;
  readonly gone?: Readonly<Partial<Record<TableName, readonly string[]>>>;
}

/** What changed from one state to a later one. A row that is new is there whole. */
export function difference(before: PageState, after: PageState): Difference {
  const changed: Partial<Record<TableName, Record<string, object>>> = {};
  const gone: Partial<Record<TableName, readonly string[]>> = {};
  for (const name of TABLES) {
    const old: Table<object> = before[name], now: Table<object> = after[name];
    if (old === now) continue;
    for (const id in now) {
      const was = old[id];
      const row = was === undefined ? now[id] : changes(was, now[id]!);
      if (row !== undefined) (changed[name] ??= {})[id] = row;
    }
    const missing = Object.keys(old).filter((id) => now[id] === undefined);
    if (missing.length > 0) gone[name] = missing;
  }
  return {
    nowMs: after.nowMs,
    ...Object.keys(changed).length > 0 && { changed },
    ...Object.keys(gone).length > 0 && { gone },
  };
}

/** The fields that differ; undefined if none does. */
function changes(was: object, is: object): object | undefined {
  if (was === is) return undefined;
  let changed: Record<string, unknown> | undefined;
  for (const [field, value] of Object.entries(is)) {
    const before = (was as Readonly<Record<string, unknown>>)[field];
    if (value === before || (typeof value === "object" && JSON.stringify(value) === JSON.stringify(before))) continue;
    (changed ??= {})[field] = value;
  }
  return changed;
}
