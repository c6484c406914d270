// The policy and the test that docs/custom-policy.md prints, compiled and run as one file.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, it } from "node:test";
import { executable, root, runtime, start } from "../support/process.ts";
import { type Block, blocksOf } from "./blocks.ts";
import { typeCheck } from "./type-check.ts";

const page = "docs/custom-policy.md";
const blocks = blocksOf(page, readFileSync(join(root, page), "utf8"));

/** The test with the policy in place of its import. */
const whole: Block = {
  ...blocks[1]!,
  text: blocks[1]!.text.replace(/^import .* from ".\/taking-turns.ts";\n/m, () => blocks[0]!.text),
};

const folders: string[] = [];
after(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** The file, with what it imports from here. */
function written(text: string): string {
  mkdirSync(join(root, ".tmp"), { recursive: true });
  const folder = mkdtempSync(join(root, ".tmp/custom-policy-"));
  folders.push(folder);
  const file = join(folder, "taking-turns.test.ts");
  const here = text.replaceAll('"connect-lb"', `"${root}src/index.ts"`).replaceAll('"./gen/', `"${root}gen/`);
  writeFileSync(file, here);
  return file;
}

const command = { node: ["--test"], bun: ["test"], deno: ["test", "-A", "--no-check"] }[runtime];

it("the policy of one's own and its test compile", async () => {
  assert.equal(blocks.length, 2);
  assert.deepEqual(await typeCheck(runtime, [whole]), [""]);
});

it("the test of the policy passes, and fails if the policy is another one", async () => {
  // Node's runner would take the other for a part of this one.
  const env = { NODE_TEST_CONTEXT: undefined };
  const codeOf = async (text: string) =>
    (await start(executable(runtime), [...command, written(text)], { env }).exited).code;
  assert.equal(await codeOf(whole.text), 0);
  const other = whole.text.replace("(turn + i)", "i");
  assert.notEqual(other, whole.text);
  assert.notEqual(await codeOf(other), 0);
});
