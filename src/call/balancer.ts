import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import { Pool } from "../connection/pool.ts";
import type { Connector } from "../connection/link.ts";
import { type BalancerEvent, emit } from "../event.ts";
import type { Picker, Policy } from "../policy/policy.ts";
import type { Resolution, Resolver, Staleness } from "../resolver/resolver.ts";
import { watchResolver } from "../resolver/watch.ts";
import type { BackoffOptions } from "../time/backoff.ts";
import type { Clock, Timer } from "../time/clock.ts";
import type { PendingCall } from "./wait.ts";
import { describeBalancer, textOf } from "./explain.ts";

/** What a balancer is made of. */
export interface BalancerOptions {
  readonly resolver: Resolver;
  readonly connector: Connector;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onEvent: ((event: BalancerEvent) => void) | undefined;
  readonly backoff: BackoffOptions;
  readonly removedStreamGraceMs: number | undefined;
  /** How long without a call until everything is let go, in milliseconds. */
  readonly idleTimeoutMs: number;
}

/** What the balancer knows of its service's endpoints. */
export type Knowledge =
  /** Nothing yet. */
  | "unknown"
  /** A set, maybe an empty one. */
  | "known";

/**
 * Joins resolver, pool and policy: sets come in, and calls get connections out. It does nothing before `start`, and
 * again after a long time without calls (gRPC's channel idleness).
 */
export class Balancer {
  readonly target: string;
  readonly pool: Pool;
  readonly #options: BalancerOptions;
  readonly #waiting = new Set<PendingCall>();
  #closed = false;
  /** Ends the resolving that is under way. */
  #running: AbortController | undefined;
  #idleCheck: Timer | undefined;
  #previous: Picker | undefined;
  /** Undefined while it does nothing, or has no set yet. */
  picker: Picker | undefined;
  knowledge: Knowledge = "unknown";
  stale: Staleness | undefined;

  constructor(options: BalancerOptions) {
    this.#options = options;
    this.target = options.resolver.target ?? "the service";
    const { onEvent } = options;
    this.pool = new Pool({
      clock: options.clock,
      random: options.random,
      connector: options.connector,
      backoff: options.backoff,
      ...options.removedStreamGraceMs !== undefined && { removedStreamGraceMs: options.removedStreamGraceMs },
      onChange: (connections) => this.#rebuild(connections),
      onSet: (added, removed, total) => {
        emit(onEvent, { type: "endpoints-changed", target: this.target, added, removed, total });
      },
      onState: (connection, from, cause) => {
        if (cause !== undefined) void this.#refresh();
        const to = connection.state, { endpoint } = connection;
        emit(onEvent, { type: "connection-state", target: this.target, endpoint, from, to, ...cause && { cause } });
      },
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** How many calls wait for a connection, or before their next attempt. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Begins to resolve, unless it does already. */
  start(): void {
    if (this.#running !== undefined || this.#closed) return;
    const { resolver, clock, random, onEvent } = this.#options;
    const { signal } = this.#running = new AbortController();
    this.#watchIdleness(0);
    void watchResolver(resolver, {
      told: (resolution) => this.#resolved(resolution),
      skipped: (endpoint, cause) => {
        emit(onEvent, { type: "endpoint-skipped", target: this.target, endpoint, cause });
      },
    }, { clock, random, signal });
  }

  #resolved({ endpoints, stale }: Resolution): void {
    const { onEvent } = this.#options;
    const wasStale = this.stale !== undefined;
    this.stale = stale;
    if (stale === undefined && wasStale) emit(onEvent, { type: "endpoints-fresh", target: this.target });
    if (stale !== undefined && !wasStale) {
      emit(onEvent, { type: "endpoints-stale", target: this.target, cause: stale.cause });
    }
    if (endpoints === undefined) return;
    this.knowledge = "known";
    this.pool.update(endpoints);
  }

  async #refresh(): Promise<void> {
    try {
      await this.#options.resolver.refresh?.();
    } catch (error) {
      console.error("connect-lb: refresh of a resolver threw", error);
    }
  }

  /** Has the call told whenever the picker changes or all is closed, until `forget`. */
  await(call: PendingCall): void {
    this.#waiting.add(call);
  }

  /** The call waits no more. */
  forget(call: PendingCall): void {
    this.#waiting.delete(call);
  }

  /** What a person wants to know when a call got no connection. */
  describe(): string {
    return describeBalancer(this, this.#options.clock.now());
  }

  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    this.#running?.abort(new Error("the transport is closed"));
    this.#idleCheck?.cancel();
    for (const call of [...this.#waiting]) call.retry();
    await this.pool.close(graceMs);
  }

  #rebuild(connections: readonly EndpointConnection[]): void {
    const { clock, random, policy, onEvent } = this.#options;
    try {
      const picker = policy(connections, this.#previous, { now: () => clock.now(), random });
      if (typeof picker?.pick !== "function") {
        const called = typeof picker === "function"
          ? "a function (a policy is made by a call: roundRobin())"
          : String(picker);
        throw new TypeError(`it returned ${called}: expected a picker, { pick(call) }`);
      }
      this.picker = this.#previous = picker;
    } catch (error) {
      const cause = new Error(`the policy failed: ${textOf(error)}`, { cause: error });
      this.picker ??= { pick: () => cause };
      emit(onEvent, { type: "policy-failed", target: this.target, cause });
    }
    // First come, first served; a call that finds nothing stays.
    for (const call of [...this.#waiting]) call.retry();
  }

  /** Looks now and then whether there were calls; looking costs calls nothing. */
  #watchIdleness(picksBefore: number): void {
    const { clock, idleTimeoutMs } = this.#options;
    if (idleTimeoutMs === Infinity) return;
    this.#idleCheck = clock.timer(idleTimeoutMs, () => {
      const { connections } = this.pool;
      const picks = connections.reduce((sum, connection) => sum + connection.picks, 0);
      const busy = this.#waiting.size > 0 || connections.some((connection) => connection.inFlight > 0);
      if (busy || picks !== picksBefore) return this.#watchIdleness(picks);
      this.#running?.abort(new Error("there were no calls"));
      this.#running = this.picker = this.stale = undefined;
      this.knowledge = "unknown";
      this.pool.reset();
    });
  }
}
