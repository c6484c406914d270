import { RUNTIMES } from "../environment.ts";
import { Load, showFailure } from "../load.ts";
import type { Scenario } from "../scenario.ts";
import { judgeCalls } from "../verdict.ts";

/** More than calls in flight take, and less than `shutdown()` gives them. */
const GRACE_MS = 9_000;

export const rolling: Scenario = {
  name: "rolling",
  title: "SIGTERM of 3 servers, one after the other, and their successors on the same ports",
  bound: "0 failed, 0 processed twice; each process ends by itself",
  limitMs: 90_000,
  async run(environment) {
    const { figures, quick } = environment;
    const servers = await environment.servers(RUNTIMES);
    const addresses = servers.map(({ address }) => address);
    const observed = environment.observed(addresses);
    const load = new Load(await environment.caller(observed.transport));
    let restarts = 0, slowestMs = 0;
    for (let round = 0; round < (quick ? 1 : 3); round++) {
      for (const server of servers) {
        await observed.picked(addresses, 20);
        await observed.busy(addresses);
        const asked = performance.now();
        const exit = await server.stop(GRACE_MS);
        slowestMs = Math.max(slowestMs, performance.now() - asked);
        if (exit?.code !== 0) figures.fail(`the ${server.runtime} server ended with ${exit?.code ?? exit?.signal}`);
        await observed.picked(addresses.filter((address) => address !== server.address), 20);
        await server.start();
        restarts++;
      }
      await observed.picked(addresses, 20);
    }
    const failed = judgeCalls(figures, await load.stop(), environment.ledger());
    figures.none("failed, others", failed.map(showFailure));
    figures.note("restarts", restarts);
    figures.note("slowest end", slowestMs, "ms");
  },
};
