import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { GRPC_SERVER_OPTIONS, SERVER_KEEPALIVE, SERVER_LIMITS } from "../../src/server/options.ts";
import { root } from "../support/process.ts";

describe("the page on servers", () => {
  it("names every option", () => {
    const page = readFileSync(join(root, "docs/server.md"), "utf8");
    const names = [GRPC_SERVER_OPTIONS, SERVER_LIMITS, SERVER_KEEPALIVE].flatMap((options) => Object.keys(options));
    assert.ok(names.length > 30);
    assert.deepEqual(names.filter((name) => !new RegExp(`\`(?:[a-z]*\\.)?${name}[\`.]`).test(page)), []);
  });
});
