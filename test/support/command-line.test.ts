import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { root } from "./process.ts";

/** The programs of package.json's scripts that take options. */
const { scripts } = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as { scripts: Record<string, string> };
const commands = Object.entries(scripts).flatMap(([name, script]) => {
  const program = /^node (?:--no-warnings )?((?:test|bench)\/\S+\.ts)$/.exec(script)?.[1];
  const text = program === undefined ? "" : readFileSync(root + program, "utf8");
  return /\b(commandLine|parseArgs)\(/.test(text) ? [{ name, program: program!, text }] : [];
});

function run(program: string, argument: string): Promise<{ code: number | null; out: string; error: string }> {
  const child = spawn("node", ["--no-warnings", program, argument], { cwd: root });
  const texts = { out: "", error: "" };
  child.stdout.on("data", (chunk) => texts.out += chunk);
  child.stderr.on("data", (chunk) => texts.error += chunk);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...texts }));
  });
}

describe("commands of package.json that take options", () => {
  const skip = "Bun" in globalThis || "Deno" in globalThis ? "they run on Node" : false;

  it("are known to these tests", () => {
    for (
      const name of ["simulate", "simulate:proof", "test:chaos", "test:fleet", "bench", "bench:registry", "mutate"]
    ) {
      assert.ok(commands.some((command) => command.name === name), name);
    }
  });

  it("print their help", { skip }, async () => {
    await Promise.all(commands.map(async ({ name, program }) => {
      const { code, out, error } = await run(program, "--help");
      assert.deepEqual({ code, error }, { code: 0, error: "" }, name);
      assert.match(out, new RegExp(`npm run ${name}\\b`), name);
    }));
  });

  it("say in a line what they take when they are given something else", { skip }, async () => {
    const { code, out, error } = await run("test/simulation/main.ts", "--no-such-option");
    assert.deepEqual({ code, out }, { code: 2, out: "" });
    assert.match(error, /^Unknown option '--no-such-option': expected (--[\w-]+( …)?, )*--help\n$/);
  });

  it("do so all in the same way", () => {
    for (const { name, text } of commands) assert.doesNotMatch(text, /\bparseArgs\(/, name);
  });
});
