import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Simple } from "../../gen/simple_pb.ts";
import { PerMethod } from "../../src/call/per-method.ts";
import { rawMethod } from "../../src/raw-method.ts";

describe("state per method", () => {
  it("is the same for all descriptions of a method, and its own for every other", () => {
    let made = 0;
    const states = new PerMethod(() => ({ number: made++ }));
    const { route, routeServerStream } = Simple.method;
    assert.equal(states.of(route), states.of(route));
    assert.equal(states.of(rawMethod("/proto.Simple/Route", "unary")), states.of(route));
    assert.notEqual(states.of(routeServerStream), states.of(route));
    assert.notEqual(states.of(rawMethod("/proto.Other/Route", "unary")), states.of(route));
    assert.equal(made, 3);
  });

  it("is forgotten for the oldest of more than 1,000 methods", () => {
    let made = 0;
    const states = new PerMethod(() => made++);
    const of = (number: number) => states.of(rawMethod(`/a.B/M${number}`, "unary"));
    for (let i = 0; i < 1_000; i++) of(i);
    assert.equal(of(0), 0);
    of(1_000);
    assert.equal(of(1), 1);
    assert.equal(of(0), 1_001);
    assert.equal(made, 1_002);
  });
});
