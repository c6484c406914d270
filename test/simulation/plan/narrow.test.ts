import "../guard/globals.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { simulate } from "../simulate.ts";
import { narrowPlanOf } from "./narrow.ts";
import { planFor } from "./plan-for.ts";

describe("narrow worlds", () => {
  const plans = Array.from({ length: 120 }, (_, seed) => narrowPlanOf(seed));

  it("are short, and have some kinds of faults each, which are over in time", () => {
    for (const { durationMs, faults } of plans) {
      assert.ok(durationMs <= 480_000);
      assert.ok(new Set(faults.map(({ kind }) => kind)).size <= 8);
      assert.ok(faults.every(({ untilMs }) => untilMs <= 0.6 * durationMs + 1));
    }
    for (const kind of ["cuts", "client-frozen", "etcd-slow", "etcd-restored", "tokens-lost"]) {
      assert.ok(plans.some(({ faults }) => faults.some((fault) => fault.kind === kind)), kind);
    }
  });

  it("hit nobody that they don't have", () => {
    for (const { faults, servers, clients, etcd } of plans) {
      const all = [...servers.map(({ address }) => address), ...clients.map(({ name }) => name)];
      for (const { who } of faults) assert.ok(etcd && who === "etcd:2379" || all.includes(who), who);
    }
  });

  it("leave calls a stream besides those of load reports", () => {
    const crowded = Array.from({ length: 600 }, (_, i) => narrowPlanOf(7 * i));
    const reported = crowded.filter(({ clients }) => clients[0]!.policy === "loadReportsOutOfBand");
    assert.ok(reported.length > 0);
    for (const { servers } of reported) {
      assert.ok(servers.every(({ maxConcurrentStreams }) => maxConcurrentStreams >= 2));
    }
  });

  it("are played by their option", async () => {
    assert.deepEqual(planFor(7, "--narrow"), narrowPlanOf(7));
    assert.equal((await simulate(narrowPlanOf(9 * 7))).failure, undefined);
  });
});
