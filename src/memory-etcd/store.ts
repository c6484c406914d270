import { create } from "@bufbuild/protobuf";
import { type Event, Event_EventType, EventSchema, type KeyValue, KeyValueSchema } from "../../gen/etcd/kv_pb.ts";
import { etcdError } from "./error.ts";
import { bytesOf, type Key, keyOf, type KeyRange } from "./key-range.ts";

/** The history of one key since the last compaction, oldest version first; a version without `kv` is a deletion. */
type Versions = { readonly revision: bigint; readonly kv: KeyValue | undefined }[];

/** One change: the event for watches, and the previous value for those that request it. */
export interface Change {
  readonly key: Key;
  readonly event: Event;
  readonly previous: KeyValue | undefined;
}

/** The operations within a write; see {@link Store.write}. */
export interface Write {
  /** The revision that this write creates, or the store's while it has not changed anything. */
  readonly revision: bigint;
  put(key: Uint8Array, value: Uint8Array, lease: bigint): void;
  /** Deletes the keys of a range and returns their previous contents, in key order. */
  deleteRange(range: KeyRange): readonly KeyValue[];
}

/**
 * Keys and values by revision, like etcd's MVCC store: every write that changes something creates the next revision,
 * older revisions can be read until they are compacted, and the changes since then are kept for watches. All KeyValues
 * that it returns are shared and must not be modified.
 */
export class Store {
  #revision = 1n;
  #compactRevision = -1n;
  /** Keys that have versions, sorted. */
  #keys: Key[] = [];
  readonly #versions = new Map<Key, Versions>();
  /** Changes by revision without gaps: `#log[i]` holds those of revision `#logStart + i`. */
  readonly #log: (readonly Change[])[] = [];
  #logStart = 2n;
  readonly #keysByLease = new Map<bigint, Set<Key>>();
  readonly #listeners = new Set<() => void>();
  readonly #keepRevisions: bigint;

  /** Revisions older than the last `keepRevisions` are compacted from time to time. */
  constructor(keepRevisions: number) {
    this.#keepRevisions = BigInt(keepRevisions);
  }

  /** The revision of the last change; 1 for a store that never held anything. */
  get revision(): bigint {
    return this.#revision;
  }

  /** The oldest revision that can still be read; before any compaction -1, as in etcd. */
  get compactRevision(): bigint {
    return this.#compactRevision;
  }

  /** Calls `listener` after each change and each compaction, until the returned function is called. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Throws if a revision can't be read; 0 and below mean the newest. */
  check(revision: bigint, newest: bigint = this.#revision): void {
    if (revision > newest) throw etcdError("futureRevision");
    if (revision > 0n && revision < this.#compactRevision) throw etcdError("compacted");
  }

  /** The contents of a range of keys at a revision (by default the newest), in key order. */
  read(range: KeyRange, revision = 0n): KeyValue[] {
    const found: KeyValue[] = [];
    for (let i = this.#indexOf(range.start); i < this.#keys.length; i++) {
      const key = this.#keys[i] as Key;
      if (range.end !== undefined && key >= range.end) break;
      const versions = this.#versions.get(key) as Versions;
      const version = revision > 0n ? versions.findLast((v) => v.revision <= revision) : versions.at(-1);
      if (version?.kv !== undefined) found.push(version.kv);
    }
    return found;
  }

  /** The keys attached to a lease, in order. */
  keysOf(lease: bigint): readonly Key[] {
    return [...this.#keysByLease.get(lease) ?? []].sort();
  }

  /** Runs `act` as one write: all its changes share one revision, and listeners are called once. */
  write<T>(act: (write: Write) => T): T {
    const changes: Change[] = [];
    const next = this.#revision + 1n;
    const before = this.#revision;
    const result = act({
      get revision() {
        return changes.length > 0 ? next : before;
      },
      put: (key, value, lease) => changes.push(this.#put(key, value, lease, next)),
      deleteRange: (range) => {
        const held = this.read(range);
        for (const kv of held) changes.push(this.#delete(kv, next));
        return held;
      },
    });
    if (changes.length > 0) {
      this.#revision = next;
      this.#log.push(changes);
      // At twice the number to keep, so that the cost of visiting all keys is spread over as many writes.
      if (next - this.#compactRevision > 2n * this.#keepRevisions) this.compact(next - this.#keepRevisions);
      else this.#notify();
    }
    return result;
  }

  /** The changes of one revision; empty for a compacted or future revision. */
  changes(revision: bigint): readonly Change[] {
    return revision < this.#logStart ? [] : this.#log[Number(revision - this.#logStart)] ?? [];
  }

  /** Discards what was overwritten or deleted at or before a revision. */
  compact(revision: bigint): void {
    if (revision <= this.#compactRevision) throw etcdError("compacted");
    if (revision > this.#revision) throw etcdError("futureRevision");
    this.#compactRevision = revision;
    for (const [key, versions] of this.#versions) {
      const standing = versions.findLastIndex((version) => version.revision <= revision);
      const gone = versions[standing]?.kv === undefined ? standing + 1 : standing;
      versions.splice(0, gone);
      if (versions.length === 0) this.#versions.delete(key);
    }
    this.#keys = this.#keys.filter((key) => this.#versions.has(key));
    if (revision > this.#logStart) {
      this.#log.splice(0, Number(revision - this.#logStart));
      this.#logStart = revision;
    }
    this.#notify();
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  #put(keyBytes: Uint8Array, value: Uint8Array, lease: bigint, revision: bigint): Change {
    const key = keyOf(keyBytes);
    const previous = this.#versions.get(key)?.at(-1)?.kv;
    const kv = create(KeyValueSchema, {
      // Copies: a message's bytes may be a view of a much larger buffer, which would then be retained.
      key: keyBytes.slice(),
      value: value.slice(),
      createRevision: previous?.createRevision ?? revision,
      modRevision: revision,
      version: (previous?.version ?? 0n) + 1n,
      lease,
    });
    this.#append(key, { revision, kv });
    this.#attach(key, previous?.lease ?? 0n, lease);
    return { key, event: create(EventSchema, { type: Event_EventType.PUT, kv }), previous };
  }

  #delete(previous: KeyValue, revision: bigint): Change {
    const key = keyOf(previous.key);
    this.#append(key, { revision, kv: undefined });
    this.#attach(key, previous.lease, 0n);
    const kv = create(KeyValueSchema, { key: bytesOf(key), modRevision: revision });
    return { key, event: create(EventSchema, { type: Event_EventType.DELETE, kv }), previous };
  }

  #append(key: Key, version: Versions[number]): void {
    const versions = this.#versions.get(key);
    if (versions !== undefined) {
      versions.push(version);
      return;
    }
    this.#versions.set(key, [version]);
    this.#keys.splice(this.#indexOf(key), 0, key);
  }

  #attach(key: Key, from: bigint, to: bigint): void {
    if (from === to) return;
    const left = this.#keysByLease.get(from);
    left?.delete(key);
    if (left?.size === 0) this.#keysByLease.delete(from);
    if (to === 0n) return;
    const keys = this.#keysByLease.get(to) ?? new Set();
    this.#keysByLease.set(to, keys.add(key));
  }

  /** The index of the first key that is not less than `key`. */
  #indexOf(key: Key): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle] as Key) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
