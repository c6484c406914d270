import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { executable, runtime } from "../support/process.ts";
import { type ServedEtcd, serveMemoryEtcd } from "./memory-etcd.ts";
import { run } from "./support.ts";

const cli = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));
const command = [executable(runtime), ...(runtime === "deno" ? ["run", "-A", "--no-check"] : []), cli]
  .map((word) => `'${word}'`).join(" ");

describe("completion", () => {
  const folder = mkdtempSync(join(tmpdir(), "connect-lb-completion-"));
  let etcd: ServedEtcd;
  /** What the last word may be. */
  const complete = async (...words: readonly string[]) => {
    const { code, stdout, stderr } = await run(["complete", "--", ...words], { env: { CONNECT_LB_ETCD: etcd.url } });
    assert.deepEqual([code, stderr], [0, ""]);
    return stdout.split("\n").filter((line) => line !== "").map((line) => line.split("\t")[0]);
  };

  before(async () => {
    etcd = await serveMemoryEtcd();
    for (const service of ["simple_grpc", "simple_http", "other"]) {
      await etcd.register({ service, address: "10.0.0.1:80", ttlSeconds: 600 });
    }
    await etcd.put("/grpclb/simple$(reboot)/a", "10.0.0.1:80");
    await etcd.put("/microservices/kratos-service/a", '{"name":"kratos-service","endpoints":["grpc://10.0.0.1:80"]}');
  });
  after(async () => {
    rmSync(folder, { recursive: true });
    await etcd.close();
  });

  it("offers commands, options and the values of options", async () => {
    assert.deepEqual(await complete("w"), ["watch"]);
    assert.deepEqual(await complete("help", "comp"), ["completion"]);
    assert.ok(!(await complete("")).includes("complete"), "what is hidden stays hidden");
    assert.deepEqual(await complete("ls", "--ou"), ["--output"]);
    assert.deepEqual(await complete("ls", "-o", ""), ["table", "json", "name"]);
    assert.deepEqual(await complete("ls", "--output", "=", "j"), ["json"]);
    assert.deepEqual(await complete("watch", "x", "--layout", "k"), ["kratos", "kitex"]);
    assert.deepEqual(await complete("completion", ""), ["bash", "zsh", "fish"]);
  });

  it("offers the services of the etcd and the layout that the words name", async () => {
    assert.deepEqual(await complete("ls", ""), ["other", "simple_grpc", "simple_http"]);
    assert.deepEqual(await complete("watch", "-o", "json", "simple_"), ["simple_grpc", "simple_http"]);
    assert.deepEqual(await complete("ls", "--layout", "kratos", ""), ["kratos-service"]);
    assert.deepEqual(await complete("ls", "simple_grpc", ""), [], "one is enough");
    assert.deepEqual(await complete("ls", "--endpoints", "http://127.0.0.1:1", ""), [], "without etcd there is none");
  });

  it("offers no service whose name a shell would run", async () => {
    assert.match((await run(["ls", "--endpoints", etcd.url])).stdout, /simple\$\(reboot\)/);
    assert.ok(!(await complete("ls", "")).some((name) => name?.includes("$")));
  });

  it("offers nothing of its own for files, and after --", async () => {
    assert.deepEqual(await complete("ls", "--cacert", ""), []);
    assert.deepEqual(await complete("register", "s", "10.0.0.1:80", "--", "--"), []);
    assert.deepEqual(await complete("nothing", ""), []);
  });

  it("is refused for shells without a script", async () => {
    const { code, stderr } = await run(["completion", "powershell"]);
    assert.equal(code, 2);
    assert.match(stderr, /there is no script for "powershell"\n {2}for bash, zsh, fish/);
  });

  /**
   * Runs a program of a shell that has been given the script, with `connect-lb` as a function. From a file: Deno changes
   * what shells are told by `-c`.
   */
  const inShell = async (shell: string, program: string, before = "") => {
    const { stdout: script } = await run(["completion", shell]);
    const defined = shell === "fish"
      ? `function connect-lb; ${command} $argv; end`
      : `connect-lb() { ${command} "$@"; }`;
    const file = join(folder, shell);
    writeFileSync(file, `${before}\n${defined}\n${script}\n${program}\n`);
    const { stdout } = await promisify(execFile)(shell, [...(shell === "zsh" ? ["-f"] : []), file], {
      // A busy machine may take long.
      env: { ...process.env, CONNECT_LB_ETCD: etcd.url, ETCDCTL_COMMAND_TIMEOUT: "60s" },
    });
    return stdout.split("\n").filter((line) => line !== "");
  };
  const missing = (shell: string) =>
    spawnSync(shell, ["-c", "true"]).status === 0 ? false : `${shell} is not installed`;

  it("works in bash", { skip: missing("bash") }, async () => {
    const program = (words: string, at: number) =>
      `COMP_WORDS=(${words}); COMP_CWORD=${at}; _connect_lb; printf '%s\\n' "\${COMPREPLY[@]}"; complete -p connect-lb`;
    assert.deepEqual(await inShell("bash", program("connect-lb ls simple_", 2)), [
      "simple_grpc",
      "simple_http",
      "complete -o default -F _connect_lb connect-lb",
    ]);
    assert.equal((await inShell("bash", program("connect-lb wat", 1)))[0], "watch");
  });

  it("works in zsh", { skip: missing("zsh") }, async () => {
    const stubs = "compdef() { :; }; _describe() { print -rl -- ${(P)2}; }; _files() { print -r -- files; }";
    const shown = (words: string) => inShell("zsh", `words=(${words}); CURRENT=$#words; _connect_lb`, stubs);
    assert.deepEqual(await shown("connect-lb ls simple_"), ["simple_grpc:1 endpoints", "simple_http:1 endpoints"]);
    assert.deepEqual(await shown("connect-lb ls --cacert ''"), ["files"]);
  });

  it("works in fish", { skip: missing("fish") }, async () => {
    assert.deepEqual(await inShell("fish", "complete --do-complete 'connect-lb ls simple_'"), [
      "simple_grpc\t1 endpoints",
      "simple_http\t1 endpoints",
    ]);
    assert.deepEqual(await inShell("fish", "complete --do-complete 'connect-lb ls -o j'"), ["json"]);
  });
});
