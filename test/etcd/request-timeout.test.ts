import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { renewalTimeoutMs, requestTimeoutMs } from "../../src/etcd/registration/request-timeout.ts";

describe("how long a registration's request may take", () => {
  it("is half of the TTL, at most 10 s, or requestTimeoutMs if that is longer", () => {
    for (
      const [optionMs, ttlMs, expectedMs] of [
        [3_000, 15_000, 7_500],
        [3_000, 20_000, 10_000],
        [3_000, 20_002, 10_000],
        [3_000, 5_000, 3_000],
        [12_000, 60_000, 12_000],
      ] as const
    ) {
      assert.equal(requestTimeoutMs(optionMs, ttlMs), expectedMs);
    }
  });

  it("is a third of a TTL below 6 s for a renewal, at least 1 s, whatever requestTimeoutMs is", () => {
    for (
      const [optionMs, ttlMs, expectedMs] of [
        [3_000, 5_999, 2_000],
        [3_000, 6_000, 3_000],
        [3_000, 7_000, 3_500],
        [3_000, 3_000, 1_000],
        [3_000, 2_000, 1_000],
        [12_000, 5_000, 1_667],
        [12_000, 6_000, 12_000],
      ] as const
    ) {
      assert.equal(renewalTimeoutMs(optionMs, ttlMs), expectedMs);
    }
  });
});
