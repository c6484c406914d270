import type { CallKind, CallRecord } from "./ledger.ts";

const KINDS: readonly CallKind[] = ["read", "write", "list", "chat"];
/** The bits of what is known of a call; those below them are its kind's number. */
const PROCESSED = 4, UNPROCESSED = 8, POISONOUS = 16, KNOWN = 32;

/**
 * Calls that ended long ago, in a byte each: enough to tell that one is processed a second time, or although its caller
 * was told that it never was. A request can be on its way for a quarter of an hour.
 */
export class OldCalls {
  /** By client, at the calls' numbers. */
  readonly #byClient = new Map<string, Uint8Array>();

  /** What was processed, or told to the caller, is known from here on by `find` alone. */
  put({ id, client, kind, processed, mark, poisonous }: CallRecord): void {
    const at = numberOf(id);
    let bytes = this.#byClient.get(client) ?? new Uint8Array(1_024);
    if (at >= bytes.length) {
      const more = new Uint8Array(2 * at);
      more.set(bytes);
      bytes = more;
    }
    this.#byClient.set(client, bytes);
    bytes[at] = KNOWN | KINDS.indexOf(kind) | (processed.length > 0 ? PROCESSED : 0) |
      (mark === "refused" || mark === "not-sent" ? UNPROCESSED : 0) | (poisonous ? POISONOUS : 0);
  }

  /** A record with what is still known. */
  find(id: string): CallRecord | undefined {
    const client = id.slice(0, id.lastIndexOf("/")), bits = this.#byClient.get(client)?.[numberOf(id)] ?? 0;
    if (bits === 0) return undefined;
    return {
      id,
      client,
      kind: KINDS[bits & 3]!,
      key: "",
      startedMs: 0,
      timeoutMs: undefined,
      givenUp: false,
      over: true,
      processed: (bits & PROCESSED) === 0 ? [] : ["a server long ago"],
      poisonous: (bits & POISONOUS) !== 0,
      poisoned: 0,
      ends: 1,
      endedMs: undefined,
      code: undefined,
      error: undefined,
      mark: (bits & UNPROCESSED) === 0 ? undefined : "refused",
    };
  }
}

function numberOf(id: string): number {
  return Number(id.slice(id.lastIndexOf("/") + 1));
}
