import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CancelGuard } from "../../src/call/cancel-guard.ts";
import type { Connection } from "../../src/connection/connection.ts";
import { ManualClock } from "../support/manual-clock.ts";

describe("the guard against many cancelled attempts", () => {
  it("allows a hundred at once on each connection, and 25 per second", async () => {
    const clock = new ManualClock(), guard = new CancelGuard(clock);
    const one = {} as Connection, two = {} as Connection;
    const most = () => {
      let count = 0;
      for (; guard.allows(one); count++) guard.cancelled(one);
      return count;
    };
    assert.equal(most(), 100);
    assert.equal(guard.allows(two), true);
    await clock.advance(39);
    assert.equal(most(), 0);
    await clock.advance(1);
    assert.equal(most(), 1);
    await clock.advance(1_000);
    assert.equal(most(), 25);
    await clock.advance(60_000);
    assert.equal(most(), 100);
  });
});
