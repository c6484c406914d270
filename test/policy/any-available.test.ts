import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anyAvailable } from "../../src/policy/any-available.ts";
import { callExcluding, mulberry32, weighted } from "../support/fake-connections.ts";

const three = () => weighted([undefined, undefined, undefined]);

/** With these random numbers, one after another. */
function indexWith(numbers: readonly number[], weights?: readonly number[]): number {
  const connections = three(), left = [...numbers];
  return connections.indexOf(
    anyAvailable(connections, callExcluding(), { random: () => left.shift()! }, weights) as never,
  );
}

describe("any that is available", () => {
  it("is chosen with a chance in proportion to its weight, or all with the same", () => {
    for (const [weights, shares] of [[undefined, [1 / 3, 1 / 3, 1 / 3]], [[1, 2, 5], [1 / 8, 2 / 8, 5 / 8]]] as const) {
      const connections = three(), counts = [0, 0, 0], random = mulberry32(1);
      for (let i = 0; i < 20_000; i++) {
        counts[connections.indexOf(anyAvailable(connections, callExcluding(), { random }, weights) as never)]!++;
      }
      shares.forEach((share, i) => assert.ok(Math.abs(counts[i]! / 20_000 - share) < 0.015, `${counts}`));
    }
  });

  it("is the first as long as the random numbers for the others are no lower than their part of the total", () => {
    assert.equal(indexWith([0.999_999, 1 / 2, 1 / 3]), 0);
    assert.equal(indexWith([0.999_999, 0.499_999, 1 / 3]), 1);
    assert.equal(indexWith([0.999_999, 0.499_999, 0.333_333]), 2);
    assert.equal(indexWith([0.999_999, 0.75, 0.5], [1, 3, 4]), 0);
  });

  it("is none that is unavailable or excluded, whose weights don't count", () => {
    const connections = three(), [first, second, third] = connections;
    second!.available = false;
    const random = () => 0.999_999;
    assert.equal(anyAvailable(connections, callExcluding(first!), { random }, [9, 9, 1]), third);
    assert.equal(anyAvailable(connections, callExcluding(first!, third!), { random }), undefined);
    assert.equal(anyAvailable([], callExcluding(), { random }), undefined);
  });
});
