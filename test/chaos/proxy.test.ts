// The proxy, on the runtime of the test, whose servers fail or which is restarted itself, under calls from other languages.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { LANGUAGES, withoutClient } from "../peers/clients/ordered.ts";
import { runtime } from "../support/process.ts";
import { runClient } from "./run-client.ts";
import { proxyScenarios } from "./scenarios.ts";

/** The others are for `npm run test:chaos -- --through-proxy`. */
const QUICK: ReadonlySet<string> = new Set(["kill", "proxy-rolling", "proxy-restart", "refuse"]);
const quick = proxyScenarios.filter(({ name }) => QUICK.has(name));
const missing = LANGUAGES.map(withoutClient);
const skip = missing.every((why) => why !== false) && missing.join("; ");

// One client for all, which plays them in this order.
describe("a proxy with clients in Go and Python", { skip }, () => {
  const outcomes = runClient(runtime, quick, { quick: true, throughProxy: true });
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
