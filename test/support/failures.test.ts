import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readFailures } from "./failures.ts";

describe("failures in what test runners print", () => {
  it("are found in Node's list at the end, one by one, and not beyond it", () => {
    const output = [
      "✖ a (1ms)",
      "ℹ tests 3",
      "",
      "✖ failing tests:",
      "",
      "test at test/a.test.ts:5:3",
      "✖ a (1ms)",
      "  AssertionError: 1 != 2",
      "",
      "test at test/b.test.ts:9:3",
      "✖ b (2ms)",
      "  Error: no",
    ].join("\n");
    assert.deepEqual(readFailures("node", output), [
      "test at test/a.test.ts:5:3\n✖ a (1ms)\n  AssertionError: 1 != 2",
      "test at test/b.test.ts:9:3\n✖ b (2ms)\n  Error: no",
    ]);
  });

  it("are found in Bun's lines, with the error before each", () => {
    const output = [
      "test/a.test.ts:",
      "(pass) fine [1ms]",
      "error: 1 != 2",
      "      at test/a.test.ts:3:1",
      "\u001b[31m(fail)\u001b[0m a > b [2ms]",
      "(pass) also fine [1ms]",
      " 2 pass",
      " 1 fail",
    ].join("\n");
    assert.deepEqual(readFailures("bun", output), ["error: 1 != 2\n      at test/a.test.ts:3:1\n(fail) a > b [2ms]"]);
  });

  it("are found in the errors of each of Deno's files", () => {
    const file = (name: string) =>
      [`running 1 test from ./${name}`, "a ... FAILED (1ms)", "", " ERRORS ", "", `a => ./${name}:3:1`, "error: no", ""]
        .concat(" FAILURES ", "", `a => ./${name}:3:1`, "", "FAILED | 0 passed | 1 failed (2ms)").join("\n");
    const found = readFailures("deno", `${file("a.test.ts")}\n${file("b.test.ts")}`);
    assert.deepEqual(found, ["a => ./a.test.ts:3:1\nerror: no", "a => ./b.test.ts:3:1\nerror: no"]);
  });

  it("are none in a run that passed, and long errors are cut", () => {
    assert.deepEqual(readFailures("bun", "(pass) a [1ms]\n 1 pass"), []);
    const long = Array.from({ length: 500 }, (_, i) => `line ${i}`);
    const [block = ""] = readFailures("bun", [...long, "(fail) a [1ms]"].join("\n"));
    assert.equal(block.split("\n").length, 40);
    assert.ok(block.endsWith("(fail) a [1ms]"));
  });
});
