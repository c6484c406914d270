import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkPolicy } from "../../src/policy/check-policy.ts";
import { failover } from "../../src/policy/failover.ts";
import { filter } from "../../src/policy/filter.ts";
import { leastRequest } from "../../src/policy/least-request.ts";
import { peakEwma } from "../../src/policy/peak-ewma.ts";
import { pickFirst } from "../../src/policy/pick-first.ts";
import { preferZone } from "../../src/policy/prefer-zone.ts";
import { prequal } from "../../src/policy/prequal.ts";
import { random } from "../../src/policy/random.ts";
import { rendezvousHash } from "../../src/policy/rendezvous-hash.ts";
import { ringHash } from "../../src/policy/ring-hash.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { slowStart } from "../../src/policy/slow-start.ts";
import { subset } from "../../src/policy/subset.ts";
import { weightedRoundRobin } from "../../src/policy/weighted-round-robin.ts";

const factories = {
  failover,
  filter,
  leastRequest,
  peakEwma,
  pickFirst,
  preferZone,
  prequal,
  random,
  rendezvousHash,
  ringHash,
  roundRobin,
  slowStart,
  subset,
  weightedRoundRobin,
};

describe("a factory of a policy that was not called", () => {
  for (const [name, factory] of Object.entries(factories)) {
    it(`is refused, and the error says to call ${name}()`, () => {
      assert.throws(() => checkPolicy(factory), (error: Error) => {
        assert.ok(error instanceof TypeError);
        return error.message.endsWith(`Call it: ${name}(…)`);
      });
    });
  }
});
