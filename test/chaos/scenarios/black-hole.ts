import { setTimeout as sleep } from "node:timers/promises";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { RUNTIMES } from "../environment.ts";
import { Load } from "../load.ts";
import type { Scenario } from "../scenario.ts";
import { judgeCalls, unexplained } from "../verdict.ts";

/**
 * Short enough for a scenario of seconds. On a machine that is busy with other tests a healthy server may be silent for
 * longer than it takes to answer a ping elsewhere, and must not count as dead.
 */
export function keepaliveOf({ quick }: { readonly quick: boolean }): { intervalMs: number; timeoutMs: number } {
  return { intervalMs: 400, timeoutMs: quick ? 5_000 : 400 };
}

export const blackHole: Scenario = {
  name: "black-hole",
  title: "a path to a server that drops everything in both directions",
  bound: "noticed within keepalive's interval + timeout (400 + 400 ms); idempotent calls: 0 failed; " +
    "no new call goes there; it rejoins within 2 s of the path's return",
  limitMs: 60_000,
  async run(environment) {
    const { figures, quick } = environment;
    const keepalive = keepaliveOf(environment);
    const servers = await environment.servers(RUNTIMES);
    const proxies = await Promise.all(servers.map(({ address }) => startTcpProxy(address)));
    for (const proxy of proxies) environment.defer(() => proxy.close());
    const addresses = proxies.map(({ address }) => address);
    const observed = environment.observed(addresses, {}, { keepalive });
    const load = new Load(await environment.caller(observed.transport));
    const victims = quick ? proxies.slice(0, 1) : proxies;
    let noticedMs = 0, rejoinedMs = 0, picks = 0;
    for (const proxy of victims) {
      await observed.picked(addresses, 50);
      await observed.busy(addresses);
      const lost = observed.next("from", proxy.address);
      const goneMs = performance.now();
      proxy.blackHole();
      const noticed = await lost;
      noticedMs = Math.max(noticedMs, noticed.atMs - goneMs);
      await sleep(quick ? 300 : 2_500);
      picks += observed.at(proxy.address).picks - noticed.snapshot.picks;
      const again = observed.picked([proxy.address]);
      const healedMs = performance.now();
      proxy.heal();
      rejoinedMs = Math.max(rejoinedMs, await again - healedMs);
    }
    const records = await load.stop();
    const gone = victims.map(({ address }) => address);
    const failed = judgeCalls(figures, records, environment.ledger());
    figures.atMost("failed, others", failed.length, 64 * victims.length);
    figures.none("unexplained", failed.map((record) => unexplained(record, gone)).filter((why) => why !== undefined));
    figures.within("noticed after", noticedMs, keepalive.intervalMs + keepalive.timeoutMs + 500);
    figures.atMost("picks after notice", picks, 0);
    figures.within("rejoined after", rejoinedMs, 2_000);
  },
};
