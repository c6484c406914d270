import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { arrivedMs, beginArrival, endArrival } from "../../src/time/arrival.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** A clock that moves by 1 ms whenever it is read. */
function restless() {
  let ms = 0;
  return Object.assign(new ManualClock(), { now: () => ms++ });
}

describe("the time of arrival", () => {
  it("is now, outside of a chunk", () => {
    const clock = restless();
    assert.deepEqual([arrivedMs(clock), arrivedMs(clock)], [0, 1]);
  });

  it("is one for all that is in a chunk, by each clock", () => {
    const clock = restless(), other = restless();
    for (let i = 0; i < 2; i++) {
      beginArrival();
      assert.deepEqual([arrivedMs(clock), arrivedMs(clock)], [i, i]);
      endArrival();
    }
    beginArrival();
    assert.deepEqual([arrivedMs(clock), arrivedMs(other), arrivedMs(other)], [2, 0, 0]);
    endArrival();
    assert.deepEqual([arrivedMs(clock), arrivedMs(clock)], [3, 4]);
  });

  it("is never before a chunk that arrives while another one is read", () => {
    const clock = restless();
    beginArrival();
    assert.equal(arrivedMs(clock), 0);
    beginArrival();
    assert.equal(arrivedMs(clock), 1);
    endArrival();
    assert.deepEqual([arrivedMs(clock), arrivedMs(clock)], [2, 2]);
    endArrival();
    assert.deepEqual([arrivedMs(clock), arrivedMs(clock)], [3, 4]);
  });
});
