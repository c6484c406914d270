import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readPick } from "../../src/call/read-pick.ts";
import type { Connection } from "../../src/connection/connection.ts";
import { EndpointConnection } from "../../src/connection/endpoint-connection.ts";
import { view } from "../../src/policy/view.ts";

const connection = Object.create(EndpointConnection.prototype) as EndpointConnection;

describe("a pick with metadata", () => {
  it("is of a connection, or of a view of one, and may bring no metadata", () => {
    for (const given of [connection, view(connection, { available: false })] as Connection[]) {
      assert.deepEqual(readPick({ connection: given }), { connection, given, header: undefined });
      assert.equal(readPick({ connection: given, header: { token: "x" } }).header?.get("token"), "x");
    }
  });

  it("is refused when it names no connection, or something else in its place", () => {
    for (const picked of [undefined, null, 1, { connection: undefined }, { connection: {} }, { connection: "a:1" }]) {
      assert.throws(() => readPick(picked), { name: "TypeError", message: /^returned .*: expected a connection that/ });
    }
    assert.throws(() => readPick({ connection, header: { "a b": "1" } }), {
      name: "TypeError",
      message: /^returned metadata that a request can't carry: /,
    });
  });
});
