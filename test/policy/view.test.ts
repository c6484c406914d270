import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createContextValues } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { Connection } from "../../src/connection/connection.ts";
import { excluding } from "../../src/policy/excluding.ts";
import type { CallInfo } from "../../src/policy/policy.ts";
import { view } from "../../src/policy/view.ts";

const connection: Connection = {
  endpoint: { address: "a:1" },
  state: "ready",
  available: true,
  inFlight: 7,
  failure: new Error("refused"),
  place: 3,
  connect() {},
  disconnect() {},
};

describe("view", () => {
  it("shows the connection as it is, but for what it changes", () => {
    const seen = view(connection, {});
    for (const name of ["endpoint", "state", "available", "inFlight", "failure", "place"] as const) {
      assert.equal(seen[name], connection[name], name);
    }
    const weighted = { address: "a:1", weight: 3 };
    assert.equal(view(connection, { endpoint: weighted }).endpoint, weighted);
    assert.equal(view(connection, { available: false }).available, false);
    assert.equal(view({ ...connection, available: false }, { available: true }).available, false);
  });
});

describe("view", () => {
  it("opens and closes the connection", () => {
    const told: string[] = [];
    const seen = view({
      ...connection,
      connect: () => void told.push("connect"),
      disconnect: () => void told.push("disconnect"),
    }, {});
    seen.connect();
    assert.deepEqual(told, ["connect"]);
    seen.disconnect();
    assert.deepEqual(told, ["connect", "disconnect"]);
  });
});

describe("excluding", () => {
  it("shows the call as it is, but for the connections that it leaves out", () => {
    const other: Connection = { ...connection };
    const call: CallInfo = {
      method: Simple.method.route,
      header: new Headers(),
      contextValues: createContextValues(),
      hashKey: "a key",
      excluded: (one) => one === other,
    };
    const seen = excluding(call, (one) => one === connection);
    for (const name of ["method", "header", "contextValues", "hashKey"] as const) {
      assert.equal(seen[name], call[name], name);
    }
    assert.deepEqual([connection, other, { ...connection }].map((one) => seen.excluded(one)), [true, true, false]);
  });
});
