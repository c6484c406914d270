// etcd's own command line client against the etcd in memory, served by the example that users run.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { eventually } from "../support/eventually.ts";
import { etcdSkipped, startEtcdctl } from "../support/etcd.ts";
import { type Child, runtime, startScript } from "../support/process.ts";
import { ensure } from "../support/system.ts";

describe("etcdctl against the etcd in memory", { concurrency: false }, () => {
  let server: Child;
  let endpoint = "";
  const begin = (...args: string[]): Child => startEtcdctl(endpoint, args);
  const run = async (...args: string[]): Promise<readonly string[]> => {
    const child = begin(...args);
    child.endInput();
    const { code } = await child.exited;
    assert.equal(code, 0, child.lines.join("\n"));
    return child.lines;
  };

  before(async () => {
    if (etcdSkipped !== false) return;
    ensure("etcd");
    server = startScript(runtime, "examples/etcd.ts", ["--port", "0"]);
    endpoint = (await server.line(/http:\/\/(127\.0\.0\.1:\d+)$/))[1] as string;
  });
  after(() => server?.stop());

  it("puts, gets and deletes", { skip: etcdSkipped }, async () => {
    assert.deepEqual(await run("put", "kv/a", "1"), ["OK"]);
    assert.deepEqual(await run("put", "kv/b", "2"), ["OK"]);
    assert.deepEqual(await run("get", "--prefix", "kv/"), ["kv/a", "1", "kv/b", "2"]);
    assert.deepEqual(await run("get", "--prefix", "kv/", "--keys-only", "--order=DESCEND", "--sort-by=KEY"), [
      "kv/b",
      "",
      "kv/a",
      "",
    ]);
    assert.deepEqual(await run("del", "--prefix", "kv/"), ["2"]);
    assert.deepEqual(await run("get", "--prefix", "kv/"), []);
  });

  it("watches from a revision on", { skip: etcdSkipped }, async () => {
    await run("put", "watch/a", "1");
    const watch = begin("watch", "--rev=1", "--prefix", "watch/");
    try {
      await watch.line(/^1$/);
      await run("del", "watch/a");
      await eventually("a line for the key that was deleted", () => watch.lines.length >= 5);
      assert.deepEqual(watch.lines.slice(0, 5), ["PUT", "watch/a", "1", "DELETE", "watch/a"]);
    } finally {
      await watch.stop();
    }
  });

  it("grants, lists, keeps alive and revokes leases", { skip: etcdSkipped }, async () => {
    const [granted = ""] = await run("lease", "grant", "60");
    const id = granted.match(/^lease ([0-9a-f]+) granted with TTL\(60s\)$/)?.[1] as string;
    await run("put", "lease/a", "1", `--lease=${id}`);
    assert.match((await run("lease", "timetolive", id, "--keys"))[0] as string, /granted with TTL\(60s\).*lease\/a/);
    assert.ok((await run("lease", "list")).includes(id));
    assert.deepEqual(await run("lease", "keep-alive", "--once", id), [`lease ${id} keepalived with TTL(60)`]);
    assert.deepEqual(await run("lease", "revoke", id), [`lease ${id} revoked`]);
    assert.deepEqual(await run("get", "lease/a"), []);
    assert.deepEqual(await run("lease", "keep-alive", id), [`lease ${id} expired or revoked.`]);
  });

  it("runs transactions", { skip: etcdSkipped }, async () => {
    await run("put", "txn/a", "1");
    const txn = begin("txn", "--interactive=false");
    txn.write('value("txn/a") = "1"\n\nput txn/b yes\nget txn/a\n\nput txn/b no\n\n');
    txn.endInput();
    assert.equal((await txn.exited).code, 0, txn.lines.join("\n"));
    assert.deepEqual(txn.lines, ["SUCCESS", "", "OK", "", "txn/a", "1"]);
    assert.deepEqual(await run("get", "txn/b", "--print-value-only"), ["yes"]);
  });

  it("compacts, and reports that a revision is compacted", { skip: etcdSkipped }, async () => {
    await run("put", "compact/a", "1");
    const fields = await run("get", "compact/a", "-w", "fields");
    const revision = fields.find((line) => line.startsWith('"Revision"'))?.split(" : ")[1] as string;
    assert.deepEqual(await run("compaction", revision), [`compacted revision ${revision}`]);
    const get = begin("get", "--rev=1", "compact/a");
    assert.notEqual((await get.exited).code, 0);
    assert.match(get.lines.join("\n"), /required revision has been compacted/);
  });

  it("reads status and health", { skip: etcdSkipped }, async () => {
    assert.match((await run("endpoint", "status"))[0] as string, /, 3\.4\.23\+memory, .*, true, false, /);
    assert.match((await run("endpoint", "health")).join("\n"), /is healthy/);
  });
});

describe("examples/etcd.ts", () => {
  const ended = async (...args: string[]) => {
    const child = startScript(runtime, "examples/etcd.ts", args);
    const { code } = await child.exited;
    return { code, output: child.lines.join("\n") };
  };

  it("says how it is used", async () => {
    const { code, output } = await ended("--help");
    assert.equal(code, 0);
    assert.match(output, /--port PORT/);
  });

  it("names what is wrong with its arguments", async () => {
    for (
      const [args, message] of [
        [["--port", "65536"], /--port is "65536"; expected a number from 0 to 65535/],
        [["--port", "x"], /--port is "x"/],
        [["--prt", "1"], /--prt/],
        [["--host", ""], /--host is empty/],
      ] as const
    ) {
      const { code, output } = await ended(...args);
      assert.equal(code, 2, output);
      assert.match(output, message);
    }
  });

  it("says that a port is taken, and ends with code 0 when asked to stop", async () => {
    const first = startScript(runtime, "examples/etcd.ts", ["--port", "0"]);
    const [, port = ""] = await first.line(/:(\d+)$/);
    const { code, output } = await ended("--port", port);
    assert.equal(code, 1);
    assert.match(output, new RegExp(`port ${port} of 127.0.0.1 is taken`));
    assert.deepEqual(await first.stop(), { code: 0, signal: null });
  });
});
