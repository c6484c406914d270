import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startScript } from "../support/process.ts";

describe("examples/worker", () => {
  it("runs in workerd, over its own sockets and through its Durable Object", async () => {
    const demo = startScript("node", "examples/worker/main.ts");
    const { code } = await demo.exited;
    const output = demo.lines.join("\n");
    assert.equal(code, 0, output);
    assert.equal(output.match(/GET \/world: hello world, from /g)?.length, 3, output);
    assert.equal(output.match(/GET \/object\/world: hello world/g)?.length, 3, output);
  });
});
