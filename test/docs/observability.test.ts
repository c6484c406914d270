import assert from "node:assert/strict";
import { it } from "node:test";
import { executable, root, runtime, start } from "../support/process.ts";
import { block } from "./as-printed.ts";

/** Times and ports differ from run to run; so do the words of an operating system. */
function same(text: string): string {
  return text.trim().replaceAll(/\d[\d.]*/g, "0").replaceAll(/^ *0 ms (for|before) .*\n/gm, "")
    .replaceAll(/its answer began after 0 ms, /g, "").replaceAll(/(can't connect to \S+): [^;\n]*/g, "$1");
}

const command = { node: [], bun: ["run"], deno: ["run", "-A", "--no-check"] }[runtime];

it("docs/observability.md shows what examples/explain.ts prints", { timeout: 60_000 }, async () => {
  const program = start(executable(runtime), [...command, `${root}examples/explain.ts`], { env: { NO_COLOR: "1" } });
  const { code } = await program.exited, output = program.lines.join("\n");
  assert.equal(code, 0, output);
  const page = "docs/observability.md: ";
  const shown = [
    "Why do calls fail? (2)",
    "Why do calls fail? (3)",
    "Which calls were slow, and where did their time go?",
  ];
  const printed = same(output);
  for (const name of shown) assert.ok(printed.includes(same(block(page + name))), `${name}: ${output}`);
});
