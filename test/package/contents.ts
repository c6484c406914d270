// What the packages hold: pages whose links lead to what is there, and source maps whose sources are.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { pages } from "../docs/blocks.ts";

/** Checks the links and the source maps of a package as installed. */
export function checkContents(folder: string): void {
  checkLinks((path) => existsSync(join(folder, path)), (path) => readFileSync(join(folder, path), "utf8"));
  const maps = readdirSync(join(folder, "dist"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".map")).map((name) => join(folder, "dist", name));
  for (const map of maps) {
    const { sources } = JSON.parse(readFileSync(map, "utf8")) as { sources: readonly string[] };
    for (const source of sources) assert.ok(existsSync(join(dirname(map), source)), `${map} leads to ${source}`);
  }
  const bytes = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => statSync(join(folder, name))).reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0);
  console.log(`${pages().length} pages whose links lead into the package, ${maps.length} maps; ${bytes} bytes`);
}

/** Checks that the links of all pages lead to files that are in a package. */
export function checkLinks(has: (path: string) => boolean, read: (path: string) => string): void {
  for (const page of pages()) {
    assert.ok(has(page), `${page} is in the package`);
    for (const [, to = ""] of read(page).matchAll(/\]\(([^)\s#]+)[^)\s]*\)/g)) {
      if (/^[a-z]+:/.test(to)) continue;
      const target = normalize(join(dirname(page), to));
      assert.ok(has(target), `${page} links ${to}, which is not in the package`);
    }
  }
}
