import { type Endpoint, endpointIdentity } from "../../endpoint.ts";
import { asError } from "../../error-text.ts";
import type { Layout } from "../../registry/layout/layout.ts";
import type { KeyValue, WatchEvent } from "../driver/driver.ts";

/** Larger values, in bytes, are not registrations: they are skipped and never kept. */
const MAX_VALUE_BYTES = 64 << 10;

/** What is kept of a key. */
interface Entry {
  readonly createRevision: bigint;
  readonly modRevision: bigint;
  readonly lease: bigint;
  /** Undefined: the value was skipped, or belongs to another service. */
  readonly endpoint: Endpoint | undefined;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** The keys of one service in etcd, and the set of endpoints that they make up. */
export class Entries {
  readonly #layout: Layout;
  readonly #service: string;
  readonly #onSkipped: (key: string, cause: Error) => void;
  #entries = new Map<string, Entry>();
  /** The entries of each identity, newest last. Maintained incrementally, as a set may have thousands of them. */
  readonly #byIdentity = new Map<string, Entry[]>();
  #endpoints: readonly Endpoint[] | undefined;

  constructor(layout: Layout, service: string, onSkipped: (key: string, cause: Error) => void) {
    this.#layout = layout;
    this.#service = service;
    this.#onSkipped = onSkipped;
  }

  /** The set: one endpoint per identity, however many keys name it, with the attributes of the newest key. */
  get endpoints(): readonly Endpoint[] {
    return this.#endpoints ??= Array.from(this.#byIdentity.values(), (entries) => entries.at(-1)?.endpoint as Endpoint);
  }

  /** Replaces all entries with those of a list. Returns whether the set changed. */
  replace(kvs: readonly KeyValue[]): boolean {
    const gone = new Map(this.#entries);
    let changed = false;
    for (const kv of kvs) {
      const key = keyText(kv.key);
      const known = gone.get(key);
      gone.delete(key);
      // Unchanged entries stay as they are, so that neither a change nor a skipped value is reported again.
      if (known !== undefined && isSame(known, kv)) continue;
      this.#set(key, this.#read(key, kv));
      changed = true;
    }
    for (const key of gone.keys()) this.#set(key, undefined);
    return changed || gone.size > 0;
  }

  /** Applies events in order. Repeated events do no harm. Returns whether the set may have changed. */
  apply(events: readonly WatchEvent[]): boolean {
    let changed = false;
    for (const { type, kv } of events) {
      const key = keyText(kv.key);
      const known = this.#entries.get(key);
      if (known === undefined ? type === "delete" : known.modRevision >= kv.modRevision) continue;
      this.#set(key, type === "put" ? this.#read(key, kv) : undefined);
      changed = true;
    }
    return changed;
  }

  #set(key: string, entry: Entry | undefined): void {
    const known = this.#entries.get(key);
    if (known?.endpoint !== undefined) this.#leave(endpointIdentity(known.endpoint), known);
    if (entry === undefined) this.#entries.delete(key);
    else this.#entries.set(key, entry);
    if (entry?.endpoint !== undefined) this.#join(endpointIdentity(entry.endpoint), entry);
    this.#endpoints = undefined;
  }

  #join(identity: string, entry: Entry): void {
    const entries = this.#byIdentity.get(identity);
    if (entries === undefined) this.#byIdentity.set(identity, [entry]);
    else entries.splice(entries.findLastIndex((other) => other.modRevision < entry.modRevision) + 1, 0, entry);
  }

  #leave(identity: string, entry: Entry): void {
    const entries = this.#byIdentity.get(identity) as Entry[];
    if (entries.length <= 1) this.#byIdentity.delete(identity);
    else entries.splice(entries.indexOf(entry), 1);
  }

  #read(key: string, { createRevision, modRevision, lease, value }: KeyValue): Entry {
    let endpoint: Endpoint | undefined;
    try {
      const read = this.#endpoint(key, value);
      // A new lease means that the server has restarted, even if its key was still there.
      endpoint = read && { ...read, incarnation: `${createRevision}.${lease}` };
    } catch (error) {
      this.#onSkipped(key, asError(error));
    }
    return { createRevision, modRevision, lease, endpoint };
  }

  /** Undefined for a key of another service, whatever its value. */
  #endpoint(key: string, value: Uint8Array): Endpoint | undefined {
    let text = "", wrong: unknown;
    try {
      text = valueText(value);
    } catch (error) {
      wrong = error;
    }
    if (this.#layout.owns?.(this.#service, key, text) === false) return undefined;
    if (wrong !== undefined) throw wrong;
    return this.#layout.read(key, text);
  }
}

function isSame(entry: Entry, kv: KeyValue): boolean {
  return entry.modRevision === kv.modRevision && entry.createRevision === kv.createRevision && entry.lease === kv.lease;
}

/** Decodes a value as text. @throws Error if it is too large or not UTF-8. */
export function valueText(value: Uint8Array): string {
  if (value.length > MAX_VALUE_BYTES) {
    throw new Error(`its value has ${value.length} bytes, more than ${MAX_VALUE_BYTES}`);
  }
  return decoder.decode(value);
}

/** The value of a key as text, or why it can't be read. */
export function valueOf({ value }: KeyValue): string | Error {
  try {
    return valueText(value);
  } catch (error) {
    return asError(error);
  }
}

/** Decodes a key as text. Keys of other programs may not be UTF-8; as identities they only need to differ. */
export function keyText(key: Uint8Array): string {
  try {
    return decoder.decode(key);
  } catch {
    return Array.from(key, (byte) => String.fromCharCode(byte)).join("");
  }
}
