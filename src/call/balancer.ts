import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import { Pool } from "../connection/pool.ts";
import type { Connector } from "../connection/link.ts";
import { type BalancerEvent, emit } from "../event.ts";
import type { Picker, Policy } from "../policy/policy.ts";
import type { Resolver, Staleness } from "../resolver/resolver.ts";
import { watchResolver } from "../resolver/watch.ts";
import type { Clock } from "../time/clock.ts";
import type { PendingCall } from "./call.ts";
import { describeBalancer } from "./explain.ts";

/** What a balancer is made of. */
export interface BalancerOptions {
  readonly resolver: Resolver;
  readonly connector: Connector;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onEvent: ((event: BalancerEvent) => void) | undefined;
}

/** What the balancer knows of its service's endpoints. */
export type Knowledge =
  /** Nothing yet. */
  | "unknown"
  /** A set, maybe an empty one. */
  | "known";

/**
 * Joins resolver, pool and policy: sets come in, and calls get connections out. It does nothing before `start`.
 */
export class Balancer {
  readonly target: string;
  readonly pool: Pool;
  readonly #options: BalancerOptions;
  readonly #stop: AbortController = new AbortController();
  readonly #waiting = new Set<PendingCall>();
  #started = false;
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
      onChange: (connections) => this.#rebuild(connections),
      onSet: (added, removed, total) => {
        emit(onEvent, { type: "endpoints-changed", target: this.target, added, removed, total });
      },
      onState: (connection, from, cause) => {
        if (cause !== undefined) options.resolver.refresh?.();
        const to = connection.state, { endpoint } = connection;
        emit(onEvent, { type: "connection-state", target: this.target, endpoint, from, to, ...cause && { cause } });
      },
    });
  }

  get closed(): boolean {
    return this.#stop.signal.aborted;
  }

  /** How many calls wait for a connection. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Begins to resolve, once. */
  start(): void {
    if (this.#started || this.closed) return;
    this.#started = true;
    const { resolver, clock, random, onEvent } = this.#options;
    const { signal } = this.#stop;
    void watchResolver(resolver, (resolution) => {
      const wasStale = this.stale !== undefined;
      this.stale = resolution.stale;
      if (resolution.stale === undefined && wasStale) emit(onEvent, { type: "endpoints-fresh", target: this.target });
      if (resolution.stale !== undefined && !wasStale) {
        emit(onEvent, { type: "endpoints-stale", target: this.target, cause: resolution.stale.cause });
      }
      if (resolution.endpoints === undefined) return;
      this.knowledge = "known";
      this.pool.update(resolution.endpoints);
    }, { clock, random, signal });
  }

  /** Has the call tried again whenever the picker changes, until `forget`. */
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
    this.#stop.abort(new Error("the transport is closed"));
    for (const call of [...this.#waiting]) call.retry();
    await this.pool.close(graceMs);
  }

  #rebuild(connections: readonly EndpointConnection[]): void {
    const { clock, random, policy } = this.#options;
    this.picker = policy(connections, this.picker, { now: () => clock.now(), random });
    // First come, first served; a call that finds nothing stays.
    for (const call of [...this.#waiting]) call.retry();
  }
}
