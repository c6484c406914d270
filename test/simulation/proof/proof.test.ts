import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { changed } from "./old-fault.ts";
import { OLD_FAULTS } from "./old-faults.ts";

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
