import { median } from "../row.ts";
import { unitsPerCall } from "../server/case.ts";
import { grpcGoLoad, h2load, type LoadSource } from "../server/load.ts";
import { cpuUs, residentBytes } from "../server/proc.ts";
import { PROXY_CASES, type ProxyCase } from "./case.ts";
import { nameOf, type ProxyContender, type RunningProxy, startProxy } from "./contender.ts";
import type { ProxyRow } from "./row.ts";
import type { Upstream } from "./upstream.ts";

/** How long and how often to measure. */
export interface ProxyPlan {
  readonly rounds: number;
  readonly measureMs: number;
  readonly warmUpMs: number;
  readonly cases: readonly ProxyCase[];
  readonly contenders: readonly ProxyContender[];
  /** Calls of the look at memory. */
  readonly memoryCalls: number;
}

/** How many turns a proxy on a runtime may take to warm up at most. With streams, compilers have few calls to go by. */
const WARM_UP_TURNS = 8;

/** What proxies warm up with before the first case. */
const WARM_UP_CASE = PROXY_CASES.find(({ name }) => name === "unary-16B-c64")!;

type Sample = Omit<ProxyRow, "proxy" | "on" | "case">;

/**
 * Measures the cases one after another; in each, the proxies take turns, in a random order in each round. Proxies go on
 * from case to case, and one that ended is started again.
 */
export async function runProxies(
  plan: ProxyPlan,
  upstream: Upstream,
  failures: string[],
  log: (line: string) => void,
): Promise<ProxyRow[]> {
  const proxies = new Map<string, RunningProxy>();
  const rows: ProxyRow[] = [];
  try {
    // With one call in flight, the first case, compilers see too few calls to finish; in service proxies have seen more.
    log("warming up");
    await new Case({ ...plan, rounds: 0 }, WARM_UP_CASE, upstream, proxies, failures).run();
    for (const which of plan.cases) {
      log(which.name);
      rows.push(...await new Case(plan, which, upstream, proxies, failures).run());
    }
  } finally {
    await Promise.all([...proxies.values()].map((proxy) => proxy.end()));
  }
  return rows;
}

/** One case with all proxies. */
class Case {
  readonly #plan: ProxyPlan;
  readonly #which: ProxyCase;
  readonly #upstream: Upstream;
  readonly #proxies: Map<string, RunningProxy>;
  readonly #failures: string[];
  readonly #samples = new Map<string, Sample[]>();
  readonly #sources = new Map<string, LoadSource>();
  readonly #failed = new Set<string>();
  /** Those that lost a few calls. */
  readonly #lossy = new Set<string>();

  constructor(
    plan: ProxyPlan,
    which: ProxyCase,
    upstream: Upstream,
    proxies: Map<string, RunningProxy>,
    failures: string[],
  ) {
    this.#plan = plan;
    this.#which = which;
    this.#upstream = upstream;
    this.#proxies = proxies;
    this.#failures = failures;
  }

  async run(): Promise<ProxyRow[]> {
    const { rounds, warmUpMs, measureMs } = this.#plan;
    const contenders = this.#plan.contenders.filter(({ name }) => name !== "bytes-only" || this.#which.bytesOnly);
    try {
      for (const contender of contenders) {
        // By the proxy's CPU time, since compilers need that: on a busy machine it takes longer.
        const most = contender.on === "" ? 1 : WARM_UP_TURNS;
        for (let turns = 0, used = 0; turns < most && used < warmUpMs; turns++) {
          used += (await this.#turn(contender, warmUpMs)) / 1_000;
        }
      }
      for (let round = 0; round < rounds; round++) {
        for (const contender of shuffled(contenders)) await this.#turn(contender, measureMs, this.#samples);
      }
    } finally {
      for (const source of this.#sources.values()) await source.end();
    }
    return contenders.flatMap((contender) => {
      const all = this.#samples.get(nameOf(contender));
      if (all === undefined) return [];
      const middle = (of: keyof Sample) => Number(median(all.map((sample) => sample[of])).toPrecision(4));
      return [{
        proxy: contender.name,
        on: contender.on,
        case: this.#which.name,
        callsPerSecond: middle("callsPerSecond"),
        p50Ms: middle("p50Ms"),
        p99Ms: middle("p99Ms"),
        proxyCpuUs: middle("proxyCpuUs"),
        upstreamCpuUs: middle("upstreamCpuUs"),
        residentMiB: middle("residentMiB"),
      }];
    });
  }

  /** Calls through a proxy for a while; gives the microseconds of CPU time that the proxy used. */
  async #turn(contender: ProxyContender, ms: number, into?: Map<string, Sample[]>): Promise<number> {
    const name = nameOf(contender);
    if (this.#failed.has(name)) return Infinity;
    try {
      const proxy = await this.#running(contender);
      let source = this.#sources.get(name);
      if (source === undefined) {
        source = this.#which.load === "h2load"
          ? h2load(proxy.address, (failure) => this.#tolerated(name, failure))
          : await grpcGoLoad(proxy.address);
        this.#sources.set(name, source);
      }
      const before = cpuOf(proxy.pids), upstreamBefore = cpuOf(this.#upstream.pids);
      const { callsPerSecond, calls, ...latencies } = await source.run(this.#which, ms);
      const used = cpuOf(proxy.pids) - before, upstreamUsed = cpuOf(this.#upstream.pids) - upstreamBefore;
      const { p50Ms, p99Ms } = into === undefined || source.latencies === undefined
        ? latencies
        : await source.latencies(this.#which, ms);
      const units = calls * unitsPerCall(this.#which);
      into?.set(name, [...into.get(name) ?? [], {
        callsPerSecond,
        p50Ms,
        p99Ms,
        proxyCpuUs: used / units,
        upstreamCpuUs: upstreamUsed / units,
        residentMiB: residentMiB(proxy),
      }]);
      // Nothing warms up where there is no proxy but the servers.
      return contender.name === "direct" ? upstreamUsed : used;
    } catch (error) {
      this.#failed.add(name);
      this.#failures.push(`${name}, ${this.#which.name}: ${(error as Error).message.split("\n")[0]}`);
      await this.#proxies.get(name)?.end();
      this.#proxies.delete(name);
      return Infinity;
    }
  }

  /** A proxy that loses a few calls is measured all the same, and the report says so. */
  #tolerated(name: string, failure: string): void {
    if (!this.#lossy.has(name)) this.#failures.push(`${name}, ${this.#which.name}: in one run, ${failure}`);
    this.#lossy.add(name);
  }

  async #running(contender: ProxyContender): Promise<RunningProxy> {
    const name = nameOf(contender);
    let proxy = this.#proxies.get(name);
    if (proxy === undefined || proxy.ended) {
      this.#proxies.set(name, proxy = await startProxy(contender, this.#upstream.addresses));
    }
    return proxy;
  }
}

function cpuOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuUs(pid), 0);
}

/** What a proxy's processes hold in memory. */
export function residentMiB({ pids }: RunningProxy): number {
  return pids.reduce((sum, pid) => sum + residentBytes(pid), 0) / 2 ** 20;
}

function shuffled<T>(values: readonly T[]): T[] {
  const out = [...values];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}
