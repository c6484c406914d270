import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readSummary } from "./summary.ts";

describe("summaries of test runners", () => {
  it("reads Node's spec and TAP reporters", () => {
    const spec = "✔ one (1ms)\nℹ tests 12\nℹ suites 4\nℹ pass 8\nℹ fail 1\nℹ cancelled 1\nℹ skipped 1\nℹ todo 1\n";
    assert.deepEqual(readSummary("node", spec), { passed: 8, failed: 2, skipped: 2 });
    assert.deepEqual(readSummary("node", spec.replaceAll("ℹ", "#")), { passed: 8, failed: 2, skipped: 2 });
  });

  it("reads Bun's counts, with errors outside of tests as failures", () => {
    const output = "(pass) a > b [0.1ms]\n\n 7 pass\n 1 skip\n 1 todo\n 2 fail\n 1 error\n 9 expect() calls\n" +
      "Ran 11 tests across 1 file. [68.00ms]\n";
    assert.deepEqual(readSummary("bun", output), { passed: 7, failed: 3, skipped: 2 });
  });

  it("reads Deno's line, and does not count suites as tests", () => {
    const output = [
      "running 3 tests from ./a.test.ts",
      "outer ...",
      "  one ... ok (0ms)",
      "  two ... ignored (0ms)",
      "  three ... FAILED (3ms)",
      "  inner ...",
      "    deep ...",
      "------- output -------",
      "      hey ... ok (1ms)",
      "----- output end -----",
      "    deep ... ok (0ms)",
      "  inner ... ok (2ms)",
      "outer ... FAILED (due to 1 failed step) (7ms)",
      "\u001b[32mtop ... ok\u001b[0m (202µs)",
      "",
      "FAILED | 1 passed (3 steps) | 1 failed (1 step) | 0 ignored (1 step) (16ms)",
    ].join("\n");
    assert.deepEqual(readSummary("deno", output), { passed: 3, failed: 1, skipped: 1 });
    assert.deepEqual(readSummary("deno", "ok | 12 passed (3 steps) | 0 failed | 1 ignored (9ms)"), {
      passed: 15,
      failed: 0,
      skipped: 1,
    });
  });

  it("says when a runner did not come to its end", () => {
    for (const runner of ["node", "bun", "deno"] as const) {
      assert.equal(readSummary(runner, "one ... ok (1ms)\nKilled\n"), undefined);
    }
  });
});
