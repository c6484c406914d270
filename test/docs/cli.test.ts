import assert from "node:assert/strict";
import { it } from "node:test";
import { executable, root, runtime, start } from "../support/process.ts";
import { allBlocks } from "./blocks.ts";

/** Numbers, and the widths that go with them, differ from run to run; so does the order of servers in the end. */
function same(text: string): string[] {
  return text.split("\n").map((line) => line.trim().replaceAll(/\d[\d.]*/g, "0").replaceAll(/ +/g, " ")).filter(
    Boolean,
  );
}

const command = { node: [], bun: ["run"], deno: ["run", "-A", "--no-check"] }[runtime];

it("docs/cli.md shows what examples/cli.ts prints", { timeout: 60_000 }, async () => {
  const program = start(executable(runtime), [...command, `${root}examples/cli.ts`], { env: { NO_COLOR: "1" } });
  const { code } = await program.exited, printed = same(program.lines.join("\n"));
  assert.equal(code, 0, program.lines.join("\n"));
  const shown = allBlocks().filter(({ page, text }) => page === "docs/cli.md" && text.startsWith("$ connect-lb"));
  assert.ok(shown.length > 5);
  for (const { name, text } of shown) {
    const lines = same(text), at = printed.indexOf(lines[0]!);
    assert.ok(at >= 0, `${name}: ${lines[0]} is not run`);
    const end = printed.findIndex((line, i) => i > at && line.startsWith("$ connect-lb"));
    // On a busy machine it finds that, too.
    if (printed.slice(at, end < 0 ? undefined : end).some((line) => line.includes("answers slowly"))) continue;
    // The states of servers, in the order of their ports.
    assert.deepEqual(printed.slice(at, end < 0 ? undefined : end).toSorted(), lines.toSorted(), name);
  }
});
