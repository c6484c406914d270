import "../guard/globals.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { simulate } from "../simulate.ts";
import { planFor } from "./plan-for.ts";

describe("heavy traffic", () => {
  it("is many calls of few events, of which most succeed while all is well", async () => {
    const plan = { ...planFor(103, "--heavy"), durationMs: 5_000, faults: [] };
    const { failure, calls, succeeded, events } = await simulate(plan);
    assert.equal(failure, undefined);
    assert.ok(calls > 1_000 && calls > events / 5, `${calls} calls, ${events} events`);
    assert.ok(succeeded > 0.9 * calls, `${succeeded} of ${calls} calls succeeded`);
  });

  it("has the faults and the programs of the seed", () => {
    for (let seed = 1; seed <= 50; seed++) {
      const { servers, clients, ...rest } = planFor(seed, "--heavy"), busy = planFor(seed, "--busy");
      assert.deepEqual({ ...busy, ...rest }, busy);
      assert.deepEqual(servers.map(({ address }) => address), busy.servers.map(({ address }) => address));
      assert.deepEqual(clients.map(({ policy }) => policy), busy.clients.map(({ policy }) => policy));
    }
  });
});
