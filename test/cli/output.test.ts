import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defineCommand } from "../../src/cli/command.ts";
import { Output, OUTPUT_OPTIONS } from "../../src/cli/output.ts";
import { textWidth } from "../../src/cli/text-width.ts";
import { run, type RunOptions } from "./support.ts";

interface Row {
  readonly name: string;
  readonly count?: number;
  readonly note?: string;
}

const print = async (rows: readonly Row[], args: readonly string[] = [], options: RunOptions = {}) => {
  const list = defineCommand({
    name: "list",
    summary: "list rows",
    examples: [],
    options: { ...OUTPUT_OPTIONS },
    run(context) {
      new Output(context).list(rows, {
        columns: [
          { title: "NAME", text: ({ name }) => name, paint: () => "name" },
          { title: "COUNT", text: ({ count }) => count?.toString(), right: true },
          { title: "NOTE", text: ({ note }) => note },
        ],
        name: ({ name }) => name,
      });
      return Promise.resolve(0);
    },
  });
  const { stdout, code } = await run(["list", ...args], { ...options, commands: [list] });
  assert.equal(code, 0);
  return stdout;
};

describe("a list", () => {
  it("is a table, whose numbers are aligned to the right and whose gaps are dashes", async () => {
    const rows = [{ name: "a", count: 10, note: "first" }, { name: "longer", count: 2 }, { name: "c" }];
    assert.equal(
      await print(rows),
      "NAME    COUNT  NOTE\na          10  first\nlonger      2  -\nc           -  -\n",
    );
  });

  it("leaves out columns without text", async () => {
    assert.equal(await print([{ name: "a" }, { name: "b" }]), "NAME\na\nb\n");
  });

  it("is one JSON document, or names, if asked for", async () => {
    const rows = [{ name: "a", count: 1 }, { name: "b" }];
    assert.deepEqual(JSON.parse(await print(rows, ["-o", "json"])), rows);
    assert.equal(await print([], ["-o", "json"]), "[]\n");
    assert.equal(await print(rows, ["-o", "name"]), "a\nb\n");
  });

  it("fits the terminal: its widest columns are cut", async () => {
    const rows = [{ name: "short", count: 1, note: "a long note ".repeat(20) }, { name: "x".repeat(60), note: "y" }];
    for (const columns of [120, 80, 40, 30]) {
      const lines = (await print(rows, [], { columns, env: { NO_COLOR: "1" } })).trimEnd().split("\n");
      for (const line of lines) assert.ok(textWidth(line) <= columns, `${columns}: ${line}`);
      assert.match(lines[1]!, /…/);
    }
    assert.ok(!(await print(rows)).includes("…") || !(await print([rows[1]!])).includes("…"));
  });

  it("counts wide characters as two columns, and combining ones as none", async () => {
    assert.equal(
      await print([{ name: "日本", note: "x" }, { name: "e\u0301", note: "y" }]),
      "NAME  NOTE\n日本  x\ne\u0301     y\n",
    );
  });

  it("shows hostile text escaped, in each format", async () => {
    const name = "a\u001b[2J\u202eb\u0007\nc\u009b";
    for (const args of [[], ["-o", "name"], ["-o", "json"]]) {
      const stdout = await print([{ name }], args);
      // deno-lint-ignore no-control-regex -- these are what must not be there
      assert.doesNotMatch(stdout, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
      assert.match(stdout, /\\u001b/);
      assert.match(stdout, /\\u202e/);
    }
    assert.deepEqual(JSON.parse(await print([{ name }], ["-o", "json"])), [{ name }]);
    assert.equal((await print([{ name }], ["-o", "name"])).split("\n").length, 2, "one line per name");
  });

  it("is painted without painting the space between columns", async () => {
    const stdout = await print([{ name: "a", note: "b" }, { name: "long", note: "c" }], [], { columns: 80 });
    assert.ok(stdout.includes("\u001b[36ma\u001b[39m     b\n"), JSON.stringify(stdout));
  });
});
