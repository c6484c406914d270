import assert from "node:assert/strict";
import { it } from "node:test";
import { executable, runtime, start } from "../support/process.ts";
import type { Left } from "./abandon.ts";

const FLAGS = { node: ["--expose-gc"], bun: ["run"], deno: ["run", "-A", "--no-check", "--v8-flags=--expose-gc"] };

it("ends streams whose readers were collected, and takes its listeners off the callers' signal", async (t) => {
  const child = start(executable(runtime), [...FLAGS[runtime], "test/call/abandon.ts"]);
  t.after(() => child.stop());
  for (const interceptors of [0, 1]) {
    const [line] = await child.line(new RegExp(`^\\{"interceptors":${interceptors}.*$`), { timeoutMs: 20_000 });
    const left = JSON.parse(line) as Left;
    assert.equal(left.before, 100);
    // The newest iterator may be on the stack that a collector looks at conservatively (Bun's).
    assert.ok(left.after <= 1 && left.listeners <= 1, line);
    // Their servers hear of it.
    assert.ok(left.aborted >= left.before - left.after, line);
  }
});
