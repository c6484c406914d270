import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { afterArrival, arrivedMs, beginArrival, endArrival } from "../../src/time/arrival.ts";
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

describe("what waits for the end of an arrival", () => {
  it("runs once the chunk is read, in order, and is refused outside of one", () => {
    const ran: string[] = [];
    assert.equal(afterArrival(() => ran.push("outside")), false);
    for (const chunk of ["1", "2"]) {
      beginArrival();
      for (const name of ["a", "b"]) assert.equal(afterArrival(() => ran.push(name + chunk)), true);
      ran.push("read");
      endArrival();
    }
    assert.deepEqual(ran, ["read", "a1", "b1", "read", "a2", "b2"]);
  });

  it("waits for the outer of two chunks, and may read another one itself", () => {
    const ran: string[] = [];
    beginArrival();
    afterArrival(() => {
      beginArrival();
      afterArrival(() => ran.push("of a chunk that it read"));
      endArrival();
      ran.push("it");
    });
    beginArrival();
    afterArrival(() => ran.push("of the inner chunk"));
    endArrival();
    assert.deepEqual(ran, []);
    endArrival();
    assert.deepEqual(ran, ["of the inner chunk", "of a chunk that it read", "it"]);
  });
});
