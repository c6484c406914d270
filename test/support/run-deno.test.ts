// `npm run test:deno` against a Deno that dies: on one runtime, as it is a program of its own.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { runtime, startScript } from "./process.ts";

const skip = runtime === "node" ? false : "runs on Node, as npm runs it";

/** Dies of SIGABRT in its first `deaths` runs, and passes in the next. */
const dying = (folder: string, deaths: number) => `
import { it } from "node:test";
import fs from "node:fs";
import process from "node:process";
it("dies", () => {
  const path = ${JSON.stringify(join(folder, "runs"))};
  fs.appendFileSync(path, "x");
  if (fs.readFileSync(path, "utf8").length <= ${deaths}) process.kill(process.pid, "SIGABRT");
});
`;

describe("the tests on Deno", () => {
  const run = async (deaths: number) => {
    const folder = await mkdtemp(join(tmpdir(), "connect-lb-deaths-"));
    try {
      await writeFile(join(folder, "dying.test.ts"), dying(folder, deaths));
      const child = startScript("node", "test/support/run-deno.ts", [join(folder, "dying.test.ts")]);
      const { code } = await child.exited;
      return { code, output: child.lines.join("\n") };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };

  it("run again when Deno itself dies, and say so", { skip }, async () => {
    const { code, output } = await run(2);
    assert.equal(code, 0, output);
    assert.match(output, /\nDeno itself died of SIGABRT in run 1 of .*\nDeno itself died of SIGABRT in run 2 of /);
  });

  it("fail when it dies more often than now and then", { skip }, async () => {
    const { code, output } = await run(3);
    assert.equal(code, 1, output);
    assert.match(output, /Deno died more than 2 times, which fails this run\./);
    assert.match(output, /\nℹ fail 1\n/);
  });
});
