import type { Endpoint } from "../../endpoint.ts";
import type { EtcdClient } from "../client/client.ts";
import type { ResponseHeader, WatchRequest, WatchResponse, WatchStream as DriverStream } from "../driver/driver.ts";
import { EtcdError } from "../driver/failure.ts";
import type { Probed } from "./endpoint-probes.ts";
import { LifeSigns, PROGRESS } from "./life-signs.ts";
import { cancellation } from "./relist.ts";
import { WatchLiveness } from "./watch-liveness.ts";

/** The consumer of one watch on a stream. */
export interface Watcher {
  readonly request: Omit<WatchRequest, "watchId">;
  /**
   * Receives every response except refusals, in order, the first with `created`. An error it throws ends this watch
   * only.
   */
  onResponse(response: WatchResponse): void;
  /** The watch has ended, with the cause. Not called for a watch that was left. */
  onEnd(cause: unknown): void;
}

/** A watcher's state on a stream. */
interface Place {
  readonly watcher: Watcher;
  /** The id that was requested, then the one that the server gave. */
  id: bigint;
  state: "pending" | "open" | "left";
}

/**
 * One stream of etcd's Watch service with any number of watches on it, told apart by ids. What ends one of them, such
 * as a compaction or a missing permission, leaves the others alone; they share the stream's end and its signs of life.
 *
 * Watches request ids chosen by this side, so that they can all be created at once. etcd's grpc-proxy (and etcd before
 * 3.4) chooses the ids itself and answers in an order of its own, so there watches are created one at a time. The first
 * watch is created alone, to find out which kind of server it is.
 */
export class WatchStream implements Probed {
  readonly endpoint: Endpoint;
  readonly token: string | undefined;
  readonly #onClosed: () => void;
  readonly #generation: number;
  readonly #stream: DriverStream;
  readonly #signs: LifeSigns;
  readonly #liveness: WatchLiveness;
  readonly #own = new AbortController();
  readonly #open = new Map<bigint, Place>();
  #waiting: Place[] = [];
  /** Requested but not yet answered, in order. */
  #sent: Place[] = [];
  #lastId = 0n;
  /** Whether the server uses the requested ids. Undefined: not known yet. */
  #takesIds: boolean | undefined;

  /** Opens the stream. Calls `onClosed` when it is closed, by whichever side. */
  constructor(client: EtcdClient, endpoint: Endpoint, token: string | undefined, onClosed: () => void) {
    const { driver, clock, requestTimeoutMs } = client;
    this.endpoint = endpoint;
    this.token = token;
    this.#onClosed = onClosed;
    this.#generation = driver.generation(endpoint);
    const context = { endpoint, token, signal: this.#own.signal };
    this.#stream = driver.watch(context);
    this.#signs = new LifeSigns({
      client,
      context,
      watches: () => Array.from(this.#open.values(), ({ watcher }) => watcher.request),
      requestProgress: () => this.#stream.requestProgress(),
      heard: (progress) => {
        this.#liveness.heard();
        if (progress !== undefined) this.#deliverToAll(progress);
      },
      failed: (cause) => this.#end(cause),
    });
    this.#liveness = new WatchLiveness({
      clock,
      address: endpoint.address,
      requestTimeoutMs,
      ask: driver.capabilities.progress ? (times) => this.#askForLife(times) : undefined,
      dead: (cause) => {
        // The session may be half open: nothing on it would ever fail by itself.
        driver.reset(endpoint, this.#generation);
        this.#end(cause);
      },
    });
    void this.#read();
  }

  /** How many watches it has, including those not yet created. */
  get size(): number {
    return this.#open.size + this.#sent.length + this.#waiting.length;
  }

  /**
   * Whether the server is etcd itself, as far as can be told. A proxy in between may silently lose a watch, and does
   * not answer progress requests: some versions of etcd's grpc-proxy crash on one.
   */
  get direct(): boolean {
    return this.#takesIds !== false;
  }

  get key(): Uint8Array | undefined {
    const [open] = this.#open.values();
    return open?.watcher.request.key;
  }

  read(header: ResponseHeader): void {
    this.#deliverToAll({ ...PROGRESS, header });
  }

  /** Creates a watch on the stream. Returns a function that removes it. */
  add(watcher: Watcher): () => void {
    const place: Place = { watcher, id: 0n, state: "pending" };
    this.#waiting.push(place);
    this.#send();
    return () => this.#leave(place);
  }

  /** Probes for a sign of life now. */
  ask(): void {
    this.#liveness.ask();
  }

  async #read(): Promise<void> {
    try {
      for await (const response of this.#stream.responses) {
        this.#liveness.heard();
        this.#take(response);
      }
      throw new EtcdError(`etcd at ${this.endpoint.address} ended the watch`, "transient");
    } catch (error) {
      this.#end(error);
    }
  }

  #take(response: WatchResponse): void {
    const { watchId, created, canceled } = response;
    this.#signs.seen(response.header);
    if (created) this.#answered(response);
    else if (canceled) this.#canceled(response);
    else if (watchId < 0n) {
      this.#signs.progress();
      this.#deliverToAll(response);
    } else {
      this.#deliver(this.#open.get(watchId), response);
      this.#liveness.events();
    }
  }

  /** A watch was created, or refused. */
  #answered(response: WatchResponse): void {
    const { watchId, canceled } = response;
    if (!canceled && this.#open.has(watchId)) {
      throw new EtcdError(`etcd assigned two watches the id ${watchId}`, "transient");
    }
    const place = this.#sent.splice(Math.max(0, this.#sent.findIndex(({ id }) => id === watchId)), 1)[0];
    if (place === undefined) return;
    this.#liveness.created();
    if (!canceled) this.#takesIds ??= watchId === place.id;
    if (place.state === "left") {
      if (!canceled) this.#stream.cancel(watchId);
    } else if (canceled) this.#finish(place, cancellation(response));
    else {
      place.state = "open";
      place.id = watchId;
      this.#open.set(watchId, place);
      this.#liveness.begin();
      this.#deliver(place, response);
    }
    this.#send();
    this.#closeIfEmpty();
  }

  #canceled(response: WatchResponse): void {
    const { watchId } = response;
    // A cancellation without a watch id applies to all.
    if (watchId < 0n) return this.#end(cancellation(response));
    const place = this.#open.get(watchId);
    if (place === undefined) return;
    this.#open.delete(watchId);
    // etcd and its proxy keep a compacted watch until the client cancels it as well.
    this.#stream.cancel(watchId);
    this.#finish(place, cancellation(response));
    this.#closeIfEmpty();
  }

  #deliver(place: Place | undefined, response: WatchResponse): void {
    // It may have left during another watcher's callback.
    if (place?.state !== "open") return;
    try {
      place.watcher.onResponse(response);
    } catch (error) {
      this.#leave(place);
      place.watcher.onEnd(error);
    }
  }

  #deliverToAll(response: WatchResponse): void {
    for (const place of [...this.#open.values()]) this.#deliver(place, response);
  }

  #finish(place: Place, cause: unknown): void {
    if (place.state === "left") return;
    place.state = "left";
    place.watcher.onEnd(cause);
  }

  #leave(place: Place): void {
    const { state, id } = place;
    place.state = "left";
    // A requested one keeps its place in the order of answers.
    this.#waiting = this.#waiting.filter((other) => other !== place);
    if (state === "open") {
      this.#open.delete(id);
      this.#stream.cancel(id);
    }
    this.#closeIfEmpty();
  }

  #send(): void {
    const most = this.#takesIds === true ? Infinity : 1;
    while (this.#waiting.length > 0 && this.#sent.length < most) {
      const place = this.#waiting.shift() as Place;
      place.id = ++this.#lastId;
      this.#sent.push(place);
      this.#stream.create({ ...place.watcher.request, watchId: place.id });
    }
    if (this.#sent.length > 0) this.#liveness.awaitsCreation();
  }

  #askForLife(times: number): void {
    if (this.direct) this.#signs.ask(times);
    else this.#signs.read();
  }

  #closeIfEmpty(): void {
    if (this.#open.size > 0 || this.#waiting.length > 0) return;
    if (this.#sent.every(({ state }) => state === "left")) this.#close();
  }

  #end(cause: unknown): void {
    const places = [...this.#open.values(), ...this.#sent, ...this.#waiting];
    this.#close();
    for (const place of places) this.#finish(place, cause);
  }

  #close(): void {
    if (this.#own.signal.aborted) return;
    this.#liveness.stop();
    this.#open.clear();
    this.#sent = [];
    this.#waiting = [];
    this.#own.abort();
    this.#onClosed();
  }
}
