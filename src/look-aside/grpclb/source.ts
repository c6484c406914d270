import type { Transport } from "@connectrpc/connect";
import { asError } from "../../error-text.ts";
import type { Policy, PolicyEnvironment } from "../../policy/policy.ts";
import { LatestValue } from "../../resolver/latest-value.ts";
import type { Resolution, Resolver, Staleness } from "../../resolver/resolver.ts";
import type { ServiceConfig } from "../../resolver/service-config.ts";
import { watchResolver } from "../../resolver/watch.ts";
import { Backoff, sleep } from "../../time/backoff.ts";
import type { Clock, Timer } from "../../time/clock.ts";
import type { BalancerTransport } from "../balancer-transport.ts";
import { balanceLoad, type BalanceLoadListener } from "./balance-load.ts";
import { ClientStats } from "./client-stats.ts";
import { grpclbPolicy, type GrpclbShared } from "./policy.ts";
import type { ServerList } from "./server-list.ts";

/** gRPC's connection backoff, which its clients use between streams, too. */
const BACKOFF = { initialMs: 1_000, maxMs: 120_000 };

/** Options of {@link GrpclbSource}. */
export interface GrpclbSourceOptions {
  readonly name: string;
  readonly balancer: BalancerTransport;
  /** Where the servers are when the balancer doesn't say. */
  readonly fallback: Resolver | undefined;
  readonly fallbackTimeoutMs: number;
  /** What resolutions say of the service's calls, beside the policy. */
  readonly serviceConfig: ServiceConfig;
  readonly clock: Clock;
  readonly random: () => number;
}

/** The servers of a service as a balancer lists them: keeps a stream to the balancer while there are consumers. */
export class GrpclbSource implements GrpclbShared, BalanceLoadListener {
  readonly stats: ClientStats = new ClientStats();
  readonly #options: GrpclbSourceOptions;
  readonly #config: ServiceConfig;
  readonly #backoff: Backoff;
  readonly #latest: LatestValue<Resolution>;
  /** Whether servers of the transports that use it can be called. */
  readonly #reachable = new Map<PolicyEnvironment, boolean>();
  /** The newest list, in use or not. */
  #list: ServerList | undefined;
  /** Since when there is no stream, and why; undefined while there is one, or before the first has ended. */
  #lost: Staleness | undefined;
  /** Ends the fallback; undefined: the list is in use. */
  #fallback: AbortController | undefined;
  #fallbackSet: Resolution | undefined;
  #timer: Timer | undefined;
  #stop: AbortController | undefined;

  constructor(options: GrpclbSourceOptions) {
    this.#options = options;
    const policy: Policy = grpclbPolicy(this);
    this.#config = { ...options.serviceConfig, policy };
    this.#backoff = new Backoff(BACKOFF, options.random);
    this.#latest = new LatestValue(() => this.#resolution, (consumers) => {
      if (consumers === 0) this.#end();
      else if (this.#stop === undefined) this.#start();
    });
  }

  resolve(signal: AbortSignal): AsyncIterable<Resolution> {
    return this.#latest.consume(signal);
  }

  /** Asks once: waits for the first list, or reads the fallback if there is none in time. */
  async read(signal: AbortSignal): Promise<Resolution> {
    const { balancer, name, clock, fallback, fallbackTimeoutMs } = this.#options, asking = new AbortController();
    const leave = () => asking.abort(signal.reason);
    signal.throwIfAborted();
    signal.addEventListener("abort", leave);
    const timer = clock.timer(fallbackTimeoutMs, () => asking.abort(this.#tooLate()));
    let found: ServerList | undefined;
    const listener: BalanceLoadListener = {
      begun() {},
      listed: (list) => {
        found ??= list;
        asking.abort();
      },
      fallBack: () => asking.abort(new Error("the balancer wants other addresses to be used")),
    };
    try {
      await balancer.use((transport) => {
        return balanceLoad(transport, { name, stats: this.stats, clock, signal: asking.signal, listener });
      });
      if (found === undefined) throw new Error("the balancer ended the stream without a list");
    } catch (error) {
      if (found === undefined && (signal.aborted || fallback?.list === undefined)) throw asking.signal.reason ?? error;
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", leave);
    }
    this.#list = found;
    if (found !== undefined) return { endpoints: found.endpoints, config: this.#config };
    return { ...await fallback!.list!(signal), config: this.#config };
  }

  // What the policy reads and reports

  get list(): ServerList | undefined {
    return this.#fallback === undefined ? this.#list : undefined;
  }

  reachable(transport: PolicyEnvironment, any: boolean | undefined): void {
    if (any === undefined) this.#reachable.delete(transport);
    else this.#reachable.set(transport, any);
    this.#useFallbackIfAlone();
  }

  // What the balancer says

  begun(): void {
    this.#lost = undefined;
    this.#backoff.reset();
  }

  listed(list: ServerList): void {
    this.#list = list;
    this.#timer?.cancel();
    this.#fallback?.abort();
    this.#fallback = this.#fallbackSet = undefined;
    this.#latest.changed();
  }

  fallBack(): void {
    this.#useFallback();
  }

  // The stream, and what replaces its lists

  get #resolution(): Resolution {
    const stale = this.#lost ?? this.#fallbackSet?.stale;
    const endpoints = this.#fallbackSet?.endpoints ?? this.#list?.endpoints;
    return { endpoints, config: this.#config, ...stale !== undefined && { stale } };
  }

  #start(): void {
    const { clock, fallbackTimeoutMs } = this.#options, { signal } = this.#stop = new AbortController();
    this.#timer = clock.timer(fallbackTimeoutMs, () => this.#useFallback());
    void this.#options.balancer.use((transport) => this.#run(transport, signal));
  }

  #end(): void {
    this.#stop?.abort();
    this.#timer?.cancel();
    this.#fallback?.abort();
    this.#stop =
      this.#fallback =
      this.#fallbackSet =
      this.#list =
      this.#lost =
        undefined;
    this.#backoff.reset();
    this.#reachable.clear();
  }

  async #run(transport: Transport, signal: AbortSignal): Promise<void> {
    const { name, clock } = this.#options;
    while (!signal.aborted) {
      const startedMs = clock.now();
      let cause = new Error("the balancer ended the stream");
      try {
        await balanceLoad(transport, { name, stats: this.stats, clock, signal, listener: this });
      } catch (error) {
        cause = asError(error);
      }
      if (signal.aborted) return;
      this.#lost = { sinceMs: this.#lost?.sinceMs ?? clock.now(), cause };
      this.#latest.changed();
      this.#useFallbackIfAlone();
      // A stream that lasted is replaced at once.
      await sleep(clock, this.#backoff.next() - (clock.now() - startedMs), signal);
    }
  }

  /** There is neither a stream nor a server that can be called. */
  #useFallbackIfAlone(): void {
    if (this.#lost !== undefined && ![...this.#reachable.values()].includes(true)) this.#useFallback();
  }

  #useFallback(): void {
    const { fallback, clock, random } = this.#options;
    if (fallback === undefined || this.#fallback !== undefined || this.#stop === undefined) return;
    const { signal } = this.#fallback = new AbortController();
    const resolved = (set: Resolution) => {
      this.#fallbackSet = set;
      this.#latest.changed();
    };
    void watchResolver(fallback, { resolved, skipped() {} }, { clock, random, signal });
  }

  #tooLate(): Error {
    return new Error(`the balancer sent no list within ${this.#options.fallbackTimeoutMs} ms`);
  }
}
