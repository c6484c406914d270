import { leaks } from "../guard/globals.ts";
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import type { Plan } from "../plan/plan.ts";
import { simulate } from "../simulate.ts";

describe("plans that once broke an invariant", () => {
  const here = new URL(".", import.meta.url);
  for (const name of readdirSync(here).filter((file) => file.endsWith(".json"))) {
    it(`don't any more: ${name.slice(0, -".json".length).replaceAll("-", " ")}`, async () => {
      const plan = JSON.parse(readFileSync(new URL(name, here), "utf8")) as Plan;
      assert.equal((await simulate(plan)).failure, undefined);
      assert.deepEqual(leaks, []);
    });
  }
});
