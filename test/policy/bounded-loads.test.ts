import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Loads } from "../../src/policy/bounded-loads.ts";
import { fakeConnection } from "../support/fake-connections.ts";

const connection = (address: string, inFlight: number, failure?: Error) =>
  fakeConnection(address, { inFlight, failure });

describe("bounded loads", () => {
  it("allow each its share by weight of all calls in flight, and one more", () => {
    const a = connection("a:1", 5), b = connection("b:1", 2), loads = new Loads();
    for (const weights of [[3, 1], [0.75, 0.25]]) {
      loads.count([a, b], weights, 1);
      assert.deepEqual([loads.hasRoom(a), loads.hasRoom(b)], [true, false]);
      loads.count([a, b], weights, 1.25);
      assert.deepEqual([loads.hasRoom(a), loads.hasRoom(b)], [true, true]);
    }
  });

  it("allow equal parts without weights", () => {
    const a = connection("a:1", 4), b = connection("b:1", 3), loads = new Loads();
    loads.count([a, b], undefined, 1);
    assert.deepEqual([loads.hasRoom(a), loads.hasRoom(b)], [false, true]);
  });

  it("allow any number where all are failing, and nothing to what they don't know", () => {
    const failure = new Error("no answer");
    const a = connection("a:1", 40, failure), b = connection("b:1", 3, failure), loads = new Loads();
    assert.equal(loads.hasRoom(a), false);
    loads.count([a, b], undefined, 1);
    assert.deepEqual([loads.hasRoom(a), loads.hasRoom(b), loads.hasRoom(connection("c:1", 0))], [true, true, false]);
  });
});
