// The command as a process: its outputs, its signals and how it ends.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { executable, runtime, startScript } from "../support/process.ts";
import { type ServedEtcd, serveMemoryEtcd } from "./memory-etcd.ts";

const cli = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));
/** What runs the command on this runtime, for shells. */
const words = [executable(runtime), ...(runtime === "deno" ? ["run", "-A", "--no-check"] : []), cli];

/** Runs a line of a shell in which $cli is the command; its outputs are apart. */
function shell(line: string, env: Readonly<Record<string, string>>) {
  const command = words.map((word) => `'${word}'`).join(" ");
  const child = spawn("bash", ["-c", `set -o pipefail; cli() { ${command} "$@"; }; ${line}`], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "", stderr = "";
  child.stdout.on("data", (chunk) => (stdout += chunk));
  child.stderr.on("data", (chunk) => (stderr += chunk));
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}

describe("connect-lb as a process", () => {
  let etcd: ServedEtcd;
  before(async () => {
    etcd = await serveMemoryEtcd();
    for (let i = 1; i <= 3; i++) await etcd.register({ service: `s${i}`, address: `10.0.0.${i}:80`, ttlSeconds: 60 });
  });
  after(() => etcd.close());

  it("prints data on standard output and everything else on standard error", async () => {
    const env = { CONNECT_LB_ETCD: etcd.url };
    assert.deepEqual(await shell("cli ls -o name", env), { code: 0, stdout: "s1\ns2\ns3\n", stderr: "" });
    const wrong = await shell("cli ls --layuot kratos", env);
    assert.deepEqual([wrong.code, wrong.stdout], [2, ""]);
    assert.match(wrong.stderr, /^connect-lb ls: there is no option --layuot\n {2}did you mean --layout\?\n$/);
  });

  it("ends quietly when its reader has gone, even in the middle of a stream", async () => {
    const env = { CONNECT_LB_ETCD: etcd.url };
    let ended = false;
    const reading = shell("cli watch s1 -o name | head -n 1", env).finally(() => (ended = true));
    // Like any program it finds out when it writes again.
    for (let port = 81; !ended; port++) {
      await (await etcd.register({ service: "s1", address: `10.0.0.9:${port}` })).close();
    }
    const head = await reading;
    assert.deepEqual([head.stdout, head.stderr], ["10.0.0.1:80\n", ""]);
    assert.equal(head.code, 0);
  });

  it("ends watching with 130 on Ctrl-C, and serving with 0 on SIGTERM", async () => {
    const watching = startScript(runtime, "src/cli.ts", ["watch", "s1"], { env: { CONNECT_LB_ETCD: etcd.url } });
    await watching.line(/present +10\.0\.0\.1:80/);
    watching.signal("SIGINT");
    assert.equal((await watching.exited).code, 130);

    const serving = startScript(runtime, "src/cli.ts", ["etcd", "--listen", "127.0.0.1:0"]);
    const [url] = await serving.line(/^http:\/\/127\.0\.0\.1:\d+$/);
    assert.equal((await shell("cli ls", { CONNECT_LB_ETCD: url })).code, 3);
    const taken = await shell(`cli etcd --listen ${new URL(url).host}`, {});
    assert.equal(taken.code, 1);
    assert.match(taken.stderr, /is taken\n {2}does an etcd run there already\?/);
    serving.signal("SIGTERM");
    assert.equal((await serving.exited).code, 0);
  });

  it("goes on waiting for an etcd that has gone, although nothing else keeps the process", async () => {
    const own = await serveMemoryEtcd();
    await own.register({ service: "s", address: "10.0.0.1:80" });
    const watching = startScript(runtime, "src/cli.ts", ["watch", "s"], { env: { CONNECT_LB_ETCD: own.url } });
    await watching.line(/present/);
    await own.close();
    await watching.line(/etcd can't be reached, the last set stays in use/);
    const again = await serveMemoryEtcd(Number(new URL(own.url).port));
    await again.register({ service: "s", address: "10.0.0.2:80" });
    await watching.line(/added +10\.0\.0\.2:80/);
    await watching.stop();
    await again.close();
  });
});
