import "./guard/globals.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { playInJobs } from "./jobs.ts";
import { planFor } from "./plan/plan-for.ts";
import { simulate } from "./simulate.ts";
import type { Played } from "./totals.ts";

describe("several processes", () => {
  it("play each seed once, as one process does", async () => {
    const played = new Map<number, Played>(), first = 2784;
    await playInJobs({ first, seeds: 2, jobs: 2, traffic: "" }, (run) => {
      assert.ok(!played.has(run.seed));
      played.set(run.seed, run);
      return false;
    });
    assert.deepEqual([...played.keys()].sort(), [first, first + 1]);
    const { hash, calls, virtualMs } = await simulate(planFor(first, ""));
    assert.deepEqual({ ...played.get(first)!, hash, calls, virtualMs }, played.get(first));
    assert.ok(played.get(first)!.cpuMs > 0);
  });

  it("end once there were enough", async () => {
    let runs = 0;
    await playInJobs({ first: 2784, seeds: Infinity, jobs: 1, traffic: "" }, () => ++runs === 1);
    assert.equal(runs, 1);
  });
});
