import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Etcd, etcdSkipped, startEtcd } from "../support/etcd.ts";
import { type Child, runtime, startScript } from "../support/process.ts";

for (const over of ["connect", "etcd3", "gateway"]) exitsWith(over);

function exitsWith(over: string): void {
  describe(`a process with a registry over ${over}`, () => {
    let etcd: Etcd | undefined;
    let child: Child | undefined;
    const run = (mode: string) =>
      child = startScript(runtime, "test/etcd/registry-program.ts", [(etcd as Etcd).url, mode, over]);
    const exits = async () => {
      const program = child as Child;
      await program.line(/^closed$/);
      // Longer than the 3 s that are promised, as machines are slow: a timer that holds it would take forever.
      const timer = setTimeout(() => program.signal("SIGKILL"), 30_000);
      assert.deepEqual(await program.exited, { code: 0, signal: null }, program.lines.join("\n"));
      clearTimeout(timer);
    };
    before(async () => {
      if (!etcdSkipped) etcd = await startEtcd();
    });
    after(async () => {
      await child?.kill();
      await etcd?.stop();
    });

    it("exits by itself once all is closed", { skip: etcdSkipped }, async () => {
      run("here");
      await exits();
    });

    it("exits by itself once all is closed, also while etcd is away", { skip: etcdSkipped }, async () => {
      await etcd?.kill();
      run("away");
      await exits();
    });

    it("lives on while it waits to be ready", { skip: etcdSkipped }, async () => {
      const program = run("ready");
      await program.line(/^stale$/);
      await etcd?.restart();
      await program.line(/^ready$/);
      await exits();
    });
  });
}
