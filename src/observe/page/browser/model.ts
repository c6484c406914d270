import type { Difference } from "../difference.ts";
import type {
  CallRow,
  EndpointRow,
  EventRow,
  PageState,
  RegistrationRow,
  ServerRow,
  ServiceRow,
  TableName,
  WatchRow,
} from "../state.ts";
import { History } from "./history.ts";

/** A row with its id. */
export type Row<R> = R & { readonly id: string };

type Rows<R> = Map<string, Row<R>>;

/** All that the page knows: the newest state, and the rates that follow from one state to the next. */
export class Model {
  nowMs = 0;
  readonly services: Rows<ServiceRow> = new Map();
  readonly endpoints: Rows<EndpointRow> = new Map();
  readonly servers: Rows<ServerRow> = new Map();
  readonly registrations: Rows<RegistrationRow> = new Map();
  readonly watches: Rows<WatchRow> = new Map();
  readonly calls: Rows<CallRow> = new Map();
  readonly events: Rows<EventRow> = new Map();
  readonly #rates = new Map<string, History>();
  readonly #errors = new Map<string, History>();

  /** Takes a whole state, which may be another program's than the last. */
  replace(state: PageState): void {
    this.#each((name, rows) => {
      rows.clear();
      for (const [id, row] of Object.entries(state[name])) rows.set(id, { ...row, id });
    });
    this.#sample(0);
    this.nowMs = state.nowMs;
  }

  /** Takes what changed. */
  change({ nowMs, changed = {}, gone = {} }: Difference): void {
    this.#each((name, rows) => {
      for (const id of gone[name] ?? []) rows.delete(id);
      for (const [id, fields] of Object.entries(changed[name] ?? {})) {
        const row = { ...rows.get(id), ...fields, id };
        // What changes comes last, as new rows do.
        if (name === "events") rows.delete(id);
        rows.set(id, row);
      }
    });
    this.#sample(nowMs - this.nowMs);
    this.nowMs = nowMs;
  }

  /** Attempts per second of an endpoint, or calls of a service. */
  rateOf(id: string): History {
    return historyIn(this.#rates, id);
  }

  /** Those that failed, per second. */
  errorsOf(id: string): History {
    return historyIn(this.#errors, id);
  }

  #each(use: (name: TableName, rows: Map<string, object>) => void): void {
    for (
      const name of ["services", "endpoints", "servers", "registrations", "watches", "calls", "events"] as const
    ) use(name, this[name] as Map<string, object>);
  }

  #sample(elapsedMs: number): void {
    for (const { id, calls, failed } of this.services.values()) {
      this.rateOf(id).sample(calls, elapsedMs);
      this.errorsOf(id).sample(failed, elapsedMs);
    }
    for (const { id, attempts, failed } of this.endpoints.values()) {
      this.rateOf(id).sample(attempts, elapsedMs);
      this.errorsOf(id).sample(failed, elapsedMs);
    }
    for (const histories of [this.#rates, this.#errors]) {
      for (const id of histories.keys()) if (!this.endpoints.has(id) && !this.services.has(id)) histories.delete(id);
    }
  }
}

function historyIn(histories: Map<string, History>, id: string): History {
  let history = histories.get(id);
  if (history === undefined) histories.set(id, history = new History());
  return history;
}
