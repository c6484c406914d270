import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { runtime } from "../support/process.ts";
import { allBlocks, type Block, blocksOf } from "./blocks.ts";
import { ruleOf, unused } from "./rules.ts";
import { typeCheck } from "./type-check.ts";

const blocks = allBlocks();
const checked = blocks.filter((block) => {
  try {
    return ["run", "check"].includes(ruleOf(block).kind);
  } catch {
    return false;
  }
});

/** Not in any page: they show that the compiler is asked. */
const wrong = [
  { text: 'import { createBalancedTransprot } from "connect-lb";\n', said: /createBalancedTransprot/ },
  { text: "await transport.close({ graceMs: 5 });\n", said: /not assignable/ },
].map(({ text, said }) => ({ page: "p.md", name: "p.md", line: 1, language: "ts", text, said }));

describe("the code blocks of the pages and of descriptions", () => {
  let said: string[];
  before(async () => {
    said = await typeCheck(runtime, [...checked, ...wrong]);
  });

  for (const block of blocks) {
    it(`${block.name}: ${fate(block)}`, () => {
      ruleOf(block);
      if (checked.includes(block)) assert.equal(said[checked.indexOf(block)], "");
    });
  }

  it("are all that the rules name", () => assert.deepEqual(unused(blocks), []));

  it("would be refused by the compiler if they were wrong", () => {
    wrong.forEach((block, i) => assert.match(said[checked.length + i] as string, block.said));
  });
});

function fate(block: Block): string {
  try {
    const rule = ruleOf(block);
    switch (rule.kind) {
      case "run":
        return `type-checked, and run by npm run test:package${rule.needsNode24 ? ", but not on Node 22" : ""}`;
      case "check":
        return `type-checked only: ${rule.why}`;
      case "tried":
        return `tried by ${rule.by}`;
      case "shown":
        return `only shown: ${rule.as}`;
    }
  } catch {
    return "has a rule";
  }
}

describe("a page's code blocks", () => {
  const page = [
    "# Page",
    "",
    "```ts",
    "a();",
    "```",
    "",
    "## Part",
    "- item",
    "",
    "  ```sh",
    "  ls",
    "  ```",
    "~~~",
    "~~~",
  ];

  it("are found with their headings and lines, without their indentation", () => {
    assert.deepEqual(blocksOf("p.md", page.join("\n")), [
      { page: "p.md", name: "p.md: (top)", line: 3, language: "ts", text: "a();\n" },
      { page: "p.md", name: "p.md: Part (1)", line: 10, language: "sh", text: "ls\n" },
      { page: "p.md", name: "p.md: Part (2)", line: 13, language: "", text: "\n" },
    ]);
  });

  it("without an end are refused", () => {
    assert.throws(() => blocksOf("p.md", "text\n```ts\na();\n"), /p\.md:2: the code block is never closed/);
  });

  it("are refused where no rule knows them", () => {
    const block: Block = { page: "p.md", name: "p.md: Part", line: 7, language: "toml", text: "a = 1\n" };
    assert.throws(() => ruleOf(block), /p\.md:7 has a code block that no rule knows \(language "toml"\)/);
  });
});
