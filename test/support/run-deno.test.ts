// `npm run test:deno` with files that pass, fail and end in other ways: on one runtime, as it is a program of its own.
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
  /** Runs files, each of which is made from the path of its folder. */
  const runAll = async (...files: ((folder: string) => string)[]) => {
    const folder = await mkdtemp(join(tmpdir(), "connect-lb-deno-"));
    try {
      const paths = files.map((_, i) => join(folder, `${i}.test.ts`));
      await Promise.all(files.map((file, i) => writeFile(paths[i]!, file(folder))));
      const child = startScript("node", "test/support/run-deno.ts", paths);
      const { code } = await child.exited;
      return { code, output: child.lines.join("\n") };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };
  const run = (deaths: number) => runAll((folder) => dying(folder, deaths));
  const file = (body: string) => () => `import { it } from "node:test";\nimport process from "node:process";\n${body}`;
  const passing = file(`it("passes", () => {}); it("is left out", { skip: true }, () => {});`);

  it("are counted over all files", { skip }, async () => {
    const failing = file(`it("fails", () => { throw new Error("no"); }); it("passes", () => {});`);
    assert.match((await runAll(passing, passing)).output, /\nℹ tests 4\nℹ pass 2\nℹ fail 0\nℹ skipped 2/);
    const { code, output } = await runAll(passing, failing, passing);
    assert.match(output, /\nℹ tests 6\nℹ pass 3\nℹ fail 1\nℹ skipped 2/);
    assert.equal(code, 1);
  });

  it("fail with a file that is killed, ends early, throws outside its tests or has none", { skip }, async () => {
    const { code, output } = await runAll(
      passing,
      file(`it("is killed", () => process.kill(process.pid, "SIGKILL"));`),
      file(`it("passes", () => {}); process.exit(0);`),
      file(
        `setTimeout(() => { throw new Error(); }); it("waits", () => new Promise((end) => setTimeout(end, 60_000)));`,
      ),
      file(""),
    );
    assert.equal(code, 1);
    assert.match(output, /\nℹ tests 6\nℹ pass 1\nℹ fail 4\nℹ skipped 1/);
    for (
      const end of ["1.test.ts: ended with SIGKILL", "2.test.ts: ended with code 0", "4.test.ts: ended with code 0"]
    ) {
      assert.ok(output.includes(`${end} after 0 tests`), output);
    }
  });

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
