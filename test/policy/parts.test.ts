import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { drop } from "../../src/policy/drop.ts";
import { Part, PartsPicker } from "../../src/policy/parts.ts";
import type { Picker } from "../../src/policy/policy.ts";
import { callExcluding, fakeConnection, fakeEnvironment } from "../support/fake-connections.ts";

const [a, b, c] = ["a:1", "b:1", "c:1"].map((address) => fakeConnection(address)) as [
  ReturnType<typeof fakeConnection>,
  ReturnType<typeof fakeConnection>,
  ReturnType<typeof fakeConnection>,
];
const failing = new Error("every endpoint is failing"), empty = new Error("there are no endpoints");

/** Parts named by their places, each with what it picks; one with an error has a connection, unless it says it has none. */
function picking(
  shares: readonly number[],
  random: () => number,
  ...picked: readonly ReturnType<Picker["pick"]>[]
): ReturnType<Picker["pick"]> {
  const parts = new Map(picked.map((result, i) => {
    const part = new Part(() => ({ pick: () => result }), fakeEnvironment());
    part.build(result === empty ? [] : [fakeConnection(`${i}:1`)]);
    return [i, part];
  }));
  return new PartsPicker(parts, shares, random).pick(callExcluding());
}

describe("a picker of parts", () => {
  it("gives each part its share of the calls", () => {
    for (
      const [random, expected] of [[0, a], [0.249_999, a], [0.25, b], [0.749_999, b], [0.75, c], [
        0.999_999,
        c,
      ]] as const
    ) {
      assert.equal(picking([0.25, 0.5, 0.25], () => random, a, b, c), expected, `${random}`);
    }
    assert.equal(picking([0, 1, 0], () => 0, a, b, c), b);
    assert.equal(picking([0.5, 0.499_999, 0], () => 0.999_999_9, a, b, c), b, "what rounding leaves over is no share");
  });

  it("draws nothing if the first has all calls", () => {
    const random = () => assert.fail();
    assert.equal(picking([1, 0], random, a, b), a);
  });

  it("asks the others, in their order, if the one that was drawn has no connection", () => {
    assert.equal(picking([0, 0, 1], () => 0, a, b, failing), a);
    assert.equal(picking([0, 0, 1], () => 0, failing, b, failing), b);
    assert.equal(picking([1, 0, 0], () => 0, "wait", failing, c), c);
    assert.equal(picking([0, 0], () => 0, a, b), a, "none has a share");
  });

  it("asks each once", () => {
    for (const first of [0, 1]) {
      let asked = 0;
      const parts = new Map([0, 1].map((name) => {
        const part = new Part(() => ({ pick: () => (asked++, failing) }), fakeEnvironment());
        part.build([a]);
        return [name, part];
      }));
      new PartsPicker(parts, [1 - first, first], () => 0).pick(callExcluding());
      assert.equal(asked, 2);
    }
  });

  it("waits if any part may have a connection, and says why there is none otherwise", () => {
    const other = new Error("the filter accepts no endpoint");
    assert.equal(picking([1, 0], () => 0, "wait", failing), "wait");
    assert.equal(picking([1, 0], () => 0, failing, "wait"), "wait");
    assert.equal(picking([1, 0], () => 0, other, failing), other, "the first that was asked");
    assert.equal(picking([0, 1], () => 0, other, failing), failing);
    assert.equal(picking([1, 0], () => 0, empty, failing), failing, "not those of parts without endpoints");
    assert.match(String(picking([1, 0], () => 0, empty, empty)), /there are no endpoints/);
  });

  it("asks no other part after a drop", () => {
    const dropped = drop(new Error("too many"));
    assert.equal(picking([1, 0], () => 0, dropped, a), dropped);
  });
});
