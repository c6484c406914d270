import { setTimeout as sleep } from "node:timers/promises";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { RUNTIMES } from "../environment.ts";
import { Load } from "../load.ts";
import type { Scenario } from "../scenario.ts";
import { judgeCalls, SLACK_MS, unexplained } from "../verdict.ts";

const KEEPALIVE = { intervalMs: 400, timeoutMs: 400 };

export const blackHole: Scenario = {
  name: "black-hole",
  title: "a path to a server that swallows everything, both ways",
  bound: "noticed within keepalive's interval + time-out (400 + 400 ms); idempotent calls: 0 failed; " +
    "no new call goes there; it rejoins within 2 s of the path's return",
  limitMs: 60_000,
  async run(environment) {
    const { figures, quick } = environment;
    const servers = await environment.servers(RUNTIMES);
    const proxies = await Promise.all(servers.map(({ address }) => startTcpProxy(address)));
    for (const proxy of proxies) environment.defer(() => proxy.close());
    const addresses = proxies.map(({ address }) => address);
    const observed = environment.observed(addresses, {}, { keepalive: KEEPALIVE });
    const load = new Load(observed.transport);
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
    figures.atMost("noticed after", noticedMs, KEEPALIVE.intervalMs + KEEPALIVE.timeoutMs + SLACK_MS, "ms");
    figures.atMost("picks after notice", picks, 0);
    figures.atMost("rejoined after", rejoinedMs, 2_000, "ms");
  },
};
