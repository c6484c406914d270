import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { changed } from "./old-fault.ts";
import { OLD_FAULTS } from "./old-faults.ts";
import { foundIn, withRow } from "./table.ts";

const ROOT = new URL("../../../", import.meta.url);

describe("the simulation's proof", () => {
  it("puts faults back that today's source still has a place for", () => {
    for (const { name, changes } of OLD_FAULTS) {
      assert.ok(changes.length > 0, name);
      for (const file of new Set(changes.map((change) => change.file))) {
        const text = readFileSync(new URL(file, ROOT), "utf8");
        assert.notEqual(changed(text, changes.filter((change) => change.file === file)), text, name);
      }
    }
  });

  it("has at least twenty, each with a name of its own", () => {
    assert.ok(OLD_FAULTS.length >= 20);
    assert.equal(new Set(OLD_FAULTS.map(({ name }) => name)).size, OLD_FAULTS.length);
  });
});

describe("the proof's table", () => {
  const [first, second] = OLD_FAULTS.map(({ name }) => name);
  const row = { seeds: 1_234, invariant: "ends-in-time", virtualMs: 5_400_000, realMs: 12_300 };
  const begin = "<!-- proof:begin: what follows is written by `npm run simulate:proof` -->";
  const page = `# Page\n\n${begin}\n\n<!-- proof:end -->\n\nThe rest.\n`;

  it("has a row for each fault that was looked for, in the faults' order", () => {
    const text = withRow(withRow(page, { name: second!, ...row }), { name: first!, ...row, invariant: undefined });
    assert.match(text, /^# Page\n[^]*\n\nThe rest\.\n$/);
    assert.deepEqual(text.split("\n").filter((line) => line.startsWith("| ")).slice(2), [
      `| ${first} | not found | 1,234 | 1.5 h | 12.3 s |`,
      `| ${second} | \`ends-in-time\` | 1,234 | 1.5 h | 12.3 s |`,
    ]);
    assert.deepEqual([...foundIn(text)].filter((name) => name === first || name === second), [second]);
  });

  it("keeps the rows of faults that are not looked for again, and none of faults that are gone", () => {
    const text = withRow(withRow(page, { name: first!, ...row }), { name: "no such fault", ...row });
    const again = withRow(text, { name: first!, ...row, seeds: 7 });
    assert.match(text, /\| 1,234 \|/);
    assert.deepEqual(again.split("\n").filter((line) => line.startsWith("| ")).slice(2), [
      `| ${first} | \`ends-in-time\` | 7 | 1.5 h | 12.3 s |`,
    ]);
  });
});
