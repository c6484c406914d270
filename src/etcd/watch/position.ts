import type { ResponseHeader, WatchResponse } from "../driver/driver.ts";
import { Relist } from "./relist.ts";

/** A range of keys, as etcd encodes it: the first one, and the first one after the range. */
export interface KeyRange {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

/** The range of keys with a prefix: up to the first key without the prefix. */
export function keyRange(prefix: string): KeyRange {
  const key = new TextEncoder().encode(prefix);
  // A prefix ends with "/", so its last byte can always be incremented.
  const rangeEnd = key.slice();
  rangeEnd[rangeEnd.length - 1]! += 1;
  return { key, rangeEnd };
}

/** The range of one key. */
export function onlyKey(name: string): KeyRange {
  const key = new TextEncoder().encode(name);
  return { key, rangeEnd: new Uint8Array([...key, 0]) };
}

/** A watch's position in etcd's history, and which history it is. */
export class Position {
  #next: bigint | undefined;
  #seen: ResponseHeader | undefined;

  /** The revision to watch from. Undefined: the list must be read first. */
  get next(): bigint | undefined {
    return this.#next;
  }

  /** A list sets the position, whatever it was before. */
  list(header: ResponseHeader): void {
    this.#seen = header;
    this.#next = header.revision + 1n;
  }

  /** The list must be read again. */
  forget(): void {
    this.#next = undefined;
  }

  /**
   * Checks that a watch, opened after a list, follows the same history. A store that was wiped, or restored from an older
   * copy, has another cluster id, a lower revision, or restarted raft terms. A header that etcd's grpc-proxy made up,
   * for a watch that it merges into another, has no ids and proves nothing.
   *
   * @throws Relist if it follows another history.
   */
  check({ header, created }: WatchResponse): void {
    if (header.clusterId === 0n) return;
    const { clusterId, revision, raftTerm } = this.#seen as ResponseHeader;
    if (header.clusterId !== clusterId) throw new Relist("etcd is a different cluster now");
    if (header.raftTerm !== 0n && header.raftTerm < raftTerm) {
      throw new Relist(`etcd's raft term went back from ${raftTerm} to ${header.raftTerm}`);
    }
    // Within a stream the store stays the same, and responses to progress requests may overtake events.
    if (created && header.revision < revision) {
      throw new Relist(`etcd's revision went back from ${revision} to ${header.revision}`);
    }
    if (header.revision >= revision) this.#seen = header;
  }

  /**
   * Advances past a response's last event. The header carries the store's revision, which during a catch-up is far
   * ahead of the events, so it counts only in a progress notification for this watch alone. (Responses to progress
   * requests may overtake events in etcd before 3.4.25 and 3.5.8: they are only signs of life.)
   */
  advance({ header, watchId, created, fragment, events }: WatchResponse): void {
    // The remaining events of a revision may be in the next fragment.
    if (fragment) return;
    const last = events.at(-1);
    const reached = last !== undefined ? last.kv.modRevision : !created && watchId >= 0n ? header.revision : 0n;
    if (this.#next !== undefined && reached >= this.#next) this.#next = reached + 1n;
  }
}
