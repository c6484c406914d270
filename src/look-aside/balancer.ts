import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { LoadBalancer } from "../../gen/grpclb/balancer/v1/balancer_pb.ts";
import type { Connector } from "../connection/link.ts";
import type { RouteOptions } from "../grpc/server/options.ts";
import type { HealthCheck } from "../health/health.ts";
import {
  checkOptions,
  type Checks,
  clock as aClock,
  fn,
  kind,
  listOf,
  makes,
  random as aRandom,
  required,
  time,
  wholeNumber,
} from "../option.ts";
import type { Registry } from "../registry/registry.ts";
import type { Resolver } from "../resolver/resolver.ts";
import { type Clock, systemClock, type Timer } from "../time/clock.ts";
import { BalancedTarget, type BalancedTargetOptions } from "./balanced-target.ts";
import type { Backend } from "./backend-loads.ts";
import { wholeScore } from "./load-report.ts";
import { Turns } from "./turns.ts";

/** Options of {@link lookAsideBalancer}. */
export interface LookAsideBalancerOptions {
  /** Where services are registered; the target that a client asks for is the service's name. */
  readonly registry?: Registry;
  /** In place of a registry: the resolver of a target; undefined: there is no such target. */
  readonly resolver?: (target: string) => Resolver | undefined;
  /** What opens links to the servers, to see whether they can be reached and to ask for their load. */
  readonly connector: Connector;
  /** Checks of the servers; those that fail them are left out. Defaults to none. `[grpcHealth()]` asks `grpc.health.v1`. */
  readonly health?: readonly HealthCheck[];
  /** How often each server is asked for its load, in milliseconds. Defaults to 5,000, as in bsm/grpclb. */
  readonly intervalMs?: number;
  /** How long a server's answer may take, in milliseconds. Defaults to 1,000. */
  readonly timeoutMs?: number;
  /**
   * How many targets it answers for at a time; questions about others fail with ResourceExhausted. One that nobody has
   * asked for within five minutes is forgotten. Defaults to 1,000.
   */
  readonly maxTargets?: number;
  /** The clock of its timers. Defaults to the runtime's. */
  readonly clock?: Clock;
  /** Returns a random number in [0, 1). Defaults to `Math.random`. */
  readonly random?: () => number;
}

/** What {@link lookAsideBalancer} returns. */
export interface LookAsideBalancer extends AsyncDisposable {
  /** Adds `grpclb.balancer.v1.LoadBalancer` to a Connect router. */
  readonly routes: (router: ConnectRouter, options?: RouteOptions) => void;
  /** Closes its connections to servers. Calls that arrive later fail. The registry stays open. */
  close(): Promise<void>;
}

/** How many servers are asked at the same time, of all targets. */
const MOST_ASKED = 64;
/** How long a target that nobody asks for is kept, and how often that is looked at, in milliseconds. */
const KEPT_MS = 300_000, LOOK_MS = 60_000;

const aTime = time("milliseconds above 0, not Infinity", (value) => value > 0 && value < Infinity);

const OPTIONS: Checks<LookAsideBalancerOptions> = {
  registry: kind("a registry, such as createEtcdRegistry(…)", (value) => {
    return typeof (value as Partial<Registry> | null)?.resolver === "function";
  }),
  resolver: fn("a function, (target) => resolver"),
  connector: required(makes("a connector, such as grpcConnector()", (value) => typeof value === "function")),
  health: listOf("an array of health checks, which are functions", (item) => typeof item === "function"),
  intervalMs: aTime,
  timeoutMs: aTime,
  maxTargets: wholeNumber(1),
  clock: aClock,
  random: aRandom,
};

/**
 * A look-aside balancer that speaks the protocol of bsm/grpclb: it tells clients in any language which servers of a
 * service they can call, the least loaded first. `connect-lb balancer` runs one over etcd.
 *
 * ```ts
 * import { createEtcdRegistry } from "connect-lb/etcd";
 * import { lookAsideBalancer } from "connect-lb/look-aside";
 * import { grpcConnector } from "connect-lb/node";
 * import { createGrpcServer } from "connect-lb/server";
 *
 * const registry = createEtcdRegistry({ endpoints: ["http://127.0.0.1:2379"] });
 * const balancer = lookAsideBalancer({ registry, connector: grpcConnector() });
 * const server = createGrpcServer({ routes: balancer.routes });
 * await server.listen({ port: 8383 });
 * ```
 *
 * From the first question about a target on, it watches the target's endpoints and keeps a connection to each. Servers
 * that can't be reached, or have failed to report their load three times in a row, are left out. The score of a server
 * is what it reports by `grpclb.backend.v1.LoadReport` ({@link loadReportRoutes}); without that service, its utilization
 * in percent as ORCA reports it (`reportLoad()`); without both, 0.
 *
 * @throws TypeError or RangeError for an invalid option; the message names it.
 */
export function lookAsideBalancer(options: LookAsideBalancerOptions): LookAsideBalancer {
  checkOptions("lookAsideBalancer()", options, OPTIONS);
  const { registry, resolver } = options;
  if ((registry === undefined) === (resolver === undefined)) {
    throw new TypeError("lookAsideBalancer() takes either registry or resolver: where the servers of a target are");
  }
  return new Balancer(options, resolver ?? ((target) => registry!.resolver(target)));
}

class Balancer implements LookAsideBalancer {
  readonly #resolverOf: (target: string) => Resolver | undefined;
  readonly #options: BalancedTargetOptions;
  readonly #maxTargets: number;
  readonly #targets = new Map<string, BalancedTarget>();
  #look: Timer | undefined;
  #closed = false;

  constructor(options: LookAsideBalancerOptions, resolverOf: (target: string) => Resolver | undefined) {
    const { connector, health = [], intervalMs = 5_000, timeoutMs = 1_000, maxTargets = 1_000 } = options;
    const { clock = systemClock, random = Math.random } = options;
    this.#resolverOf = resolverOf;
    this.#maxTargets = maxTargets;
    this.#options = { connector, health, intervalMs, timeoutMs, turns: new Turns(MOST_ASKED), clock, random };
  }

  readonly routes = (router: ConnectRouter, options?: RouteOptions): void => {
    router.service(LoadBalancer, {
      servers: async ({ target }, { signal }) => ({ servers: (await this.#servers(target, signal)).map(serverOf) }),
    }, options);
  };

  async close(): Promise<void> {
    this.#closed = true;
    this.#look?.cancel();
    const targets = [...this.#targets.values()];
    this.#targets.clear();
    await Promise.all(targets.map((target) => target.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #servers(name: string, signal: AbortSignal): Promise<readonly Backend[]> {
    if (this.#closed) throw new ConnectError("the balancer is closed", Code.Unavailable);
    // As bsm/grpclb answers it.
    if (name === "") return [];
    return await (this.#targets.get(name) ?? this.#add(name)).servers(signal);
  }

  #add(name: string): BalancedTarget {
    if (this.#targets.size >= this.#maxTargets) {
      throw new ConnectError(`this balancer answers for ${this.#maxTargets} targets already`, Code.ResourceExhausted);
    }
    const target = new BalancedTarget(name, this.#resolver(name), this.#options);
    this.#targets.set(name, target);
    this.#look ??= this.#options.clock.timer(LOOK_MS, this.#forgetUnused);
    return target;
  }

  #resolver(name: string): Resolver {
    let resolver: Resolver | undefined;
    try {
      resolver = this.#resolverOf(name);
    } catch (error) {
      // Such as a name that no service can have.
      throw new ConnectError((error as Error).message, Code.InvalidArgument, undefined, undefined, error);
    }
    if (resolver === undefined) throw new ConnectError("there is no such target", Code.NotFound);
    return resolver;
  }

  readonly #forgetUnused = (): void => {
    const { clock } = this.#options, beforeMs = clock.now() - KEPT_MS;
    for (const [name, target] of this.#targets) {
      if (target.usedMs > beforeMs) continue;
      this.#targets.delete(name);
      void target.close();
    }
    this.#look = this.#targets.size === 0 ? undefined : clock.timer(LOOK_MS, this.#forgetUnused);
  };
}

function serverOf({ address, score }: Backend) {
  return { address, score: wholeScore(score) };
}
