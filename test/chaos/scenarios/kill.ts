import { runtime } from "../../support/process.ts";
import { RUNTIMES } from "../environment.ts";
import { Load } from "../load.ts";
import type { Scenario } from "../scenario.ts";
import { judgeCalls, unexplained } from "../verdict.ts";

export const kill: Scenario = {
  name: "kill",
  title: "SIGKILL of 1 of 3 servers under load",
  bound: "idempotent calls: 0 failed; others: at most those in flight on it, each `unavailable` with its attempts; " +
    "0 processed twice",
  limitMs: 60_000,
  async run(environment) {
    const { figures, quick } = environment;
    const servers = await environment.servers(RUNTIMES);
    const addresses = servers.map(({ address }) => address);
    const observed = environment.observed(addresses);
    const load = new Load(await environment.caller(observed.transport));
    // The quick run kills one: not the one on the client's own runtime, but so that each is killed by some client.
    const next = RUNTIMES[(RUNTIMES.indexOf(runtime) + 1) % 3];
    const victims = servers.filter((server) => !quick || server.runtime === next);
    let exposed = 0;
    for (const server of victims) {
      // Not with its very first calls, which it may not have begun to process.
      await observed.picked(addresses, 50);
      await observed.busy(addresses);
      const before = observed.at(server.address);
      const lost = observed.next("from", server.address);
      await server.kill();
      // Those that were in flight when it died, and those that were given to it before anyone could know.
      exposed += before.inFlight + (await lost).snapshot.picks - before.picks;
      await observed.picked(addresses.filter((address) => address !== server.address), 20);
      if (quick) continue;
      await server.start();
      await observed.picked([server.address], 20);
    }
    const failed = judgeCalls(figures, await load.stop(), environment.ledger());
    figures.atMost("failed, others", failed.length, exposed);
    figures.note("in flight on it", exposed);
    const dead = victims.map(({ address }) => address);
    figures.none("unexplained", failed.map((record) => unexplained(record, dead)).filter((why) => why !== undefined));
  },
};
