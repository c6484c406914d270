import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Phase, strict, table } from "../../examples/demo/phase.ts";

const phase = (served: string, over?: number, failed = 0): Phase => ({
  name: "a phase",
  over,
  served: [...served],
  failed,
});

describe("the demo's table", () => {
  it("distinguishes strict rotation from calls that only even out", () => {
    assert.equal(strict(phase("CABCAB", 3)), true);
    assert.equal(strict(phase("ABCACB", 3)), false);
    assert.equal(strict(phase("AABBCC", 3)), false);
    assert.equal(strict(phase("ABABAB", 3)), false);
    assert.equal(strict(phase("ABCABC", 2)), false);
    assert.equal(strict(phase("", 3)), false);
    assert.equal(strict(phase("AABC")), true);
  });

  it("counts calls by phase and server, failed ones too", () => {
    assert.deepEqual(
      table(["A", "B"], [phase("ABABA", 2), phase(""), phase("AAB", undefined, 1), phase("AA", 2)]).split("\n"),
      [
        "phase     A   B   calls   failed   rotation",
        "a phase   3   2       5        0   strict, over 2",
        "a phase   2   1       4        1   (changing)",
        "a phase   2   0       2        0   WRONG",
      ],
    );
  });
});
