import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Chance } from "./chance.ts";

describe("chance", () => {
  it("has sources by name that depend on the seed and the name alone", () => {
    const used = new Chance(7);
    for (let i = 0; i < 10; i++) used.next();
    assert.equal(used.of("latency").next(), new Chance(7).of("latency").next());
    assert.notEqual(used.of("latency").next(), used.of("jitter").next());
    assert.notEqual(used.of("latency").next(), new Chance(8).of("latency").next());
  });

  it("draws a name that is added later for some seeds, and for all others what they drew before", () => {
    const before = ["random", "ringHash", "roundRobin"], after = ["pickFirst", ...before];
    const draws = (names: readonly string[]) => Array.from({ length: 400 }, (_, seed) => new Chance(seed).named(names));
    const old = draws(before), now = draws(after);
    for (const [i, name] of now.entries()) if (name !== "pickFirst") assert.equal(name, old[i]);
    for (const name of after) assert.ok(now.filter((other) => other === name).length > 60, name);
  });
});
