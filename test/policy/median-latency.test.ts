import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Simple } from "../../gen/simple_pb.ts";
import { MedianLatency } from "../../src/policy/median-latency.ts";

const { route, routeServerStream } = Simple.method;

describe("the median latency", () => {
  it("of a method is near what half of its calls take at most, whatever the others take", () => {
    const medians = new MedianLatency();
    assert.equal(medians.of(route), 0, "nothing is known");
    for (let i = 0; i < 1_000; i++) medians.add(route, i % 5 === 0 ? 1_000 : 2);
    for (let i = 0; i < 1_000; i++) medians.add(routeServerStream, i % 5 === 0 ? 0.01 : 40);
    assert.ok(medians.of(route) >= 2 && medians.of(route) < 2.5, `${medians.of(route)}`);
    assert.ok(medians.of(routeServerStream) > 35 && medians.of(routeServerStream) <= 40);
  });

  it("begins with the first call, and follows what changes", () => {
    const medians = new MedianLatency();
    medians.add(route, 8);
    assert.equal(medians.of(route), 8);
    medians.add(route, 8);
    assert.equal(medians.of(route), 8);
    medians.add(route, 100);
    assert.ok(medians.of(route) > 8 && medians.of(route) < 10);
    for (let i = 0; i < 60; i++) medians.add(route, 1);
    assert.equal(medians.of(route), 1);
  });
});
