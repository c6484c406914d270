import { setTimeout as sleep } from "node:timers/promises";
import { runtime } from "../../support/process.ts";
import { RUNTIMES } from "../environment.ts";
import { Load } from "../load.ts";
import type { Scenario } from "../scenario.ts";
import { judgeCalls, lateness, timedOut, unexplained } from "../verdict.ts";
import { keepaliveOf } from "./black-hole.ts";

export const freeze: Scenario = {
  name: "freeze",
  title: "a server frozen with SIGSTOP",
  bound: "calls end by their deadline; once keepalive (400 + 400 ms) notices, no new call goes to it; " +
    "it rejoins within 2.5 s of SIGCONT, as calls that missed their deadline may have ejected it for 5 s",
  limitMs: 60_000,
  async run(environment) {
    const { figures, quick } = environment;
    const keepalive = keepaliveOf(environment);
    const servers = await environment.servers(RUNTIMES);
    const addresses = servers.map(({ address }) => address);
    const observed = environment.observed(addresses, {}, { keepalive });
    // Every fourth call has a deadline that comes before anyone can notice.
    const load = new Load(await environment.caller(observed.transport), {
      timeoutMs: (number) => number % 4 === 0 ? 300 : 20_000,
    });
    const victims = servers.filter((server) => !quick || server.runtime === runtime);
    let noticedMs = 0, rejoinedMs = 0, picks = 0;
    for (const server of victims) {
      await observed.picked(addresses, 50);
      await observed.busy(addresses);
      const lost = observed.next("from", server.address);
      const frozenMs = performance.now();
      server.freeze();
      const noticed = await lost;
      noticedMs = Math.max(noticedMs, noticed.atMs - frozenMs);
      await sleep(quick ? 300 : 2_500);
      picks += observed.at(server.address).picks - noticed.snapshot.picks;
      const thawedMs = performance.now();
      const again = observed.picked([server.address]);
      server.thaw();
      rejoinedMs = Math.max(rejoinedMs, await again - thawedMs);
    }
    const records = await load.stop();
    const dead = victims.map(({ address }) => address);
    const failed = judgeCalls(figures, records, environment.ledger(), 1_000);
    figures.note("failed, others", failed.length);
    figures.none("unexplained", failed.map((record) => unexplained(record, dead)).filter((why) => why !== undefined));
    const timeouts = records.filter(({ error }) => timedOut(error)).map(lateness);
    figures.atLeast("timed out", timeouts.length, 1);
    figures.within("after their deadline by", Math.max(0, ...timeouts), 500);
    figures.within("noticed after", noticedMs, keepalive.intervalMs + keepalive.timeoutMs + 500);
    figures.atMost("picks after notice", picks, 0);
    // Five calls with 300 ms may eject it for 5 s, which are over 5.3 s after SIGSTOP; SIGCONT comes 3.3 s after it.
    figures.within("rejoined after", rejoinedMs, 2_500);
  },
};
