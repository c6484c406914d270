import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { it } from "node:test";
import { ASSETS_FILE, assetsFile } from "./build.ts";

it("the page's parts in assets.ts are those in browser/: `npm run build:page` writes them", () => {
  // Not `equal`, which would print all of it.
  assert.ok(readFileSync(ASSETS_FILE, "utf8") === assetsFile(), "run `npm run build:page`");
});
