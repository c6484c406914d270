import { type Endpoint, endpointIdentity } from "../endpoint.ts";
import type { Layout } from "../registry/layout/layout.ts";
import type { KeyValue, WatchEvent } from "./driver.ts";
import { asError } from "./failure.ts";

/** Values above this many bytes are no registrations; they are skipped, and never kept. */
const MAX_VALUE_BYTES = 64 << 10;

/** What is kept of one key. */
interface Entry {
  readonly createRevision: bigint;
  readonly modRevision: bigint;
  readonly lease: bigint;
  /** Undefined: the value was skipped. */
  readonly endpoint: Endpoint | undefined;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** The keys of one service as they stand in etcd, and the set of endpoints that they make. */
export class Entries {
  readonly #layout: Layout;
  readonly #onSkipped: (key: string, cause: Error) => void;
  #entries = new Map<string, Entry>();
  #endpoints: readonly Endpoint[] | undefined;

  constructor(layout: Layout, onSkipped: (key: string, cause: Error) => void) {
    this.#layout = layout;
    this.#onSkipped = onSkipped;
  }

  /** The set: one endpoint per identity, however many keys name it; the newest key's attributes count. */
  get endpoints(): readonly Endpoint[] {
    return this.#endpoints ??= this.#merge();
  }

  /** Replaces everything by what a list gave. Returns whether the set changed. */
  replace(kvs: readonly KeyValue[]): boolean {
    const before = this.#entries;
    this.#entries = new Map();
    let changed = false;
    for (const kv of kvs) {
      const key = keyText(kv.key);
      const known = before.get(key);
      // The same object stays: nobody is told of a change, or of a skipped value, that is none.
      const same = known !== undefined && isSame(known, kv);
      this.#entries.set(key, same ? known : this.#read(key, kv));
      changed ||= !same;
    }
    changed ||= this.#entries.size !== before.size;
    if (changed) this.#endpoints = undefined;
    return changed;
  }

  /** Applies events in order. Events that were seen before do no harm. Returns whether the set may have changed. */
  apply(events: readonly WatchEvent[]): boolean {
    let changed = false;
    for (const { type, kv } of events) {
      const key = keyText(kv.key);
      const known = this.#entries.get(key);
      if (known !== undefined && known.modRevision >= kv.modRevision) continue;
      if (type === "put") this.#entries.set(key, this.#read(key, kv));
      else if (!this.#entries.delete(key)) continue;
      changed = true;
    }
    if (changed) this.#endpoints = undefined;
    return changed;
  }

  #read(key: string, kv: KeyValue): Entry {
    const { createRevision, modRevision, lease } = kv;
    let endpoint: Endpoint | undefined;
    try {
      if (kv.value.length > MAX_VALUE_BYTES) {
        throw new Error(`its value has ${kv.value.length} bytes, more than ${MAX_VALUE_BYTES}`);
      }
      // A new lease is a new start of the server, also where its key was still there.
      endpoint = { ...this.#layout.read(key, decoder.decode(kv.value)), incarnation: `${createRevision}.${lease}` };
    } catch (error) {
      this.#onSkipped(key, asError(error));
    }
    return { createRevision, modRevision, lease, endpoint };
  }

  #merge(): readonly Endpoint[] {
    const newest = new Map<string, { modRevision: bigint; endpoint: Endpoint }>();
    for (const { modRevision, endpoint } of this.#entries.values()) {
      if (endpoint === undefined) continue;
      const identity = endpointIdentity(endpoint);
      const other = newest.get(identity);
      if (other === undefined || other.modRevision < modRevision) newest.set(identity, { modRevision, endpoint });
    }
    return Array.from(newest.values(), ({ endpoint }) => endpoint);
  }
}

function isSame(entry: Entry, kv: KeyValue): boolean {
  return entry.modRevision === kv.modRevision && entry.createRevision === kv.createRevision && entry.lease === kv.lease;
}

/** Keys of foreign programs may be no UTF-8; as identities they need to differ, no more. */
function keyText(key: Uint8Array): string {
  try {
    return decoder.decode(key);
  } catch {
    return Array.from(key, (byte) => String.fromCharCode(byte)).join("");
  }
}
