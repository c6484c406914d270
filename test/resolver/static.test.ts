import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { staticResolver } from "../../src/resolver/static.ts";
import { settled } from "../support/manual-clock.ts";

describe("staticResolver", () => {
  it("yields its endpoints once, and ends when its signal aborts", async () => {
    const resolver = staticResolver(["a:1", { address: "b:1", weight: 2 }, "unix:/run/c.sock"]);
    const abort = new AbortController();
    const sets = [];
    for await (const { endpoints } of resolver.resolve(abort.signal)) {
      sets.push(endpoints);
      abort.abort();
    }
    const expected = [{ address: "a:1" }, { address: "b:1", weight: 2 }, { address: "unix:/run/c.sock" }];
    assert.deepEqual(sets, [expected]);
    assert.deepEqual((await resolver.list!(abort.signal)).endpoints, expected);
  });

  it("has nothing more to say until its signal aborts", async () => {
    const abort = new AbortController();
    const resolutions = staticResolver(["a:1"]).resolve(abort.signal)[Symbol.asyncIterator]();
    await resolutions.next();
    const seen: unknown[] = [];
    const next = resolutions.next().then((result) => seen.push(result));
    await settled();
    assert.deepEqual(seen, []);
    abort.abort();
    await next;
    assert.deepEqual(seen, [{ done: true, value: undefined }]);
  });

  it("does not follow changes of what it was given", async () => {
    const endpoint = { address: "a:1" };
    const given = [endpoint];
    const resolver = staticResolver(given);
    endpoint.address = "not an address";
    given.push({ address: "b:1" });
    const { endpoints } = await resolver.list!(new AbortController().signal);
    assert.deepEqual(endpoints, [{ address: "a:1" }]);
  });

  it("names a few endpoints as its target, and says how many more there are", () => {
    assert.equal(staticResolver(["a:1", "b:1"]).target, "a:1,b:1");
    assert.equal(staticResolver(["a:1", "b:1", "c:1", "d:1", "e:1"]).target, "a:1,b:1,c:1 and 2 more");
    assert.equal(staticResolver([]).target, "an empty static set");
  });

  for (
    const [what, endpoints, error, why] of [
      ["no array", "a:1", TypeError, /staticResolver takes an array of addresses or endpoints, not "a:1"/],
      ["nothing", undefined, TypeError, /staticResolver takes an array of addresses or endpoints, not undefined/],
      ["a number", [8000], TypeError, /endpoint 8000: expected an address or an object/],
      ["null", [null], TypeError, /endpoint null: expected an address or an object/],
      ["an empty object", [{}], TypeError, /address undefined is not a string/],
      ["a URL", ["http://a:1"], TypeError, /is a URL/],
      [
        "an unknown field",
        [{ address: "a:1", wieght: 1 }],
        TypeError,
        /\(a:1\) has no option "wieght": did you mean weight/,
      ],
      ["an invalid port", [{ address: "a:70000" }], RangeError, /port outside 1 to 65535/],
      [
        "a weight of 0",
        [{ address: "a:1", weight: 0 }],
        RangeError,
        /endpoint a:1 has the weight 0: expected a finite/,
      ],
      [
        "a weight that is no number",
        [{ address: "a:1", weight: "1" }],
        TypeError,
        /endpoint a:1 has the weight "1": expected/,
      ],
      [
        "secure that is no boolean",
        [{ address: "a:1", secure: 1 }],
        TypeError,
        /endpoint a:1 has secure 1: expected a boolean/,
      ],
      [
        "an authority with a path",
        [{ address: "a:1", authority: "a/b" }],
        TypeError,
        /the authority "a\/b": expected a host/,
      ],
      ["an empty authority", [{ address: "a:1", authority: "" }], TypeError, /the authority "": expected a host/],
      ["a zone that is no string", [{ address: "a:1", zone: 1 }], TypeError, /the zone 1: expected a string/],
      [
        "an incarnation that is no string",
        [{ address: "a:1", incarnation: 1n }],
        TypeError,
        /the incarnation 1: expected a string/,
      ],
    ] as const
  ) {
    it(`refuses ${what}`, () => {
      assert.throws(() => staticResolver(endpoints as never), (thrown) => {
        assert.ok(thrown instanceof error, String(thrown));
        assert.match(thrown.message, why);
        return true;
      });
    });
  }
});
