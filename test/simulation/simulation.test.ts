import { leaks } from "./guard/globals.ts";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { planOf } from "./plan/plan-of-seed.ts";
import { simulate } from "./simulate.ts";

describe("the simulation", () => {
  it("plays a seed the same way again, whatever was played before", async () => {
    const first = await simulate(planOf(625), { traced: true });
    const other = await simulate({ ...planOf(625), seed: 8 });
    const again = await simulate(planOf(625), { traced: true });
    assert.deepEqual(again.lines, first.lines);
    assert.equal(again.hash, first.hash);
    assert.notEqual(other.hash, first.hash);
  });

  it("finds no invariant broken, and nothing that isn't simulated", async () => {
    for (const seed of [463]) assert.equal((await simulate(planOf(seed))).failure, undefined, `seed ${seed}`);
    assert.deepEqual(leaks, []);
  });

  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  const skip = "Bun" in globalThis || "Deno" in globalThis ? "Node's test compares all three" : false;
  it("plays a seed the same way on Node, Bun and Deno", { skip }, async () => {
    const { hash } = await simulate(planOf(625));
    for (const command of ["bun", "deno run -A --no-check"]) {
      const [program, ...args] = command.split(" ");
      const text = execFileSync(program!, [...args, main, "--seed", "625"], { encoding: "utf8" });
      assert.match(text, new RegExp(`trace ${hash}`), command);
    }
  });
});
