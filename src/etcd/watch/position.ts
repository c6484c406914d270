import type { ResponseHeader, WatchResponse } from "../driver/driver.ts";
import { Relist } from "./relist.ts";

/** The keys that begin with a prefix, in etcd's terms: up to the first that doesn't. */
export function keyRange(prefix: string): { readonly key: Uint8Array; readonly rangeEnd: Uint8Array } {
  const key = new TextEncoder().encode(prefix);
  // A prefix ends with "/", so its last byte can always be raised by one.
  const rangeEnd = key.slice();
  rangeEnd[rangeEnd.length - 1]! += 1;
  return { key, rangeEnd };
}

/** Where in etcd's history a watch is, and of which history. */
export class Position {
  #next: bigint | undefined;
  #seen: ResponseHeader | undefined;

  /** The revision to watch from. Undefined: the list has to be read first. */
  get next(): bigint | undefined {
    return this.#next;
  }

  /** A list is what the watch goes on from, whatever was before. */
  list(header: ResponseHeader): void {
    this.#seen = header;
    this.#next = header.revision + 1n;
  }

  forget(): void {
    this.#next = undefined;
    this.#seen = undefined;
  }

  /**
   * Looks, when a watch was opened, whether it shows the history that we follow. A store that was wiped, or restored from
   * an older copy, has another cluster id, a lower revision, or began its raft terms anew. A header that etcd's
   * grpc-proxy made up, for a watch that it joins to another, has no ids and says nothing.
   *
   * @throws Relist if not.
   */
  check({ header, created }: WatchResponse): void {
    if (header.clusterId === 0n) return;
    const { clusterId, revision, raftTerm } = this.#seen ?? header;
    if (header.clusterId !== clusterId) throw new Relist("etcd is another cluster now");
    if (header.raftTerm !== 0n && header.raftTerm < raftTerm) {
      throw new Relist(`etcd's raft term went back from ${raftTerm} to ${header.raftTerm}`);
    }
    // Within a stream the store is the same, and answers to progress requests may overtake events.
    if (created && header.revision < revision) {
      throw new Relist(`etcd's revision went back from ${revision} to ${header.revision}`);
    }
    if (header.revision >= revision) this.#seen = header;
  }

  /**
   * Goes on behind a response's last event. Its header carries the store's revision, which in the midst of catching up
   * is far ahead of its events: it counts only for a notification that is this watch's own. (Answers to progress requests
   * may overtake events in etcd before 3.4.25 and 3.5.8: they are signs of life only.)
   */
  advance({ header, watchId, created, fragment, events }: WatchResponse): void {
    // The rest of a revision's events may be in the next fragment.
    if (fragment) return;
    const last = events.at(-1);
    const reached = last !== undefined ? last.kv.modRevision : !created && watchId >= 0n ? header.revision : 0n;
    if (this.#next !== undefined && reached >= this.#next) this.#next = reached + 1n;
  }
}
