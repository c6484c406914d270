import { create } from "@bufbuild/protobuf";
import type { Event } from "../../gen/etcd/kv_pb.ts";
import {
  type WatchCreateRequest,
  type WatchRequest,
  type WatchResponse,
  WatchResponseSchema,
} from "../../gen/etcd/rpc_pb.ts";
import type { Clock, Timer } from "../time/clock.ts";
import { keyRange } from "./key-range.ts";
import type { Store } from "./store.ts";
import { type Header, Watch } from "./watch.ts";

/** A watch that requested fragments gets no larger response, unless a single event is larger (etcd's default). */
const FRAGMENT_BYTES = 2 * 1024 * 1024;
/** etcd's default interval of progress notifications for quiet watches that requested them. */
const PROGRESS_INTERVAL_MS = 10 * 60_000;
/** The watch id of responses that belong to no watch. */
const NO_WATCH = -1n;
/** Requests are not read while this many answers are waiting to be consumed. */
const MAX_ANSWERS = 16;

/** One stream of the Watch service, which carries any number of watches. */
export class WatchStream {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #header: Header;
  readonly #watches = new Map<bigint, Watch>();
  readonly #answers: WatchResponse[] = [];
  #progressRequests = 0;
  /** The remaining pieces of a response that was split. */
  #fragments: WatchResponse[] = [];
  #nextId = 0n;
  #progress: Timer | undefined;
  #wake: (() => void)[] = [];

  constructor(store: Store, clock: Clock, header: Header) {
    this.#store = store;
    this.#clock = clock;
    this.#header = header;
  }

  /**
   * Answers requests with responses until `signal` aborts. The end of the requests does not end the watches. Responses
   * are created only when they are consumed: a slow reader costs no memory, and misses nothing unless its past is
   * compacted.
   */
  async *run(requests: AsyncIterable<WatchRequest>, signal: AbortSignal): AsyncGenerator<WatchResponse> {
    const wake = () => this.#wakeUp();
    const unsubscribe = this.#store.subscribe(wake);
    signal.addEventListener("abort", wake);
    let failure: { error: unknown } | undefined;
    this.#read(requests, signal).catch((error) => {
      failure = { error };
      this.#wakeUp();
    });
    try {
      while (!signal.aborted) {
        if (failure !== undefined) throw failure.error;
        const response = this.#next();
        if (response !== undefined) yield response;
        else await this.#change();
      }
    } finally {
      unsubscribe();
      signal.removeEventListener("abort", wake);
      this.#progress?.cancel();
      this.#wakeUp();
    }
  }

  async #read(requests: AsyncIterable<WatchRequest>, signal: AbortSignal): Promise<void> {
    for await (const { requestUnion: request } of requests) {
      if (request.case === "createRequest") this.#create(request.value);
      else if (request.case === "cancelRequest") this.#cancel(request.value.watchId);
      else if (request.case === "progressRequest") this.#progressRequests++;
      this.#wakeUp();
      while (this.#answers.length + this.#progressRequests >= MAX_ANSWERS && !signal.aborted) await this.#change();
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #wakeUp(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const wake of waiting) wake();
  }

  #create(request: WatchCreateRequest): void {
    // An empty key means the smallest key; with an end, all keys before that.
    const range = keyRange(request.key.length > 0 ? request.key : new Uint8Array(1), request.rangeEnd);
    const revision = this.#store.revision;
    const refusal = range.end !== undefined && range.start >= range.end
      ? "mvcc: watcher range is empty"
      : this.#watches.has(request.watchId) && request.watchId !== 0n
      ? "mvcc: duplicate watch ID provided on the WatchStream"
      : undefined;
    if (refusal !== undefined) {
      this.#answer({ revision, watchId: NO_WATCH, created: true, canceled: true, cancelReason: refusal });
      return;
    }
    let id = request.watchId;
    if (id === 0n) {
      while (this.#watches.has(this.#nextId)) this.#nextId++;
      id = this.#nextId++;
    }
    this.#watches.set(id, new Watch(id, range, request, this.#store, this.#header));
    this.#answer({ revision, watchId: id, created: true });
    if (request.progressNotify) this.#progress ??= this.#progressTimer();
  }

  #cancel(id: bigint): void {
    if (!this.#watches.delete(id)) return;
    this.#fragments = this.#fragments.filter((fragment) => fragment.watchId !== id);
    this.#answer({ revision: this.#store.revision, watchId: id, canceled: true });
  }

  #answer(
    { revision, ...response }: Omit<Partial<WatchResponse>, "$typeName" | "header"> & { revision: bigint },
  ): void {
    this.#answers.push(create(WatchResponseSchema, { ...response, header: this.#header(revision) }));
  }

  /** The next response, created when it is requested. */
  #next(): WatchResponse | undefined {
    const fragment = this.#fragments.shift() ?? this.#answers.shift();
    if (fragment !== undefined) {
      this.#wakeUp();
      return fragment;
    }
    for (const watch of this.#watches.values()) {
      const response = watch.next();
      if (response === undefined) continue;
      // To the back of the queue: a watch with a long catch-up must not block the other watches of its stream.
      this.#watches.delete(watch.id);
      this.#watches.set(watch.id, watch);
      if (!watch.request.fragment) return response;
      this.#fragments = split(response);
      return this.#fragments.shift();
    }
    // Progress confirms that everything before it was sent, so it is sent once no watch has anything pending.
    if (this.#progressRequests === 0) return undefined;
    this.#progressRequests--;
    this.#wakeUp();
    return create(WatchResponseSchema, { header: this.#header(this.#store.revision), watchId: NO_WATCH });
  }

  #progressTimer(): Timer {
    return this.#clock.timer(PROGRESS_INTERVAL_MS, () => {
      for (const watch of this.#watches.values()) watch.interval();
      this.#progress = this.#progressTimer();
      this.#wakeUp();
    });
  }
}

/** Splits a response that is too large; all pieces but the last are marked as fragments. */
function split(response: WatchResponse): WatchResponse[] {
  const pieces: Event[][] = [[]];
  let size = 0;
  for (const event of response.events) {
    const bytes = [event.kv, event.prevKv].reduce((sum, kv) => sum + (kv ? kv.key.length + kv.value.length : 0), 64);
    if (size > 0 && size + bytes >= FRAGMENT_BYTES) {
      pieces.push([]);
      size = 0;
    }
    pieces.at(-1)?.push(event);
    size += bytes;
  }
  return pieces.map((events, i) =>
    create(WatchResponseSchema, { ...response, events, fragment: i < pieces.length - 1 })
  );
}
