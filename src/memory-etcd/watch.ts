import { create } from "@bufbuild/protobuf";
import { type Event, Event_EventType, EventSchema } from "../../gen/etcd/kv_pb.ts";
import {
  type ResponseHeader,
  type WatchCreateRequest,
  WatchCreateRequest_FilterType,
  type WatchResponse,
  WatchResponseSchema,
} from "../../gen/etcd/rpc_pb.ts";
import { contains, type KeyRange } from "./key-range.ts";
import type { Store } from "./store.ts";

/** How many revisions etcd sends at once to a watch that starts in the past. */
const CATCH_UP_REVISIONS = 1_000n;

/** Creates a response header for a revision. */
export type Header = (revision: bigint) => ResponseHeader;

/**
 * One watch: a position in the store's log of changes. It queues nothing: pending events are read from the log when its
 * stream has room.
 */
export class Watch {
  readonly id: bigint;
  readonly request: WatchCreateRequest;
  readonly #range: KeyRange;
  readonly #store: Store;
  readonly #header: Header;
  /** The first revision that has not been sent. */
  #next: bigint;
  /** Whether it has caught up once: from then on each revision has its own response. */
  #synced: boolean;
  /** It was cancelled because its start was compacted. */
  #compacted = false;
  /** Nothing has been sent since a progress notification was last due. */
  #quiet = true;
  /** A progress notification is due, once nothing else is pending. */
  #due = false;

  constructor(id: bigint, range: KeyRange, request: WatchCreateRequest, store: Store, header: Header) {
    this.id = id;
    this.request = request;
    this.#range = range;
    this.#store = store;
    this.#header = header;
    const { startRevision } = request;
    this.#synced = startRevision === 0n || startRevision > store.revision;
    this.#next = startRevision === 0n ? store.revision + 1n : startRevision;
  }

  /** Called at each interval of progress notifications: one becomes due if nothing was sent during the interval. */
  interval(): void {
    if (!this.request.progressNotify) return;
    this.#due = this.#quiet;
    this.#quiet = true;
  }

  /** The next response, if anything is pending. */
  next(): WatchResponse | undefined {
    const present = this.#store.revision;
    if (this.#compacted) return undefined;
    if (this.#next > present) return this.#progress();
    if (this.#next < this.#store.compactRevision) {
      this.#compacted = true;
      return create(WatchResponseSchema, {
        // etcd sends no revision here.
        header: this.#header(0n),
        watchId: this.id,
        canceled: true,
        compactRevision: this.#store.compactRevision,
      });
    }
    if (this.#synced && present - this.#next > CATCH_UP_REVISIONS) this.#synced = false;
    const events: Event[] = [];
    let revisions = 0n;
    let revision = this.#next;
    for (; revision <= present && revisions < CATCH_UP_REVISIONS; revision++) {
      const found = this.#events(revision);
      if (found.length === 0) continue;
      events.push(...found);
      revisions++;
      if (this.#synced) {
        revision++;
        break;
      }
    }
    this.#next = revision;
    // The header of a catch-up carries the current revision, which is beyond that of its last event.
    const headerRevision = this.#synced ? revision - 1n : present;
    if (revision > present) this.#synced = true;
    if (events.length === 0) return this.#progress();
    this.#quiet = false;
    this.#due = false;
    return create(WatchResponseSchema, { header: this.#header(headerRevision), watchId: this.id, events });
  }

  #events(revision: bigint): Event[] {
    const events: Event[] = [];
    for (const { key, event, previous } of this.#store.changes(revision)) {
      const filter = event.type === Event_EventType.PUT
        ? WatchCreateRequest_FilterType.NOPUT
        : WatchCreateRequest_FilterType.NODELETE;
      if (!contains(this.#range, key) || this.request.filters.includes(filter)) continue;
      // The previous value belongs to the revision before, which may already be compacted.
      const withPrevious = this.request.prevKv && previous !== undefined && revision > this.#store.compactRevision;
      events.push(withPrevious ? create(EventSchema, { ...event, prevKv: previous }) : event);
    }
    return events;
  }

  /** A notification that everything up to the current revision was sent, if one is due. */
  #progress(): WatchResponse | undefined {
    if (!this.#due || !this.#synced) return undefined;
    this.#due = false;
    return create(WatchResponseSchema, { header: this.#header(this.#store.revision), watchId: this.id });
  }
}
