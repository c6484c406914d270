import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { scheduleFlush } from "../../src/node/flush-scheduler.ts";
import { beginArrival, endArrival } from "../../src/time/arrival.ts";
import { eventually } from "../support/eventually.ts";

describe("flushes", () => {
  it("of a connection with one call run once the chunk was read that led to them", () => {
    let flushed = 0;
    beginArrival();
    scheduleFlush(() => flushed++, "one call");
    assert.equal(flushed, 0);
    endArrival();
    assert.equal(flushed, 1);
  });

  it("of one with many calls wait for what else arrives in the turn", async () => {
    let flushed = 0;
    beginArrival();
    scheduleFlush(() => flushed++, "calls");
    endArrival();
    assert.equal(flushed, 0);
    await eventually("the flush", () => flushed === 1);
  });

  it("of one with one call wait for the microtasks that follow, if no chunk led to them", async () => {
    let flushed = 0, followed = 0;
    scheduleFlush(() => flushed++, "one call");
    assert.equal(flushed, 0);
    const follow = () => queueMicrotask(() => flushed === 0 && ++followed < 5 && follow());
    follow();
    await eventually("the flush", () => flushed === 1);
    assert.equal(followed, 5);
  });
});
