import "../guard/globals.ts";
import { Code } from "@connectrpc/connect";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { planOf } from "../plan/plan-of-seed.ts";
import { type DrawnCall, timeline } from "./timeline.ts";

const call: DrawnCall = {
  client: "client0",
  startedMs: 1_000,
  endedMs: 2_000,
  code: undefined,
  givenUp: false,
  processed: ["server0:1"],
};

describe("the timeline of a run", () => {
  const plan = planOf(840), drawn = (calls: DrawnCall[], brokenMs?: number) => timeline(plan, calls, brokenMs);
  const count = (svg: string, what: string) => svg.split(what).length - 1;

  it("has a row for each program and a bar for each fault", () => {
    const svg = drawn([]);
    for (const { name } of plan.clients) assert.ok(svg.includes(`>${name}</text>`));
    for (const { address } of plan.servers) assert.ok(svg.includes(`>${address}</text>`));
    assert.equal(count(svg, '<rect class="fault"'), plan.faults.length);
  });

  it("shows each call by its outcome, at its client and at the servers that processed it", () => {
    const svg = drawn([call, { ...call, code: Code.Unavailable, processed: [] }, { ...call, givenUp: true }]);
    assert.deepEqual(["ok", "failed", "gaveUp"].map((outcome) => count(svg, `<g class="${outcome}">`)), [1, 1, 1]);
    assert.match(svg, /<g class="ok"><line [^>]*\/><line [^>]*\/><\/g>/);
    assert.match(svg, /<g class="failed"><line [^>]*\/><\/g>/);
  });

  it("ends where an invariant was broken", () => {
    assert.equal(count(drawn([call, { ...call, startedMs: 6_000 }], 5_000), '<g class="ok">'), 1);
  });

  it("draws a part of very many calls, and says so", () => {
    const svg = drawn(Array.from({ length: 12_000 }, () => call));
    assert.ok(svg.includes("one call of 3 is drawn"));
    assert.equal(count(svg, '<g class="ok">'), 4_000);
  });
});
