// One contender in a process of its own: `program.ts <contender> <etcd's URL>`. Takes orders and answers in lines of JSON.
import process from "node:process";
import { createInterface } from "node:readline";
import { openConnectLb } from "./connect-lb.ts";
import type { RegistryContender } from "./contender.ts";
import { openEtcd3Package } from "./etcd3-package.ts";

/** What it is asked for. */
export type Order =
  | { readonly do: "list"; readonly service: string }
  | { readonly do: "follow"; readonly service: string; readonly address: string }
  | { readonly do: "register"; readonly count: number; readonly ttlSeconds: number }
  | { readonly do: "rest"; readonly ms: number }
  | { readonly do: "close" };

const [name, url = ""] = process.argv.slice(2);
const contender: RegistryContender = name === "etcd3"
  ? openEtcd3Package(url)
  : openConnectLb(name === "connect-lb/etcd3" ? "etcd3" : "connect", url);
const answer = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
const garbage = globalThis as { Bun?: { gc(force: boolean): void }; gc?: () => void };

/** In use after a collection, in MiB. */
async function usedMiB(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    if (garbage.Bun !== undefined) garbage.Bun.gc(true);
    else garbage.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 2 ** 20;
}

async function obey(order: Order): Promise<unknown> {
  switch (order.do) {
    case "list": {
      const before = await usedMiB();
      const listed = await contender.list(order.service);
      return { ...listed, usedMiB: (await usedMiB()) - before };
    }
    case "follow": {
      const { open, done } = contender.follow(order.service, order.address);
      await open;
      const startMiB = process.memoryUsage().rss / 2 ** 20;
      let peakMiB = startMiB;
      const sampling = setInterval(() => (peakMiB = Math.max(peakMiB, process.memoryUsage().rss / 2 ** 20)), 5);
      answer({ open: true });
      const { rebuildsMs, ...followed } = await done;
      clearInterval(sampling);
      const rebuilds = rebuildsMs?.length ?? null;
      const rebuildingMs = rebuildsMs === undefined ? null : rebuildsMs.at(-1)! - rebuildsMs[0]!;
      return { ...followed, peakMiB: peakMiB - startMiB, rebuilds, rebuildingMs };
    }
    case "register": {
      const before = await usedMiB();
      const startMs = performance.now();
      await contender.register(order.count, order.ttlSeconds);
      const tookMs = performance.now() - startMs;
      return { tookMs, usedMiB: (await usedMiB()) - before };
    }
    case "rest": {
      const before = process.cpuUsage();
      await new Promise((resolve) => setTimeout(resolve, order.ms));
      const { user, system } = process.cpuUsage(before);
      return { cpuPercent: (user + system) / 10 / order.ms };
    }
    case "close":
      await contender.close();
      return { closed: true };
  }
}

createInterface({ input: process.stdin }).on("line", async (line) => {
  try {
    answer(await obey(JSON.parse(line) as Order));
  } catch (error) {
    answer({ error: String((error as Error)?.stack ?? error) });
  }
}).on("close", () => process.exit(0));
