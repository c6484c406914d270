import "../guard/globals.ts";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { INVARIANTS, OF_ALL_RUNS } from "./invariants.ts";

describe("invariants", () => {
  const names = [...INVARIANTS.map(({ name }) => name), ...OF_ALL_RUNS].sort();

  it("have names of their own", () => assert.equal(new Set(names).size, names.length));

  it("are all in the table of docs/testing.md, and nothing else is", () => {
    const page = readFileSync(new URL("../../../docs/testing.md", import.meta.url), "utf8");
    const [, table = ""] = /^\| invariant .*\n((?:\|.*\n)*)/m.exec(page) ?? [];
    const listed = [...table.matchAll(/^\|(.*?)\|/gm)].flatMap(([, cell]) => {
      return [...cell!.matchAll(/`([\w-]+)`/g)].map(([, name]) => name!);
    });
    assert.deepEqual(listed.sort(), names);
  });
});
