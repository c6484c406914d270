import assert from "node:assert/strict";
import { it } from "node:test";
import { executable, root, runtime, start } from "../support/process.ts";
import { allBlocks } from "./blocks.ts";

/** Ports and times differ from run to run, which server is the first one, and how long fetch keeps its connections. */
function same(text: string): string[] {
  return text.replaceAll(/127\.0\.0\.1:[1-9]\d{4}\b/g, "ADDRESS").replaceAll(/[\d.]+ ms/g, "0 ms")
    .replaceAll(/\b[ABC]: hello/g, "A: hello").replaceAll(/_connections \d+/g, "_connections 1")
    .split("\n").map((line) => line.trimEnd()).filter(Boolean);
}

const command = { node: [], bun: ["run"], deno: ["run", "-A", "--no-check"] }[runtime];

it("docs/proxy.md shows what examples/proxy.ts prints", { timeout: 60_000 }, async () => {
  const program = start(executable(runtime), [...command, `${root}examples/proxy.ts`], { env: { NO_COLOR: "1" } });
  const { code } = await program.exited;
  assert.equal(code, 0, program.lines.join("\n"));
  const shown = allBlocks().filter(({ page, language }) => page === "docs/proxy.md" && language === "text");
  assert.deepEqual(same(program.lines.join("\n")), shown.flatMap(({ text }) => same(text)));
});
