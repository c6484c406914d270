import { shownText } from "../../shown-text.ts";
import { localTime } from "./local-time.ts";
import type { AttemptRow, PageState, Table } from "./state.ts";

/** How many rows of a table are taken, and how many attempts of a call. */
const MOST_ROWS = 5_000, MOST_ATTEMPTS = 10;

/** Where another page's state comes from, and where it goes. */
export interface ForeignOrigin {
  /** The page's URL, as it is shown. */
  readonly program: string;
  /** What its ids begin with here. */
  readonly prefix: string;
  /** What this page's clock says now. */
  readonly nowMs: number;
}

/** How each field of a row is read: from anything, to what it may be. */
type Readers<Row> = { readonly [Field in keyof Row]: (value: unknown) => Row[Field] };

/** The tables of another program's page, of which nothing is taken as it is. @throws TypeError if it is no such state */
export function foreignState(value: unknown, { program, prefix, nowMs }: ForeignOrigin): PageState {
  const state = record(value), theirs = state["nowMs"];
  if (typeof theirs !== "number" || !Number.isFinite(theirs)) throw new TypeError("it is no state of a page");
  const of = () => program, local = localTime(nowMs, theirs);
  const time = (at: unknown) => local(number(at)), service = (id: unknown) => `${prefix} ${text(id)}`;
  const rows = <Row>(name: keyof PageState, readers: Readers<Row>) => table(state[name], prefix, readers);
  return {
    nowMs,
    services: rows("services", {
      target: text,
      program: of,
      known: flag,
      calls: number,
      failed: number,
      abandoned: number,
      waiting: number,
      panic: flag,
      stale: orNull(text),
      staleSinceMs: orNull(time),
      recorded: flag,
      p50Ms: orNull(number),
      p99Ms: orNull(number),
      problem: orNull(text),
    }),
    endpoints: rows("endpoints", {
      service,
      address: text,
      authority: orNull(text),
      secure: orNull(flag),
      zone: orNull(text),
      weight: orNull(number),
      state: text,
      sinceMs: time,
      available: flag,
      health: text,
      ejectedForS: orNull(number),
      restricted: flag,
      inFlight: number,
      attempts: number,
      failed: number,
      abandoned: number,
      p50Ms: orNull(number),
      p99Ms: orNull(number),
      lastError: orNull(text),
      policy: orNull(text),
    }),
    servers: rows("servers", {
      program: of,
      listens: text,
      state: text,
      connections: number,
      inFlight: number,
      calls: number,
      failed: number,
      problem: orNull(text),
    }),
    registrations: rows("registrations", {
      program: of,
      service: text,
      address: text,
      state: text,
      sinceMs: time,
      ttlSeconds: number,
      renewedMs: orNull(time),
      key: orNull(text),
      lastError: orNull(text),
    }),
    watches: rows("watches", {
      program: of,
      service: text,
      endpoints: orNull(number),
      stale: orNull(text),
      staleSinceMs: orNull(time),
    }),
    calls: rows("calls", {
      service,
      method: text,
      startedMs: number,
      latencyMs: number,
      code: text,
      failed: flag,
      slow: flag,
      why: text,
      attempts: (value) => Array.isArray(value) ? value.slice(0, MOST_ATTEMPTS).map((each) => read(each, ATTEMPT)) : [],
      moreAttempts: number,
    }),
    events: rows("events", {
      atMs: time,
      service: text,
      subject: text,
      text,
      level: (value) => value === "good" || value === "bad" ? value : "note",
      times: number,
    }),
  };
}

const ATTEMPT: Readers<AttemptRow> = {
  address: text,
  number,
  hedge: flag,
  fromMs: number,
  waitMs: number,
  firstByteMs: orNull(number),
  latencyMs: orNull(number),
  end: orNull(text),
  code: orNull(text),
  error: orNull(text),
};

function table<Row>(value: unknown, prefix: string, readers: Readers<Row>): Table<Row> {
  const rows = Object.entries(record(value)).slice(0, MOST_ROWS);
  return Object.fromEntries(rows.map(([id, row]) => [`${prefix} ${id}`, read(row, readers)]));
}

function read<Row>(value: unknown, readers: Readers<Row>): Row {
  const row = record(value), fields = Object.entries(readers) as [string, (value: unknown) => unknown][];
  return Object.fromEntries(fields.map(([name, reader]) => [name, reader(row[name])])) as Row;
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? value as Readonly<Record<string, unknown>> : {};
}

function text(value: unknown): string {
  return typeof value === "string" ? shownText(value, 600) : "";
}

function number(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

function flag(value: unknown): boolean {
  return value === true;
}

function orNull<T>(reader: (value: unknown) => T): (value: unknown) => T | null {
  return (value) => value === null || value === undefined ? null : reader(value);
}
