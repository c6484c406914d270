import { setTimeout as sleep } from "node:timers/promises";
import type { Runtime } from "../../support/process.ts";
import { RUNTIMES } from "../environment.ts";
import { Load, showFailure } from "../load.ts";
import { failedOn, type Mode, Patients } from "../patients.ts";
import type { Scenario } from "../scenario.ts";

/** Servers that fall ill, and how. */
interface Outbreak {
  readonly name: string;
  readonly title: string;
  /** How many servers each runtime has. */
  readonly fleet: readonly (readonly [Runtime, number])[];
  /** How many of them fall ill. */
  readonly sick: number;
  readonly mode: Exclude<Mode, "well">;
  /** The timeout of calls, in milliseconds. */
  readonly timeoutMs: number;
  /** They are well again every other half of a second, for a while. */
  readonly flaps?: boolean;
}

/** How long the sick are watched once they are ejected, in milliseconds. */
const WATCHED_MS = 12_000, QUICK_WATCHED_MS = 1_200;
const FLAP_MS = 500;

const three = RUNTIMES.map((runtime) => [runtime, 1] as const);

function scenarioOf({ name, title, fleet, sick: count, mode, timeoutMs, flaps = false }: Outbreak): Scenario {
  return {
    name,
    title,
    bound:
      `ejected; then ${flaps ? "at most 5 calls fail before each ejection" : "no call but trials fails on them"}, ` +
      "less than 1 % of all; back within two ejection times of recovering, and nobody else is ejected",
    limitMs: 120_000,
    async run(environment) {
      const { figures, quick } = environment;
      const patients = new Patients(environment, await environment.sickServers(fleet));
      // Not the first ones alone, which are all on one runtime.
      const { addresses } = patients, step = Math.floor(addresses.length / count);
      const sick = Array.from({ length: count }, (_, i) => addresses[i * step]!);
      const load = new Load(await environment.caller(patients.transport), {
        kinds: ["unary"],
        concurrency: 32,
        timeoutMs: () => timeoutMs,
      });
      await patients.picked(addresses, 20);
      const sickMs = performance.now();
      await patients.become(mode, sick);
      await patients.ejected(sick);
      const ejectedMs = performance.now();
      const watchedMs = quick ? QUICK_WATCHED_MS : WATCHED_MS;
      for (let well = true; flaps && performance.now() < ejectedMs + watchedMs; well = !well) {
        await patients.become(well ? "well" : mode, sick);
        await sleep(FLAP_MS);
      }
      if (!flaps) await sleep(watchedMs);
      const { length: trials } = patients.ejections.filter(({ atMs }) => atMs > ejectedMs);
      const later = load.records.filter(({ startMs, endMs }) => startMs > ejectedMs && endMs !== undefined);
      const hits = failedOn(sick, later);

      await patients.become("well", sick);
      const longestMs = Math.max(...sick.map((address) => patients.lastEjectionMs(address)));
      const backMs = Math.max(...await patients.back(sick));
      const recoveredMs = performance.now();
      await patients.picked(addresses, 20);
      const records = await load.stop();

      figures.note("calls", records.length);
      figures.within("ejected after", ejectedMs - sickMs, timeoutMs + 2_000);
      figures.note("failed until then", failedOn(sick, records.filter(({ startMs }) => startMs <= ejectedMs)).length);
      // One that was well when it was tried fails a few calls until it is ejected again.
      const allowed = flaps ? 5 * (trials + 1) : trials;
      figures.atMost("failed later", hits.length, allowed, "", hits.map(showFailure));
      // The short form makes too few calls for a percentage.
      if (!quick) figures.atMost("that is", 100 * hits.length / later.length, 1, "%");
      figures.within("back after", backMs, 2 * longestMs + 500);
      const after = records.filter(({ startMs, error }) => startMs > recoveredMs && error !== undefined);
      figures.none("failed after that", after.map(showFailure));
      const others = patients.ejections.filter(({ address }) => !sick.includes(address));
      figures.none("others ejected", others.map(({ address }) => address));
    },
  };
}

/** Servers that are worse than the others. */
export const outliers: readonly Scenario[] = [
  scenarioOf({
    name: "outlier",
    title: "1 of 3 servers answers every call with Unavailable",
    fleet: three,
    sick: 1,
    mode: "unavailable",
    timeoutMs: 20_000,
  }),
  scenarioOf({
    name: "outliers",
    title: "3 of 20 servers answer every call with Unavailable",
    fleet: [["node", 7], ["bun", 7], ["deno", 6]],
    sick: 3,
    mode: "unavailable",
    timeoutMs: 20_000,
  }),
  scenarioOf({
    name: "slow",
    title: "1 of 3 servers answers after 5 s, to calls that have 1 s",
    fleet: three,
    sick: 1,
    mode: "slow",
    timeoutMs: 1_000,
  }),
  scenarioOf({
    name: "fails-fast",
    title: "1 of 3 servers answers every call with Unavailable, faster than the others answer",
    fleet: three,
    sick: 1,
    mode: "fast",
    timeoutMs: 20_000,
  }),
  scenarioOf({
    name: "flaps",
    title: "1 of 3 servers answers with Unavailable every other half of a second",
    fleet: three,
    sick: 1,
    mode: "unavailable",
    timeoutMs: 20_000,
    flaps: true,
  }),
];
