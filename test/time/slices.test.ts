import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Slices } from "../../src/time/slices.ts";

describe("slices of time", () => {
  it("begin from the first look on, one after another", () => {
    const slices = new Slices(10, 3);
    const begun = [1_000.5, 1_010.4, 1_010.5, 1_010.5, 1_035, 1_040.4, 1_040.5].map((nowMs) => slices.begun(nowMs));
    assert.deepEqual(begun, [0, 0, 1, 0, 2, 0, 1]);
  });

  it("are no more than a window has, however long nobody looked", () => {
    const slices = new Slices(10, 3);
    assert.deepEqual([0, 1_000_000, 1_000_009, 1_000_010].map((nowMs) => slices.begun(nowMs)), [0, 3, 0, 1]);
  });

  it("never begin if they are endless", () => {
    const slices = new Slices(Infinity, 3);
    assert.deepEqual([0, 1e15].map((nowMs) => slices.begun(nowMs)), [0, 0]);
  });
});
