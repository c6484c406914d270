import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Freshness } from "../../src/balancer/freshness.ts";

const make = (maxAgeMs = 30_000) => new Freshness(maxAgeMs, () => 0.5);

describe("how fresh a set is", () => {
  it("is settled from a list's answer until it is too old", () => {
    const freshness = make(1_000);
    assert.equal(freshness.settled(0), false);
    assert.equal(freshness.began(0), 1);
    assert.equal(freshness.ended(1), true);
    freshness.succeeded(100);
    assert.deepEqual([freshness.settled(1_099), freshness.settled(1_100)], [true, false]);
    assert.deepEqual([freshness.mayList(1_099, true), freshness.mayList(1_100, false)], [false, true]);
  });

  it("lets a further list begin for a call that needs it when one has no answer for 250 ms", () => {
    const freshness = make();
    freshness.began(0);
    assert.equal(freshness.mayList(1_000, false), false);
    assert.deepEqual([freshness.mayList(249, true), freshness.mayList(250, true)], [false, true]);
    freshness.began(250);
    assert.deepEqual([freshness.mayList(499, true), freshness.mayList(500, true)], [false, true]);
  });

  it("is worth waiting for for 500 ms, and overdue after 3 s, from the first list without an answer", () => {
    const freshness = make();
    assert.equal(freshness.overdue(0), false);
    freshness.began(0);
    freshness.began(400);
    assert.deepEqual([freshness.worthWaiting(499), freshness.worthWaiting(500)], [true, false]);
    assert.deepEqual([freshness.overdue(2_999), freshness.overdue(3_000)], [false, true]);
    freshness.lost();
    assert.equal(freshness.overdue(3_000), false);
  });

  it("takes the answer of the newest list, and none of an older one after it", () => {
    const freshness = make();
    assert.deepEqual([freshness.began(0), freshness.began(250), freshness.began(500)], [1, 2, 3]);
    assert.deepEqual([2, 1, 2, 3].map((number) => freshness.ended(number)), [true, false, false, true]);
    assert.equal(freshness.overdue(9_000), false);
  });

  it("backs off after failures, and starts over with a success or a reset", () => {
    const freshness = make(1);
    freshness.failed(0);
    assert.deepEqual([freshness.settled(999), freshness.settled(1_000)], [true, false]);
    freshness.failed(0);
    assert.deepEqual([freshness.settled(1_599), freshness.settled(1_600)], [true, false]);
    freshness.succeeded(100);
    assert.equal(freshness.settled(101), false);
    freshness.failed(0);
    assert.deepEqual([freshness.settled(999), freshness.settled(1_000)], [true, false]);
    freshness.began(0);
    freshness.reset();
    assert.deepEqual([freshness.settled(0), freshness.mayList(0, false)], [false, true]);
    freshness.failed(0);
    assert.deepEqual([freshness.settled(999), freshness.settled(1_000)], [true, false]);
    freshness.succeeded(0);
    freshness.reset();
    assert.equal(freshness.settled(0), false);
  });

  it("is out of date soon after a connection failed, but no sooner than 1 s after it was read", () => {
    const freshness = make();
    freshness.succeeded(1_000);
    freshness.suspect(1_100);
    assert.deepEqual([freshness.settled(1_999), freshness.settled(2_000)], [true, false]);
    freshness.succeeded(2_000);
    freshness.suspect(12_000);
    assert.deepEqual([freshness.settled(12_019), freshness.settled(12_020)], [true, false]);
    freshness.suspect(14_000);
    assert.equal(freshness.settled(12_020), false, "never fresher than before");
  });
});
