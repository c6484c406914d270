import "../guard/globals.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AttemptStart } from "../../../src/call/observer.ts";
import { planOf } from "../plan/plan-of-seed.ts";
import type { CallRecord } from "../world/ledger.ts";
import { World } from "../world/world.ts";
import { servedInOrder } from "./order.ts";

/** Calls in a world without limits, made one after another, and what is broken once attempts were made of some. */
function brokenBy(made: readonly string[], attempted: readonly string[], ended: readonly string[] = []) {
  const plan = planOf(1), [client] = plan.clients;
  const rest = { policy: "roundRobin", maxInFlight: undefined, maxInFlightPerEndpoint: undefined };
  const world = new World({ ...plan, clients: [{ ...client!, ...rest }] }, false), watch = servedInOrder.watch(world);
  const calls = new Map(made.map((id, i) => {
    const call = { id, client: client!.name, startedMs: -1_000 + i, timeoutMs: 10_000, givenUp: false, over: false };
    return [id, call as CallRecord];
  }));
  for (const call of calls.values()) watch.began!(call);
  for (const id of ended) watch.ended!(calls.get(id)!);
  for (const id of attempted) watch.attempt!(calls.get(id)!, {} as AttemptStart);
  return world.failure?.what;
}

describe("served-in-order", () => {
  it("is broken by a call that is served before one that was made earlier", () => {
    assert.match(brokenBy(["a", "b", "c"], ["a", "c"])!, /c was served before b/);
  });

  it("holds for those that are served in turn, tried again, or served while older ones have ended", () => {
    assert.equal(brokenBy(["a", "b", "c"], ["a", "b", "c"]), undefined);
    assert.equal(brokenBy(["a", "b"], ["a", "a", "b"]), undefined);
    assert.equal(brokenBy(["a", "b"], ["b"], ["a"]), undefined);
  });
});
