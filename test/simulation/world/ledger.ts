import type { Code } from "@connectrpc/connect";
import type { AttemptEnd } from "../../../src/connection/mark.ts";
import { OldCalls } from "./old-calls.ts";

/** How a call is made. */
export type CallKind = "read" | "write" | "list" | "chat";

/** A call, from its beginning until after its end. */
export interface CallRecord {
  readonly id: string;
  readonly client: string;
  readonly kind: CallKind;
  /** What hashing policies choose its server by. */
  readonly key: string;
  readonly startedMs: number;
  readonly timeoutMs: number | undefined;
  /** Its caller gave it up on purpose. */
  givenUp: boolean;
  /** A stream that could not be opened, whether or not its caller has looked yet. */
  over: boolean;
  /** Servers that began to process it, in their order. */
  readonly processed: string[];
  /** Whether servers end the connections on which it comes, and how many did. */
  readonly poisonous: boolean;
  poisoned: number;
  /** How often its caller heard of an end. */
  ends: number;
  endedMs: number | undefined;
  /** Undefined: it succeeded. */
  code: Code | undefined;
  error: unknown;
  /** What its caller was told about whether it was processed. */
  mark: AttemptEnd | undefined;
}

/** So many calls that have ended are kept with all that is known of them, and up to twice as many. */
const KEPT = 10_000;

/** What became of all calls. */
export class Ledger {
  /** Calls that ended a while ago, oldest first. */
  readonly #ended: CallRecord[] = [];
  /** Those, and the open ones: one table, because filling it takes time. */
  readonly #byId = new Map<string, CallRecord>();
  readonly #old = new OldCalls();
  /** All that were ever made, if they are kept. */
  readonly all: CallRecord[] | undefined;
  calls = 0;
  succeeded = 0;
  failed = 0;

  constructor(kept: boolean) {
    this.all = kept ? [] : undefined;
  }

  /** Those that have not ended. */
  get open(): CallRecord[] {
    return [...this.#byId.values()].filter(({ ends }) => ends === 0);
  }

  began(call: CallRecord): void {
    this.calls++;
    this.all?.push(call);
    this.#byId.set(call.id, call);
  }

  find(id: string): CallRecord | undefined {
    return this.#byId.get(id) ?? this.#old.find(id);
  }

  /** A server begins to process a call. */
  processing(call: CallRecord, server: string): void {
    call.processed.push(server);
    if (call.ends > 0 && !this.#byId.has(call.id)) this.#old.put(call);
  }

  ended(call: CallRecord, nowMs: number): void {
    call.ends++;
    call.endedMs = nowMs;
    if (call.code === undefined) this.succeeded++;
    else this.failed++;
    this.#ended.push(call);
    if (this.#ended.length <= 2 * KEPT) return;
    for (const old of this.#ended.splice(0, KEPT)) {
      this.#byId.delete(old.id);
      this.#old.put(old);
    }
  }
}
