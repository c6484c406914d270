import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, sep } from "node:path";
import { it } from "node:test";
import { root } from "../support/process.ts";

it("what the examples import is in the package", () => {
  const { files } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { files: string[] };
  for (const name of readdirSync(join(root, "examples"), { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".ts")) continue;
    const path = join("examples", name);
    for (const [, to = ""] of readFileSync(join(root, path), "utf8").matchAll(/ from "(\.[^"]+)"/g)) {
      const imported = normalize(join(dirname(path), to));
      assert.ok(files.includes(imported.split(sep)[0]!), `${path} imports ${to}`);
    }
  }
});
