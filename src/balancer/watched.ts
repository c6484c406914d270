import type { Resolver } from "../resolver/resolver.ts";
import { watchResolver } from "../resolver/watch.ts";
import { markHopeless } from "../resolver/hopeless.ts";
import type { Timer } from "../time/clock.ts";
import { Heartbeat } from "../time/heartbeat.ts";
import { Balancer, type BalancerOptions } from "./balancer.ts";
import { BalancerSource } from "./balancer-source.ts";

const ENDED = "the endpoints are no longer watched: that ended with the request in which it began. In a Worker use " +
  "createPullTransport(), or createBalancerObject()";

/**
 * A balancer that watches its resolver, whether or not there are calls. It does nothing before `start`, and stops after
 * a long time without calls.
 */
export class WatchedBalancer extends Balancer {
  readonly #resolver: Resolver;
  /** Stops the current resolving. */
  #running: AbortController | undefined;
  #idleCheck: Timer | undefined;
  /** Beats in the request in which the current resolving began, where it would end with that request. */
  readonly #heartbeat: Heartbeat | undefined;

  constructor(resolver: Resolver, options: BalancerOptions, timersBelongToRequests: boolean) {
    super(options);
    this.#resolver = resolver;
    // One that can't be refreshed, such as a static one, need not go on.
    if (timersBelongToRequests && resolver.refresh !== undefined) this.#heartbeat = new Heartbeat(options.clock);
  }

  /** Starts resolving, unless it already does. */
  start(): void {
    if (this.#running !== undefined || this.closed) return;
    const { clock, random } = this.options;
    const { signal } = this.#running = new AbortController();
    this.#watchIdleness(0);
    this.#heartbeat?.start();
    void watchResolver(this.#resolver, {
      resolved: (resolution, leftOut) => this.resolved(resolution, leftOut),
      skipped: (endpoint, cause) => this.skipped(endpoint, cause),
    }, { clock, random, signal });
  }

  /** A call begins: reports, once, that the resolving has silently ended with the request in which it began. */
  checkWatch(): void {
    if (this.#heartbeat?.missing() !== true) return;
    const cause = markHopeless(new Error(ENDED));
    console.error(`connect-lb: ${ENDED}`);
    this.resolved({ endpoints: undefined, stale: { sinceMs: this.options.clock.now(), cause } });
  }

  protected connectionFailed(): void {
    void this.#refresh();
  }

  async #refresh(): Promise<void> {
    try {
      await this.#resolver.refresh?.();
    } catch (error) {
      console.error("connect-lb: refresh of a resolver threw", error);
    }
  }

  override async close(graceMs: number): Promise<void> {
    this.#running?.abort(new Error("the transport is closed"));
    this.#idleCheck?.cancel();
    this.#heartbeat?.stop();
    await super.close(graceMs);
  }

  /** Checks periodically whether there were calls, at no cost to the calls themselves. */
  #watchIdleness(picksBefore: number): void {
    const { clock, idleTimeoutMs } = this.options;
    if (idleTimeoutMs === Infinity) return;
    this.#idleCheck = clock.timer(idleTimeoutMs, () => {
      const { connections } = this.pool;
      const picks = connections.reduce((sum, connection) => sum + connection.picks, 0);
      const busy = this.waiting > 0 || connections.some((connection) => connection.inFlight > 0);
      if (busy || picks !== picksBefore) return this.#watchIdleness(picks);
      this.#running?.abort(new Error("there were no calls"));
      this.#running = undefined;
      this.#heartbeat?.stop();
      this.goIdle();
    });
  }
}

/** A watched balancer as the calls of one transport see it. */
export class WatchedSource extends BalancerSource<WatchedBalancer> {
  override start(): void {
    super.start();
    this.balancer.start();
  }
}
