import { ConnectError } from "@connectrpc/connect";
import type { Attempt } from "../../src/call/observer.ts";
import { balance, type BalanceSettings } from "../../src/index.ts";
import { type Caller, callId, type Kind, KINDS } from "./calls.ts";

/** One call and what became of it. */
export interface CallRecord {
  readonly id: string;
  readonly kind: Kind;
  readonly startMs: number;
  readonly timeoutMs: number;
  /** Undefined while it runs. */
  endMs: number | undefined;
  /** What it failed with; undefined for success. */
  error: unknown;
  readonly attempts: Attempt[];
}

/** Options of {@link Load}. */
export interface LoadOptions {
  /** Kinds of calls, each as often as the others. Default: all. */
  readonly kinds?: readonly Kind[];
  /** How many calls are in flight at any time. Default: 64. */
  readonly concurrency?: number;
  /** The timeout of the `number`th call, in milliseconds. Default: 20,000. */
  readonly timeoutMs?: (number: number) => number;
  readonly settings?: BalanceSettings;
}

let callsEver = 0;

/** Calls one after another in each of 64 lanes, until it is stopped. */
export class Load {
  readonly records: CallRecord[] = [];
  readonly #call: Caller;
  readonly #options: LoadOptions;
  readonly #lanes: Promise<void>[] = [];
  #stopped = false;

  constructor(call: Caller, options: LoadOptions = {}) {
    this.#call = call;
    this.#options = options;
    for (let i = 0; i < (options.concurrency ?? 64); i++) this.#lanes.push(this.#lane());
  }

  /** No new calls; settles when the last one has ended. */
  async stop(): Promise<readonly CallRecord[]> {
    this.#stopped = true;
    await Promise.all(this.#lanes);
    return this.records;
  }

  async #lane(): Promise<void> {
    while (!this.#stopped) {
      const record = await this.#one();
      // A call that fails at once must not become a busy loop that starves what is tested.
      if (record.error !== undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  #one(): Promise<CallRecord> {
    const { kinds = KINDS, timeoutMs } = this.#options;
    const number = callsEver++;
    const kind = kinds[this.records.length % kinds.length]!;
    const record = newRecord(kind, timeoutMs?.(number) ?? 20_000, number);
    this.records.push(record);
    return makeCall(this.#call, record, this.#options.settings);
  }
}

/** A record of a call that is yet to be made. */
export function newRecord(kind: Kind, timeoutMs: number, number: number = callsEver++): CallRecord {
  const id = callId(kind, number);
  return { id, kind, startMs: performance.now(), timeoutMs, endMs: undefined, error: undefined, attempts: [] };
}

/** Makes a call and writes down what becomes of it. Never rejects. */
export async function makeCall(call: Caller, record: CallRecord, settings: BalanceSettings = {}): Promise<CallRecord> {
  const { kind, id, timeoutMs, attempts } = record;
  try {
    await call(kind, id, balance({ ...settings, onAttempt: (attempt) => attempts.push(attempt) }, { timeoutMs }));
  } catch (error) {
    record.error = error ?? new Error("it failed with nothing");
  }
  record.endMs = performance.now();
  return record;
}

/** A failed call in one line. */
export function showFailure({ id, error, attempts, startMs, endMs }: CallRecord): string {
  const tries = attempts.map(({ endpoint, end }) => `${endpoint.address} ${end}`).join(", ");
  const text = error instanceof ConnectError ? error.message : `not a ConnectError: ${error}`;
  return `${id} after ${Math.round((endMs ?? NaN) - startMs)} ms (${tries}): ${text.slice(0, 400)}`;
}
