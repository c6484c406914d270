import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { type Child, runtime, startScript } from "../support/process.ts";
import { startEtcdProcess } from "./etcd-process.ts";

/** After it has closed everything, a process ends by itself: what held it would do so forever. */
async function assertExits(child: Child): Promise<void> {
  await child.line(/^closed$/);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise((resolve) => timer = setTimeout(() => resolve("it still runs after 30 s"), 30_000));
  const exit = await Promise.race([child.exited, late]);
  clearTimeout(timer);
  assert.deepEqual(exit, { code: 0, signal: null }, child.lines.join("\n"));
}

function start(t: TestContext, url: string, mode: "used" | "away"): Child {
  const child = startScript(runtime, "test/examples/open-and-close.ts", [url, mode]);
  t.after(() => child.kill());
  return child;
}

describe("a process that closes its registry, registration and transport", () => {
  it("exits by itself after it has used them", async (t) => {
    const etcd = await startEtcdProcess();
    t.after(() => etcd.child.kill());
    await assertExits(start(t, etcd.url, "used"));
  });

  it("exits by itself when etcd is away", async (t) => {
    const etcd = await startEtcdProcess();
    await etcd.child.kill();
    await assertExits(start(t, etcd.url, "away"));
  });
});
