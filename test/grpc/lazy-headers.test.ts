import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { headersOf, lazyHeaders } from "../../src/grpc/lazy-headers.ts";

describe("headers that are built when they are read", () => {
  it("tell a field that is there once without being built", () => {
    const headers = lazyHeaders({ fields: ["grpc-status", "0", "x", "1"] });
    assert.equal(headers.get("x"), "1");
    assert.equal(headers.built, false);
    assert.equal(headers.get("y"), null);
    assert.equal(headers.get("x"), "1");
  });

  it("tell the same fields as Headers", () => {
    const name = fc.constantFrom("a", "b", "cookie", "set-cookie", "x-bin");
    const value = fc.constantFrom("", "1", " 1", "1\t", "a b", "x;y", "é");
    fc.assert(fc.property(fc.array(fc.tuple(name, value), { maxLength: 6 }), (fields) => {
      const block = { fields: fields.flat() };
      for (const name of ["a", "A", "b", "cookie", "set-cookie", "x-bin", "none"]) {
        assert.equal(lazyHeaders(block).get(name), headersOf(block).get(name));
      }
    }));
  });

  it("tell what was changed or arrived later", () => {
    const headers = lazyHeaders();
    assert.equal(headers.get("x"), null);
    headers.fill({ fields: ["x", "1"] });
    assert.equal(headers.get("x"), "1");
    headers.set("x", "2");
    assert.equal(headers.get("x"), "2");
  });
});
