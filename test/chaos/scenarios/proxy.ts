// What clients of proxies notice when those are restarted.
import { eventually } from "../../support/eventually.ts";
import { runtime } from "../../support/process.ts";
import { type Environment, RUNTIMES } from "../environment.ts";
import { Load, showFailure } from "../load.ts";
import type { Scenario } from "../scenario.ts";
import type { ServerProcess } from "../server-process.ts";
import { judgeCalls } from "../verdict.ts";

/** More than calls in flight take, and less than `shutdown()` gives them. */
const GRACE_MS = 9_000;
/** Calls that end between one restart and the next. */
const CALLS_BETWEEN = 500, QUICK_CALLS_BETWEEN = 64;

export const proxyRolling: Scenario = {
  name: "proxy-rolling",
  title: "SIGTERM of 2 proxies, one after the other, and their successors on the same ports, under 64 calls",
  bound: "0 failed, 0 processed twice; each process ends by itself",
  limitMs: 90_000,
  run: (environment) => restarts(environment, { proxies: 2, waitForReady: false }),
};

export const proxyRestart: Scenario = {
  name: "proxy-restart",
  title: "SIGTERM of the only proxy and its successor on the same port, under 64 calls that wait for a connection",
  bound: "0 failed, 0 processed twice; each process ends by itself",
  limitMs: 90_000,
  run: (environment) => restarts(environment, { proxies: 1, waitForReady: true }),
};

async function restarts(
  environment: Environment,
  { proxies: count, waitForReady }: { readonly proxies: number; readonly waitForReady: boolean },
): Promise<void> {
  const { figures, quick } = environment;
  const servers = await environment.servers(RUNTIMES);
  const to = servers.map(({ address }) => address);
  const proxies: ServerProcess[] = [];
  for (let i = 0; i < count; i++) proxies.push(await environment.proxy(runtime, to));
  const { through } = environment;
  const load = new Load(through.over(proxies.map(({ address }) => address)), {
    settings: { waitForReady },
  });
  // As in any rollout, the next one ends when this one serves: clients come back when their backoff has passed.
  const serves = async (proxy: ServerProcess) => {
    for (const language of through.languages) await proxy.line(new RegExp(`^called from ${language}$`));
  };
  const more = async () => {
    const ended = () => load.records.filter(({ endMs }) => endMs !== undefined).length;
    const wanted = ended() + (quick ? QUICK_CALLS_BETWEEN : CALLS_BETWEEN);
    await eventually("calls go on", () => ended() >= wanted);
  };
  for (const proxy of proxies) await serves(proxy);
  await more();
  let slowestMs = 0, ends = 0;
  for (let round = 0; round < (quick ? 1 : 5); round++) {
    // The short form restarts one, and so needs not wait until clients are back for the next.
    for (const proxy of quick ? proxies.slice(0, 1) : proxies) {
      const askedMs = performance.now();
      const exit = await proxy.stop(GRACE_MS);
      slowestMs = Math.max(slowestMs, performance.now() - askedMs);
      ends++;
      if (exit?.code !== 0) figures.fail(`the proxy ended with ${exit?.code ?? exit?.signal}`);
      if (count > 1) await more();
      await proxy.start();
      if (!quick) await serves(proxy);
      await more();
    }
  }
  const failed = judgeCalls(figures, await load.stop(), environment.ledger());
  figures.none("failed, others", failed.map(showFailure));
  figures.note("restarts", ends);
  figures.note("slowest end", slowestMs, "ms");
}
