import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { runtime } from "../support/process.ts";
import { runClient } from "./run-client.ts";
import { scenarios } from "./scenarios.ts";

/** Those that need an etcd and the patience of its TTL, or very many servers. */
const SLOW: ReadonlySet<string> = new Set(["restart", "outliers"]);
const quick = scenarios.filter(({ name }) => !SLOW.has(name));

// One client for all, which plays them in this order.
describe("a client whose servers fail", () => {
  const outcomes = runClient(runtime, quick, { quick: true });
  after(async () => void await outcomes.return(undefined));

  for (const { name, title, bound } of quick) {
    it(`${title}: ${bound}`, async () => {
      const { value } = await outcomes.next();
      assert.equal(value?.scenario, name);
      assert.deepEqual(value.broken, []);
      assert.ok(value.figures.length > 0);
    });
  }
});
