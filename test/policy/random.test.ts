import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { random } from "../../src/policy/random.ts";
import { callExcluding, fakeEnvironment, picksOf, weighted } from "../support/fake-connections.ts";

describe("random", () => {
  it("gives all endpoints the same chance, whatever their weights", () => {
    const connections = weighted([9, 1, undefined, 1]);
    const picks = picksOf(random()(connections, undefined, fakeEnvironment()), connections, 100_000);
    for (const count of picks) assert.ok(Math.abs(count - 25_000) < 750, `${picks}`);
  });

  it("skips what is no longer available, and what the call excludes, and gives the others the same chance", () => {
    const connections = weighted(Array.from({ length: 200 }, () => undefined));
    const picker = random()(connections, undefined, fakeEnvironment());
    connections.forEach((connection, i) => connection.available = i % 50 === 0);
    const picks = picksOf(picker, connections, 30_000, callExcluding(connections[50]!));
    for (const i of [0, 100, 150]) assert.ok(Math.abs(picks[i]! - 10_000) < 500, `${i}: ${picks[i]}`);
    assert.equal(picks[50], 0);
  });

  it("draws eight times, then looks at all once", () => {
    const connections = weighted(Array.from({ length: 20 }, () => undefined));
    let drawn = 0;
    const env = fakeEnvironment(undefined, () => {
      drawn++;
      return 0.5;
    });
    const picker = random()(connections, undefined, env);
    connections[10]!.available = false;
    assert.notEqual(picker.pick(callExcluding()), connections[10]);
    assert.equal(drawn, 8 + 19);
    connections[10]!.available = true;
    drawn = 0;
    assert.equal(picker.pick(callExcluding()), connections[10]);
    assert.equal(drawn, 1);
  });

  it("opens idle connections, leaves failing ones out, waits while one may become ready, else says an error", () => {
    const connections = weighted([undefined, undefined]);
    for (const connection of connections) Object.assign(connection, { state: "idle", available: false });
    assert.equal(random()(connections, undefined, fakeEnvironment()).pick(callExcluding()), "wait");
    assert.deepEqual(connections.map(({ state }) => state), ["connecting", "connecting"]);
    for (const connection of connections) connection.failure = new Error("refused");
    assert.ok(random()(connections, undefined, fakeEnvironment()).pick(callExcluding()) instanceof Error);
    assert.ok(random()([], undefined, fakeEnvironment()).pick(callExcluding()) instanceof Error);
  });

  it("takes no options", () => {
    assert.throws(() => random({ weight: 1 } as never), /^TypeError: random\(\) has no option "weight"/);
  });
});
