import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Etcd, etcdSkipped, startEtcd } from "../support/etcd.ts";
import { type Child, runtime, startScript } from "../support/process.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { driverKinds } from "./drivers.ts";

describe("a process with a driver", () => {
  let etcd: Etcd | undefined;
  let child: Child | undefined;
  before(async () => {
    if (!etcdSkipped) etcd = await startEtcd();
  });
  after(async () => {
    await child?.kill();
    await etcd?.stop();
  });

  for (const { name } of driverKinds) {
    it(`${name}: exits by itself once it is closed, with no rejection unhandled`, { skip: etcdSkipped }, async () => {
      const dead = await startTcpProxy("127.0.0.1:1");
      await dead.refuse();
      const program = child = startScript(runtime, "test/etcd/driver-program.ts", [
        name,
        `127.0.0.1:${etcd?.port}`,
        dead.address,
      ]);
      await program.line(/^closed$/);
      const timer = setTimeout(() => program.signal("SIGKILL"), 30_000);
      assert.deepEqual(await program.exited, { code: 0, signal: null }, program.lines.join("\n"));
      clearTimeout(timer);
      assert.deepEqual(program.lines, ["refused", "closed"]);
      await dead.close();
    });
  }
});
