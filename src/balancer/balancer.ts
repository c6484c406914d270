import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import type { MakeConnection } from "../connection/make-connection.ts";
import type { InFlightLimit } from "../connection/in-flight-limit.ts";
import { Pool } from "../connection/pool.ts";
import type { Connector } from "../connection/link.ts";
import { Ejected } from "../health/ejected.ts";
import type { HealthCheck } from "../health/health.ts";
import { HealthHost } from "../health/health-host.ts";
import { emit } from "../listener.ts";
import type { Policy, PolicyEnvironment } from "../policy/policy.ts";
import type { Resolution, Staleness } from "../resolver/resolver.ts";
import { isHopeless } from "../resolver/hopeless.ts";
import type { ReadListener } from "../resolver/read.ts";
import { lastValidConfig, type ServiceConfig } from "../resolver/service-config.ts";
import type { BackoffOptions } from "../time/backoff.ts";
import type { Clock } from "../time/clock.ts";
import type { Chooser } from "./chooser.ts";
import { Choosers } from "./choosers.ts";
import { describeBalancer } from "./describe.ts";
import type { BalancerEvent } from "./event.ts";
import type { PendingCall, PickerSource } from "./picker-source.ts";
import { WaitingCalls } from "./waiting-calls.ts";

/** Options of {@link Balancer}. */
export interface BalancerOptions {
  /** What is resolved, and what kind of name that is. */
  readonly target: string | undefined;
  readonly scheme?: string | undefined;
  readonly connector: Connector;
  readonly makeConnection: MakeConnection;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly random: () => number;
  readonly checks: readonly HealthCheck[];
  /** See {@link HealthHost}. */
  readonly panicShare: number;
  readonly onEvent: ((event: BalancerEvent) => void) | undefined;
  readonly backoff: BackoffOptions;
  readonly removedStreamGraceMs: number | undefined;
  /** How many attempts may be in flight; undefined: any number. */
  readonly limit?: InFlightLimit | undefined;
  /** How long without a call until the set is forgotten and connections are closed, in milliseconds. */
  readonly idleTimeoutMs: number;
}

/** What an event says besides its type and target. */
type Rest<Type extends BalancerEvent["type"]> = Omit<
  Extract<BalancerEvent, { readonly type: Type }>,
  "type" | "target"
>;

/** What the balancer knows about its service's endpoints. */
export type Knowledge =
  /** Nothing yet. */
  | "unknown"
  /** A set, possibly empty. */
  | "known";

/**
 * Joins pool, policies and health: sets of endpoints come in, and calls get connections. How the sets are resolved is
 * decided by the subclasses: `watched.ts` and `pulled.ts`. What is here is shared by all calls; the calls of each
 * transport have a chooser of their own.
 */
export abstract class Balancer implements ReadListener {
  readonly target: string;
  readonly scheme: string | undefined;
  readonly pool: Pool;
  readonly outcomes: PickerSource["outcomes"];
  /** What chooses by the policy of the options. */
  readonly chooser: Chooser;
  protected readonly options: BalancerOptions;
  protected readonly calls: WaitingCalls = new WaitingCalls();
  /** When a ready connection was last lost or removed. */
  #lostReadyMs = -Infinity;
  #closed = false;
  readonly #configOf: (config: Resolution["config"]) => ServiceConfig | undefined;
  readonly #health: HealthHost;
  readonly #choosers: Choosers;
  readonly #listeners = new Set<(event: BalancerEvent) => void>();
  config: PickerSource["config"] = "unknown";
  knowledge: Knowledge = "unknown";
  stale: Staleness | undefined;
  /** Hears of weights that policies compute from load reports; undefined if nobody asks. */
  onWeights: PolicyEnvironment["reportWeights"];
  /** Why an endpoint of the set was skipped, if one was. */
  leftOut: Error | undefined;

  constructor(options: BalancerOptions) {
    this.options = options;
    this.target = options.target ?? "the service";
    this.scheme = options.scheme;
    this.#configOf = lastValidConfig((cause) => this.#emit("config-skipped", { cause }));
    this.#choosers = new Choosers({
      clock: options.clock,
      random: options.random,
      weightsListener: () => this.onWeights,
      onUpdate: () => this.pool.touch(),
      onFailed: (cause) => this.#emit("policy-failed", { cause }),
    });
    this.chooser = this.#choosers.make(options.policy, { shares: false });
    this.#health = new HealthHost({
      ...options,
      successes: () => this.pool.successes,
      onHealth: ({ endpoint }, health) => {
        if (!(health instanceof Error)) return this.#emit("connection-health", { endpoint, health });
        const ejected = health instanceof Ejected &&
          { ejectedForMs: health.untilMs - options.clock.now(), ejectedBy: health.rule };
        this.#emit("connection-health", { endpoint, health: "failing", ...ejected, cause: health });
      },
      onUnenforced: ({ endpoint }, rule) => this.#emit("ejection-unenforced", { endpoint, rule }),
      onPanic: (panic) => this.#emit("panic-changed", { panic }),
    });
    this.outcomes = this.#health.outcomes;
    this.pool = new Pool({
      ...options,
      onChange: (connections) => this.#rebuild(connections),
      onSet: (added, removed, total) => this.#emit("endpoints-changed", { added, removed, total }),
      onState: (connection, from, cause) => {
        if (cause !== undefined) this.connectionFailed();
        if (from === "ready") this.#lostReadyMs = options.clock.now();
        const to = connection.state, { endpoint, goaway } = connection;
        this.#emit("connection-state", { endpoint, from, to, ...cause && { cause }, ...goaway && { goaway } });
        this.#health.look(connection);
      },
      onRoom: (connection) => this.hasRoom(connection),
    });
  }

  /** Calls the listener at each event from now on, until the function that it returns is called. */
  subscribe(listener: (event: BalancerEvent) => void): () => void {
    // A function of its own, so that a listener that is added twice is removed once.
    const added = (event: BalancerEvent) => listener(event);
    this.#listeners.add(added);
    return () => void this.#listeners.delete(added);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** How many calls wait for a connection, or before their next attempt. */
  get waiting(): number {
    return this.calls.size;
  }

  get serving(): boolean {
    return this.calls.serving;
  }

  get full(): boolean {
    return this.pool.connections.some((connection) => connection.full);
  }

  get overload(): string | undefined {
    const { limit } = this.options;
    if (limit === undefined || !this.pool.connections.some((connection) => connection.limited)) return undefined;
    return limit.describe();
  }

  /** A connection failed: the set may be out of date. */
  protected abstract connectionFailed(): void;

  skipped(endpoint: unknown, cause: Error): void {
    this.#emit("endpoint-skipped", { endpoint, cause });
  }

  /** What is known about the endpoints has changed. */
  protected resolved({ endpoints, stale, config }: Resolution, leftOut?: Error): void {
    const wasStale = this.stale !== undefined;
    this.stale = stale;
    if (stale === undefined && wasStale) this.#emit("endpoints-fresh", {});
    if (stale !== undefined && !wasStale) this.#emit("endpoints-stale", { cause: stale.cause });
    if (endpoints === undefined) return this.#failIfHopeless();
    this.leftOut = leftOut;
    this.knowledge = "known";
    const valid = this.config = this.#configOf(config);
    this.chooser.use(valid?.policy ?? this.options.policy);
    this.pool.update(endpoints);
  }

  /** Waiting does not fix the resolver: calls that don't wait for readiness fail and say why. */
  #failIfHopeless(): void {
    if (this.#choosers.know || this.stale === undefined || !isHopeless(this.stale.cause)) return;
    this.#choosers.fail(new Error("there are no endpoints"));
    this.wakeCalls();
  }

  /** What chooses by another policy, over the same connections; for calls that share everything else. */
  chooserOf(policy: Policy): Chooser {
    return this.#choosers.make(policy, { shares: true });
  }

  /** A call needs the chooser's picker. */
  activate(chooser: Chooser): void {
    if (chooser.active || chooser.closed || this.#closed) return;
    this.#choosers.activate(chooser);
    this.#failIfHopeless();
  }

  /** The chooser's transport is closed: its calls fail. */
  release(chooser: Chooser): void {
    this.#choosers.release(chooser);
    this.wakeCalls();
  }

  await(call: PendingCall): void {
    this.calls.add(call);
  }

  forget(call: PendingCall): void {
    this.calls.delete(call);
  }

  hasRoom(connection: EndpointConnection): void {
    this.calls.hasRoom(connection);
  }

  /**
   * How much longer a call that got no connection within `waitTimeoutMs` waits: without limit for a server that is up
   * and busy, and for `waitTimeoutMs` after the loss of a ready connection.
   */
  moreTimeMs(waitTimeoutMs: number): number {
    if (this.full) return waitTimeoutMs;
    return this.#lostReadyMs + waitTimeoutMs - this.options.clock.now();
  }

  /** Whether health is ignored, because too few connections would be left. */
  get panic(): boolean {
    return this.#health.panic;
  }

  describeHealth(): string | undefined {
    return this.#health.describe();
  }

  /** The state of the service, for the error of a call that got no connection. */
  describe(): string {
    return describeBalancer(this, this.options.clock.now());
  }

  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    this.calls.retryAll();
    this.#choosers.close();
    this.#health.close();
    await this.pool.close(graceMs);
  }

  /** There were no calls for a long time: starts over with the next one (gRPC's channel idleness). */
  protected goIdle(): void {
    this.forgetSet();
    this.#choosers.deactivate();
    this.stale = undefined;
    this.config = "unknown";
    this.pool.reset();
  }

  /** Nothing is known about the endpoints any more. */
  protected forgetSet(): void {
    this.knowledge = "unknown";
    this.#choosers.forget();
  }

  #rebuild(connections: readonly EndpointConnection[]): void {
    // Stateless links are ready from the start, without a state change.
    for (const connection of connections) this.#health.look(connection);
    this.#choosers.build(connections);
    this.wakeCalls();
  }

  #emit<Type extends BalancerEvent["type"]>(type: Type, rest: Rest<Type>): void {
    const event = { type, target: this.target, ...rest } as unknown as BalancerEvent;
    emit(this.options.onEvent, event);
    for (const listener of [...this.#listeners]) emit(listener, event);
  }

  /** There is a new picker for calls that wait. */
  protected wakeCalls(): void {
    this.calls.retryAll();
  }
}
