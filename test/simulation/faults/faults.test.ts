import "../guard/globals.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { FaultPlan, Plan } from "../plan/plan.ts";
import { planOf } from "../plan/plan-of-seed.ts";
import { simulate } from "../simulate.ts";
import { FAULTS } from "./faults.ts";

/** A small world in which these faults happen one after another. */
function worldWith(faults: readonly Omit<FaultPlan, "atMs" | "untilMs">[], sources: Partial<Plan>): Plan {
  const { clients, servers, ...rest } = planOf(1);
  const client = { ...clients[0]!, policy: "roundRobin", callsPerSecond: 1, kinds: ["read" as const], hedge: false };
  const server = { ...servers[0]!, maxConcurrentStreams: 100, workMs: 10 };
  return {
    ...rest,
    latencyMs: 1,
    jitterMs: 0,
    etcd: false,
    etcdUsers: undefined,
    dnsTtlMs: undefined,
    ...sources,
    durationMs: 60_000 + 50_000 * faults.length,
    servers: [server, { ...server, address: "server1:1" }],
    clients: [client],
    faults: faults.map((fault, i) => ({ ...fault, atMs: 20_000 + 50_000 * i, untilMs: 40_000 + 50_000 * i })),
  };
}

const who = { server: "server0:1", client: "client0", etcd: "etcd:2379", dns: "dns" };

describe("kinds of faults", () => {
  it("are all switched on by some of few seeds", () => {
    const seen = new Map<string, number>();
    for (let seed = 1; seed <= 60; seed++) {
      for (const kind of new Set(planOf(seed).faults.map((fault) => fault.kind))) {
        seen.set(kind, (seen.get(kind) ?? 0) + 1);
      }
    }
    assert.deepEqual(FAULTS.filter(({ kind }) => !seen.has(kind)), []);
  });

  it("begin, and the world recovers from each", async () => {
    const faults = FAULTS.filter(({ hits }) => hits !== "dns").map(({ kind, hits }) => {
      return { kind, who: who[hits], size: 0.5 };
    });
    const { failure, begun } = await simulate(worldWith(faults, { etcd: true, etcdUsers: { tokenTtlMs: 60_000 } }));
    assert.equal(failure, undefined);
    assert.deepEqual([...begun], faults.map(({ kind }) => [kind, 1]));
  });

  it("of DNS make what clients know stale, whatever is wrong", async () => {
    const faults = [0, 0.5, 0.9].map((size) => ({ kind: "dns-sick", who: who.dns, size }));
    const { failure, begun, lines = [] } = await simulate(worldWith(faults, { dnsTtlMs: 5_000 }), { traced: true });
    assert.equal(failure, undefined);
    assert.equal(begun.get("dns-sick"), 3);
    for (const event of ["endpoints-stale", "endpoints-fresh"]) {
      assert.equal(lines.filter((line) => line.endsWith(event)).length, 3, event);
    }
  });

  it("of DNS last as long as planned, whatever begins and ends meanwhile", async () => {
    const fault = { kind: "dns-sick", who: who.dns, size: 0 };
    const plan = worldWith([fault, fault], { dnsTtlMs: 5_000 });
    const [long, short] = plan.faults.map((each, i) => ({ ...each, atMs: 20_000 + 5_000 * i }));
    const faults = [{ ...long!, untilMs: 100_000 }, { ...short!, untilMs: 27_000 }];
    const { failure, lines = [] } = await simulate({ ...plan, faults }, { traced: true });
    assert.equal(failure, undefined);
    const fresh = lines.filter((line) => line.endsWith("endpoints-fresh"));
    assert.equal(fresh.length, 1);
    assert.ok(parseFloat(fresh[0]!) > 100_000);
  });
});
