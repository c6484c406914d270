import { setTimeout as sleep } from "node:timers/promises";
import { cpuUs, residentBytes } from "../../../bench/server/proc.ts";
import { executable, runtime, start } from "../../support/process.ts";
import { ATTACKS } from "../attacks.ts";
import { caller } from "../calls.ts";
import { type CallRecord, makeCall, newRecord, showFailure } from "../load.ts";
import type { Scenario } from "../scenario.ts";

/** Calls of others at a time, and how long each waits before its next. */
const CALLERS = 8, PAUSE_MS = 5;
/** What a server may hold of unfinished requests by default, and as much again for everything else. */
const MOST_MIB = 128;
const MOST_RATIO = 3;

export const hostile: Scenario = {
  name: "hostile",
  title: `floods, bombs and slow clients, ${
    Object.keys(ATTACKS).length
  } kinds, against a server on the client's runtime`,
  bound: `calls of others: 0 failed, their p99 within ${MOST_RATIO} × of the quiet one; ${MOST_MIB} MiB more at most`,
  limitMs: 180_000,
  async run(environment) {
    const { figures, quick } = environment;
    const [server] = await environment.servers([runtime], ["--work-ms", "20"]);
    const { pid, address } = server!;
    const transport = environment.transport([address]);
    await transport.connect();
    const call = caller(transport);
    const stretchMs = quick ? 200 : 2_500;

    /** Calls for a while; gives their p99, in milliseconds. */
    const calls = async (failed: CallRecord[]): Promise<number> => {
      const took: number[] = [];
      const end = performance.now() + stretchMs;
      const worker = async () => {
        while (performance.now() < end) {
          const record = await makeCall(call, newRecord("idempotent", 20_000));
          took.push(record.endMs! - record.startMs);
          if (record.error !== undefined) failed.push(record);
          await sleep(PAUSE_MS);
        }
      };
      await Promise.all(Array.from({ length: CALLERS }, worker));
      return took.sort((a, b) => a - b)[Math.floor(took.length * 0.99)]!;
    };

    const failed: CallRecord[] = [];
    await calls(failed);
    const quietMs = await calls(failed);
    figures.note("quiet p99", quietMs, "ms");
    let worstRatio = 0, worst = "", mostMib = 0, most = "";
    for (const name of Object.keys(ATTACKS)) {
      const before = residentBytes(pid), cpuBefore = cpuUs(pid), began = performance.now();
      // With the CPU time that is left: such clients have machines of their own.
      const attacker = start("nice", ["-n", "19", executable("node"), "test/chaos/hostile.ts", name, address]);
      environment.defer(() => attacker.kill());
      await attacker.line(/^attacks$/);
      const ratio = await calls(failed) / quietMs;
      const mib = (residentBytes(pid) - before) / 2 ** 20;
      const busy = (cpuUs(pid) - cpuBefore) / 1_000 / (performance.now() - began);
      await attacker.kill();
      figures.detail(
        name,
        `p99 × ${ratio.toFixed(1)}, ${mib.toFixed(0)} MiB more, ${(busy * 100).toFixed(0)} % of a core`,
      );
      if (ratio > worstRatio) [worstRatio, worst] = [ratio, name];
      if (mib > mostMib) [mostMib, most] = [mib, name];
    }
    const crash = environment.crashes();
    figures.none("crashes", crash);
    figures.none("failed", failed.map(showFailure));
    // The short form measures no speed.
    figures.atMost("worst p99 ÷ quiet", worstRatio, quick ? Infinity : MOST_RATIO, "", [worst]);
    figures.atMost("most memory more", mostMib, MOST_MIB, "MiB", [most]);
  },
};
