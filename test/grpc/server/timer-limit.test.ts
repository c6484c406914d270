import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withTimerLimit } from "../../../src/grpc/server/timer-limit.ts";

describe("a timeout that a client of Connect's protocols sends", () => {
  const limited = (fields: Record<string, string>, maxTimeoutMs = Infinity) => {
    const header = new Headers({ ...fields, "x-own": "1" });
    const before = [...header];
    const result = withTimerLimit(header, maxTimeoutMs);
    assert.deepEqual([...header], before);
    if (result === header) return "as it is";
    assert.equal(result.get("x-own"), "1");
    return [...result].filter(([name]) => name !== "x-own").map(([, value]) => value).join();
  };

  it("is limited to what a timer takes", () => {
    assert.equal(limited({ "connect-timeout-ms": "2147483648" }), "2147483647");
    assert.equal(limited({ "connect-timeout-ms": "9999999999" }), "2147483647");
    assert.equal(limited({ "grpc-timeout": "2147484S" }), "2147483S");
    assert.equal(limited({ "grpc-timeout": "99999999H" }), "2147483S");
    assert.equal(limited({ "connect-timeout-ms": "9999999999", "grpc-timeout": "600H" }), "2147483647,2147483S");
  });

  it("stays as it is otherwise", () => {
    for (const value of ["1", "2147483647", "02147483648", "99999999999", "9999999999 ms", ""]) {
      assert.equal(limited({ "connect-timeout-ms": value }), "as it is", value);
    }
    for (const value of ["1n", "99999999m", "2147483S", "soon", ""]) {
      assert.equal(limited({ "grpc-timeout": value }), "as it is", value);
    }
    assert.equal(limited({}), "as it is");
  });

  it("stays as it is if the server allows less, for its handler refuses it", () => {
    const fields = { "connect-timeout-ms": "3000000000" }, web = { "grpc-timeout": "3000000S" };
    assert.deepEqual([limited(fields, 3e9), limited(web, 3e9)], ["2147483647", "2147483S"]);
    assert.deepEqual([limited(fields, 3e9 - 1), limited(web, 3e9 - 1)], ["as it is", "as it is"]);
  });
});
