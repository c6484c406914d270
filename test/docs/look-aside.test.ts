import assert from "node:assert/strict";
import { it } from "node:test";
import { executable, root, runtime, start } from "../support/process.ts";
import { allBlocks } from "./blocks.ts";

/** Ports and times differ from run to run. */
function same(text: string): string[] {
  return text.replaceAll(/127\.0\.0\.1:\d+/g, "ADDRESS").replaceAll(/[\d.]+ ms/g, "0 ms")
    .split("\n").map((line) => line.trimEnd()).filter(Boolean);
}

const command = { node: [], bun: ["run"], deno: ["run", "-A", "--no-check"] }[runtime];

it("docs/look-aside.md shows what examples/look-aside.ts prints", { timeout: 60_000 }, async () => {
  const program = start(executable(runtime), [...command, `${root}examples/look-aside.ts`], { env: { NO_COLOR: "1" } });
  const { code } = await program.exited;
  assert.equal(code, 0, program.lines.join("\n"));
  const shown = allBlocks().filter(({ page, language }) => page === "docs/look-aside.md" && language === "text");
  assert.deepEqual(same(program.lines.join("\n")), shown.flatMap(({ text }) => same(text)));
});
