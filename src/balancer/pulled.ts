import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import { asError } from "../error-text.ts";
import { resolutionReader } from "../resolver/read.ts";
import type { Resolution, Resolver } from "../resolver/resolver.ts";
import type { Clock, Timer } from "../time/clock.ts";
import { PassiveClock } from "../time/passive-clock.ts";
import { untilAborted } from "../time/until-aborted.ts";
import { Balancer, type BalancerOptions } from "./balancer.ts";
import { Freshness } from "./freshness.ts";
import type { PendingCall } from "./picker-source.ts";

/** How long a list may take. */
const LIST_TIMEOUT_MS = 10_000;

/** A waiting call that has not looked for this long is gone, with its request. */
const GONE_MS = 60_000;

/** A call that waits. */
export interface Look {
  /** The source that looks for it. */
  readonly source: object;
  lookedMs: number;
  /** Ends the pause before the next look. */
  timer: Timer | undefined;
}

/** A resolver that can be read once. It need not be able to watch. */
export type ListingResolver = Required<Pick<Resolver, "list">> & Pick<Resolver, "target" | "scheme">;

/**
 * A balancer that resolves only when a call needs it, and does nothing between calls. Requests share what it knows, but
 * nothing that belongs to one of them: no promise, timer, signal or I/O (in workerd, using another request's is an
 * error or hangs). Each request has its own {@link PulledSource} (`pulled-source.ts`), which lists, waits and sets
 * timers. What the parts above would do with timers of their own is done at the next call.
 */
export class PulledBalancer extends Balancer {
  readonly freshness: Freshness;
  /** The clock for the timers of calls. */
  readonly callClock: Clock;
  readonly #timers: PassiveClock;
  readonly #resolver: ListingResolver;
  readonly #idleTimeoutMs: number;
  readonly #read = resolutionReader(this);
  #usedMs = -Infinity;
  /** Whether the last set was empty. */
  #empty = false;
  /** The calls that wait, the one that looked longest ago first. */
  readonly #looks = new Map<PendingCall, Look>();

  /** `maxAgeMs`: how old a set may be. */
  constructor(resolver: ListingResolver, maxAgeMs: number, options: BalancerOptions) {
    const timers = new PassiveClock(options.clock);
    super({ ...options, clock: timers });
    this.#timers = timers;
    this.callClock = options.clock;
    this.#resolver = resolver;
    this.#idleTimeoutMs = options.idleTimeoutMs;
    this.freshness = new Freshness(maxAgeMs, options.random);
  }

  /** Catches up with the time that has passed. Returns the time. */
  catchUp(): number {
    const nowMs = this.callClock.now();
    if (nowMs - this.#usedMs > this.#idleTimeoutMs) {
      this.freshness.reset();
      this.goIdle();
    }
    this.#usedMs = nowMs;
    this.#timers.run();
    if (this.#empty && !this.freshness.fresh(nowMs) && this.pool.connections.length === 0) this.#forgetEmpty();
    if (this.freshness.overdue(nowMs)) {
      // Perhaps only the request that asked is gone: as long as there is no set, the next call asks at once.
      if (this.knowledge === "unknown") this.freshness.lost();
      else this.freshness.failed(nowMs);
      this.#markStale(nowMs, new Error("list() of the resolver did not answer"));
    }
    return nowMs;
  }

  /** Whether there is an endpoint that calls could use while the set is read again. */
  get usable(): boolean {
    return this.pool.connections.some(({ failure }) => failure === undefined);
  }

  /** How long until something may happen without a call, in milliseconds. */
  get dueInMs(): number {
    return this.#timers.dueInMs;
  }

  /** Reads the set. The promise belongs to the caller's request, and never rejects. */
  async list(): Promise<void> {
    const number = this.freshness.began(this.callClock.now());
    const abort = new AbortController();
    const text = `list() of the resolver did not answer within ${LIST_TIMEOUT_MS} ms`;
    const timer = this.callClock.timer(LIST_TIMEOUT_MS, () => abort.abort(new Error(text)));
    let end: () => void;
    try {
      const { resolution, leftOut } = this.#read(await untilAborted(this.#ask(abort.signal), abort.signal));
      end = () => this.#listed(resolution, leftOut);
    } catch (error) {
      end = () => this.#failed(asError(error));
    }
    timer.cancel();
    if (!this.closed && this.freshness.ended(number)) end();
  }

  /** Rejects if `list` throws. */
  async #ask(signal: AbortSignal): Promise<Resolution> {
    return await this.#resolver.list(signal);
  }

  #listed(resolution: Resolution, leftOut: Error | undefined): void {
    const nowMs = this.callClock.now();
    if (resolution.stale === undefined) this.freshness.succeeded(nowMs);
    else this.freshness.failed(nowMs);
    this.#empty = resolution.endpoints?.length === 0;
    this.resolved(resolution, leftOut);
  }

  /** An empty set has nothing to use while it is read again: once it is too old, it counts as if there were none. */
  #forgetEmpty(): void {
    this.#empty = false;
    this.forgetSet();
  }

  #failed(cause: Error): void {
    const nowMs = this.callClock.now();
    this.freshness.failed(nowMs);
    this.#markStale(nowMs, cause);
  }

  #markStale(nowMs: number, cause: Error): void {
    this.resolved({ endpoints: undefined, stale: { sinceMs: this.stale?.sinceMs ?? nowMs, cause } });
  }

  protected connectionFailed(): void {
    this.freshness.suspect(this.callClock.now());
  }

  /** A link with states serves several requests only where these may wake each other: not in workerd. */
  protected override wakeCalls(): void {
    if (this.pool.connections.some((connection) => !connection.stateless)) super.wakeCalls();
  }

  override hasRoom(connection: EndpointConnection): void {
    if (!connection.stateless) super.hasRoom(connection);
  }

  /** Calls that wait for a source. */
  waitingFor(source: object): PendingCall[] {
    return [...this.#looks].filter(([, look]) => look.source === source).map(([call]) => call);
  }

  /** The call waits; `look` must follow from time to time. */
  wait(call: PendingCall, source: object): void {
    this.#looks.set(call, { source, lookedMs: this.callClock.now(), timer: undefined });
    this.await(call);
  }

  /** A call that waits looks again. Returns its state unless it no longer waits. */
  look(call: PendingCall): Look | undefined {
    const nowMs = this.catchUp(), look = this.#looks.get(call);
    if (look === undefined) return undefined;
    look.timer?.cancel();
    look.lookedMs = nowMs;
    this.#looks.delete(call);
    this.#looks.set(call, look);
    for (const [other, { lookedMs }] of this.#looks) {
      if (nowMs - lookedMs < GONE_MS) break;
      this.#looks.delete(other);
      super.forget(other);
    }
    call.retry();
    return this.#looks.get(call);
  }

  override forget(call: PendingCall): void {
    this.#looks.get(call)?.timer?.cancel();
    this.#looks.delete(call);
    super.forget(call);
  }
}
