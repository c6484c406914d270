import assert from "node:assert/strict";
import { it } from "node:test";
import { drop, isDrop } from "../../src/policy/drop.ts";

it("marks the error that it is given, and refuses anything else", () => {
  const error = new Error("overloaded");
  assert.equal(isDrop(error), false);
  assert.equal(drop(error), error);
  assert.equal(isDrop(error), true);
  assert.throws(() => drop("overloaded" as unknown as Error), /^TypeError: drop\(\) takes an Error, not string$/);
});
