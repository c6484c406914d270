import assert from "node:assert/strict";
import { it } from "node:test";
import { hashOf } from "../../src/policy/hash-key.ts";
import type { CallInfo } from "../../src/policy/policy.ts";

it("takes a call's key, or else the header that it is told, and no other", () => {
  const call = (header: Record<string, string>, hashKey?: string) =>
    ({ header: new Headers(header), hashKey }) as unknown as CallInfo;
  const of = (...args: Parameters<typeof hashOf>) => {
    const hash = hashOf(...args);
    return hash && { ...hash };
  };
  const key = of(call({}, "key"), {});
  assert.deepEqual(of(call({ "x-user": "key" }), { requestHashHeader: "x-user" }), key);
  assert.deepEqual(of(call({ "x-user": "other" }, "key"), { requestHashHeader: "x-user" }), key);
  assert.notDeepEqual(of(call({ "x-user": "other" }), { requestHashHeader: "x-user" }), key);
  assert.equal(of(call({ undefined: "key" }), {}), undefined);
  assert.equal(of(call({}), { requestHashHeader: "x-user" }), undefined);
});
