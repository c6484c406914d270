import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkIterable } from "../../src/resolver/read.ts";

describe("what a resolver's resolve() returns", () => {
  it("is iterated asynchronously, or refused with what it is", () => {
    const resolutions = (async function* () {})();
    assert.equal(checkIterable(resolutions), resolutions);
    for (const [wrong, text] of [[undefined, "undefined"], [null, "null"], ["a:1", '"a:1"'], [7, "7"]] as const) {
      assert.throws(() => checkIterable(wrong as never), (error: Error) => {
        assert.ok(error instanceof TypeError);
        return error.message.startsWith(`resolve() of the resolver returned ${text}: expected an AsyncIterable`);
      });
    }
    for (const wrong of [{}, [], Promise.resolve([])]) assert.throws(() => checkIterable(wrong as never), TypeError);
  });
});
