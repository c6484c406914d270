import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, it } from "node:test";
import { root } from "../support/process.ts";
import { pages } from "./blocks.ts";

/** A page's text without its code blocks. */
const prose = (page: string) => readFileSync(join(root, page), "utf8").replaceAll(/^( *)(```|~~~)[^]*?^\1\2/gm, "");

/** The anchors of a page's headings, as code hosts make them. */
function anchors(page: string): string[] {
  return [...prose(page).matchAll(/^#+ +(.*?) *$/gm)].map(([, heading = ""]) =>
    heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").replaceAll(/\s/g, "-")
  );
}

it("commands for Node's test runner name files: it doesn't search folders", () => {
  for (const page of pages()) {
    const text = readFileSync(join(root, page), "utf8");
    for (const [command, args = ""] of text.matchAll(/\bnode --test ([^`\n]+)/g)) {
      assert.ok(args.split(" ").every((arg) => /^--|\.test\.ts"?$/.test(arg)), `${page}: ${command}`);
    }
  }
});

describe("the links of a page lead to what is there", () => {
  for (const page of pages()) {
    it(page, () => {
      for (const [, to = ""] of prose(page).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(to)) continue;
        const [path = "", anchor] = to.split("#");
        const target = path === "" ? page : normalize(join(dirname(page), path));
        assert.ok(existsSync(join(root, target)), `${page} links ${to}`);
        if (anchor !== undefined) assert.ok(anchors(target).includes(anchor), `${page} links ${to}: no such heading`);
      }
    });
  }
});
