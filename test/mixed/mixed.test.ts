// The short form of `npm run test:mixed`.
import assert from "node:assert/strict";
import { it } from "node:test";
import { etcdSkipped } from "../support/etcd.ts";
import { runtime, startScript } from "../support/process.ts";
import type { MixedOutcome } from "./program.ts";

it("servers in Go, Python and on three runtimes in one etcd are one service to clients in three languages", {
  skip: etcdSkipped,
}, async (t) => {
  const program = startScript(runtime, "test/mixed/program.ts", ["--quick"]);
  try {
    const [, line] = await program.line(/^outcome (.*)$/, { timeoutMs: 250_000 });
    const { servers, clients, missing, failed } = JSON.parse(line!) as MixedOutcome;
    for (const why of missing) t.diagnostic?.(`left out: ${why}`);
    assert.ok(servers.length >= 3 && clients.length >= 1);
    assert.deepEqual(failed, []);
  } finally {
    await program.stop();
  }
});
