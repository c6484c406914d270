import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inFlightLimit } from "../../src/connection/in-flight-limit.ts";

describe("a limit of attempts in flight", () => {
  it("exists only if there is something to limit", () => {
    assert.equal(inFlightLimit(), undefined);
    assert.equal(inFlightLimit(Infinity, Infinity), undefined);
    assert.notEqual(inFlightLimit(1), undefined);
    assert.notEqual(inFlightLimit(undefined, 1), undefined);
  });

  it("is reached by one endpoint's attempts, or by all together", () => {
    const limit = inFlightLimit(2, 3)!;
    assert.deepEqual([0, 1, 2, 3].map((inFlight) => limit.reached(inFlight)), [false, false, true, true]);
    for (let i = 0; i < 3; i++) limit.began();
    assert.equal(limit.reached(0), true);
    limit.ended();
    assert.equal(limit.reached(1), false);
  });

  it("says which option it was", () => {
    assert.match(inFlightLimit(1)!.describe(), /has 1 call in flight, as many as maxInFlightPerEndpoint allows/);
    assert.match(inFlightLimit(20)!.describe(), /has 20 calls in flight/);
    const all = inFlightLimit(undefined, 1)!;
    all.began();
    assert.match(all.describe(), /^1 calls are in flight, as many as maxInFlight allows/);
  });
});
