import "../guard/globals.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { RegistryEvent } from "../../../src/registry/event.ts";
import type { FaultPlan } from "../plan/plan.ts";
import type { World } from "../world/world.ts";
import { keysStand } from "./calm.ts";

const SERVER = "server0:1";
const LOST: RegistryEvent = { type: "lease-lost", service: "s", address: SERVER, cause: new Error("gone") };

/** When `keys-stand` accepts no more that a lease is lost, in seconds after the last fault but a slow etcd. */
function seconds(ttlSeconds: number, faults: readonly Omit<FaultPlan, "size">[]): number {
  const overMs = Math.max(...faults.map(({ kind, untilMs }) => kind === "etcd-slow" ? 0 : untilMs));
  for (let afterMs = 0;; afterMs += 100) {
    let broken = false;
    const world = {
      etcd: {},
      servers: [{ address: SERVER, plan: { ttlSeconds } }],
      plan: { faults },
      time: { now: () => overMs + afterMs },
      broken: () => broken = true,
    };
    keysStand.watch(world as unknown as World).registryEvent!(SERVER, LOST);
    if (broken) return afterMs / 1_000;
  }
}

describe("keys-stand", () => {
  const restart = { kind: "server-restarted", atMs: 1_000_000, untilMs: 1_001_000, who: SERVER };
  const slow = (atMs: number, untilMs: number) => ({ kind: "etcd-slow", atMs, untilMs, who: "etcd:2379" });

  it("leaves a TTL and a minute to register again, and 30 s more at an etcd that is slow meanwhile", () => {
    assert.equal(Math.floor(seconds(12, [restart])), 72);
    for (const slowly of [slow(900_000, 1_001_100), slow(1_072_900, 2_000_000)]) {
      assert.equal(Math.floor(seconds(12, [restart, slowly])), 101);
    }
  });

  it("excuses nothing with an etcd that was slow before, or will be later", () => {
    for (const slowly of [slow(900_000, 1_001_000), slow(1_073_000, 2_000_000), slow(0, 10)]) {
      assert.equal(Math.floor(seconds(12, [restart, slowly])), 72);
    }
  });

  it("excuses every loss of a lease that is too short for a slow etcd", () => {
    assert.equal(Math.floor(seconds(11, [restart, slow(1_000_000, 1_200_000)])), 199 + 71);
  });
});
