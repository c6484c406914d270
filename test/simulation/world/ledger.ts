import type { Code } from "@connectrpc/connect";
import type { AttemptEnd } from "../../../src/connection/mark.ts";

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

/** What became of all calls. */
export class Ledger {
  readonly #open = new Map<string, CallRecord>();
  /** Calls that have ended and may still be processed by someone. */
  readonly #ended: CallRecord[] = [];
  readonly #byId = new Map<string, CallRecord>();
  /** All that were ever made, if they are kept. */
  readonly all: CallRecord[] | undefined;
  calls = 0;
  succeeded = 0;
  failed = 0;

  constructor(kept: boolean) {
    this.all = kept ? [] : undefined;
  }

  get open(): Iterable<CallRecord> {
    return this.#open.values();
  }

  get openSize(): number {
    return this.#open.size;
  }

  began(call: CallRecord): void {
    this.calls++;
    this.all?.push(call);
    this.#open.set(call.id, call);
    this.#byId.set(call.id, call);
  }

  find(id: string): CallRecord | undefined {
    return this.#byId.get(id);
  }

  ended(call: CallRecord, nowMs: number): void {
    call.ends++;
    call.endedMs = nowMs;
    if (call.code === undefined) this.succeeded++;
    else this.failed++;
    this.#open.delete(call.id);
    this.#ended.push(call);
    // Bounded: what ended so long ago is processed by nobody any more.
    if (this.#ended.length > 20_000) { for (const { id } of this.#ended.splice(0, 10_000)) this.#byId.delete(id); }
  }
}
