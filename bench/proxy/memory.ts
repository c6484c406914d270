import { h2load } from "../server/load.ts";
import { nameOf, type RunningProxy, startProxy } from "./contender.ts";
import { type ProxyPlan, residentMiB } from "./rounds.ts";
import type { MemoryRow } from "./row.ts";
import type { Upstream } from "./upstream.ts";

/** Shares of the calls after which one looks. */
const LOOKS = 10;
/** A share that is made before, so that code and caches are not counted: as many calls again. */
const WARM_UP_SHARE = 0.2;

/** What proxies hold in memory while very many calls go through each of them, 64 at a time. */
export async function runMemory(
  { contenders, memoryCalls: calls }: ProxyPlan,
  upstream: Upstream,
  failures: string[],
  log: (line: string) => void,
): Promise<MemoryRow[]> {
  const rows: MemoryRow[] = [];
  for (const contender of contenders) {
    if (contender.name === "direct" || contender.name === "bytes-only") continue;
    log(`memory over ${calls.toLocaleString("en")} calls: ${nameOf(contender)}`);
    let proxy: RunningProxy | undefined;
    try {
      proxy = await startProxy(contender, upstream.addresses);
      const load = h2load(proxy.address);
      await load.calls(UNARY, calls * WARM_UP_SHARE);
      const looks: number[] = [];
      for (let look = 0; look < LOOKS; look++) {
        await load.calls(UNARY, calls / LOOKS);
        looks.push(residentMiB(proxy));
      }
      await load.end();
      rows.push({ proxy: contender.name, on: contender.on, calls, residentMiB: looks });
    } catch (error) {
      failures.push(`${nameOf(contender)}, memory: ${(error as Error).message.split("\n")[0]}`);
    } finally {
      await proxy?.end();
    }
  }
  return rows;
}

const UNARY = { kind: "unary-16B", inFlight: 64, unit: "call" } as const;
