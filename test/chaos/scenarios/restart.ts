import { setTimeout as sleep } from "node:timers/promises";
import { createEtcdRegistry } from "../../../src/etcd.ts";
import { startEtcd } from "../../support/etcd.ts";
import { RUNTIMES } from "../environment.ts";
import { Load } from "../load.ts";
import type { Scenario } from "../scenario.ts";
import { judgeCalls, unexplained } from "../verdict.ts";

const SERVICE = "chaos";
/** Far more than a restart takes, also on a busy machine: the entry must not go meanwhile. */
const TTL_SECONDS = 30;
/** Long enough that the back-off alone would take longer than the bound: tries at 1, 2.6, 5.2 and 9.3 s, give or take. */
const DEAD_MS = 6_500;

export const restart: Scenario = {
  name: "restart",
  title: "restart of a killed server within the TTL of its registration",
  bound: "picked again within 2 s of listening; idempotent calls: 0 failed; 0 processed twice",
  limitMs: 90_000,
  async run(environment) {
    const { figures } = environment;
    const etcd = await startEtcd();
    environment.defer(() => etcd.stop());
    const args = ["--etcd", etcd.url, "--service", SERVICE, "--ttl", String(TTL_SECONDS)];
    const servers = await environment.servers(RUNTIMES, args);
    const addresses = servers.map(({ address }) => address);
    const registry = createEtcdRegistry({ endpoints: [etcd.url] });
    environment.defer(() => registry.close());
    const observed = environment.observed([], { resolver: registry.resolver(SERVICE) });
    await observed.transport.connect();
    const load = new Load(await environment.caller(observed.transport));
    let slowestMs = 0;
    for (const server of servers) {
      await observed.ready(addresses);
      await observed.busy(addresses);
      await server.kill();
      await sleep(DEAD_MS);
      const again = observed.picked([server.address]);
      const listening = server.start().then(() => performance.now());
      slowestMs = Math.max(slowestMs, (await again) - (await listening));
    }
    const failed = judgeCalls(figures, await load.stop(), environment.ledger());
    figures.note("failed, others", failed.length);
    figures.none("unexplained", failed.map((record) => unexplained(record, addresses)).filter((w) => w !== undefined));
    figures.within("picked again after", slowestMs, 2_000);
  },
};
