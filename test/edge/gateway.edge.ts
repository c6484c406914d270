// Runs in `npm run test:edge`, on Node: etcd over fetch from a worker in workerd, without `nodejs_compat`.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { after, afterEach, before, describe, it } from "node:test";
import { type Etcd, etcdctl, etcdSkipped, startEtcd } from "../support/etcd.ts";
import { eventually } from "../support/eventually.ts";
import { startWorkerd, type Workerd } from "./workerd.ts";

const skip = etcdSkipped;
const SELF = "/grpclb/worker/worker.example:443";

describe("etcd over fetch, in workerd", () => {
  let etcd: Etcd | undefined, workerd: Workerd | undefined;
  const ctl = (...args: string[]) => etcdctl(etcd as Etcd, ...args);
  const open = async (vars: Record<string, string> = {}) =>
    workerd = await startWorkerd("test/edge/gateway-worker.ts", { vars: { ETCD: (etcd as Etcd).url, ...vars } });
  const listed = async (times: number) => {
    const lists = Array.from({ length: times }, () => (workerd as Workerd).json<string[]>("/list"));
    return new Set((await Promise.all(lists)).map((addresses) => addresses.join(" ")));
  };
  before(async () => {
    // Passwords are checked fast, however busy the machine is.
    if (!skip) etcd = await startEtcd({ args: ["--bcrypt-cost=4"] });
  });
  afterEach(() => workerd?.stop());
  after(() => etcd?.stop());

  it("a registry in the global scope serves requests one after another and at once", { skip }, async () => {
    const { json } = await open();
    assert.deepEqual(await json("/list"), []);
    for (let n = 1; n <= 3; n++) {
      await ctl("put", `/grpclb/a/${n}`, `127.0.0.1:${n}`);
      const expected = Array.from({ length: n }, (_, i) => `127.0.0.1:${i + 1}`).join(" ");
      assert.deepEqual([...await listed(1)], [expected]);
      assert.deepEqual([...await listed(20)], [expected]);
    }
    assert.deepEqual(await json("/services"), [{ service: "a", endpoints: 3, entries: 3 }]);
    await etcd?.kill();
    await assert.rejects(json("/list"), /EtcdError: etcd at 127\.0\.0\.1:\d+: /);
    await etcd?.restart();
    assert.equal((await listed(20)).size, 1);
  });

  it("watches within a request", { skip }, async () => {
    const { json } = await open();
    const sets = json<string[][]>("/watch?sets=2");
    // Until the second set is there, new ones are made.
    let n = 10, done = false;
    void sets.finally(() => (done = true)).catch(() => {});
    await eventually("two sets", async () => done || (await ctl("put", `/grpclb/a/${n++}`, "127.0.0.1:9"), false));
    const [first, second] = await sets as [string[], string[]];
    assert.ok(second.length >= first.length && second.includes("127.0.0.1:9"), JSON.stringify([first, second]));
    await ctl("del", "--prefix", "/grpclb/a/");
  });

  it("a balanced transport at module scope says that its watch has ended with its request", { skip }, async () => {
    const { json, child } = await open();
    await ctl("put", "/grpclb/a/1", "127.0.0.1:1");
    const ended = /no longer watched: that ended with the request.* use createPullTransport\(\)/;
    const first = await json<{ failure: string; stale?: string }>("/balanced");
    assert.doesNotMatch(`${first.failure} ${first.stale}`, ended);
    await eventually(
      "a later call notices",
      async () => ended.test((await json<{ stale?: string }>("/balanced")).stale ?? ""),
    );
    assert.match((await json<{ failure: string }>("/balanced")).failure, ended);
    assert.equal(child.lines.filter((line) => ended.test(line)).length, 1);
    await ctl("del", "/grpclb/a/1");
  });

  it("a cron trigger keeps the worker registered through five TTLs, in any isolate", { skip }, async () => {
    const worker = await open();
    const keys = async () => (await ctl("get", "--prefix", "--keys-only", "/grpclb/worker/")).trim();
    const leases = async () => (await ctl("lease", "list")).match(/[0-9a-f]{16}/g) ?? [];
    assert.equal(await worker.scheduled(), "ok");
    const first = await leases();
    assert.equal(first.length, 1);
    // Five TTLs of 5 s, renewed each third: so much is etcd's own time, not this machine's speed.
    for (let third = 0; third < 15; third++) {
      await sleep(5_000 / 3);
      assert.equal(await keys(), SELF);
      if (third === 7) await worker.restart();
      assert.equal(await worker.scheduled(), "ok");
    }
    assert.deepEqual(await leases(), first);
    assert.deepEqual(await worker.json("/list?service=worker"), ["worker.example:443"]);
    await worker.json("/deregister");
    assert.deepEqual([await keys(), await leases()], ["", []]);
    await worker.scheduled();
    await eventually("it is gone once nobody renews it", async () => await keys() === "");
  });

  it("a user's token is shared by requests, and a new one is had when etcd has forgotten it", { skip }, async () => {
    await ctl("put", "/grpclb/a/1", "127.0.0.1:1");
    await ctl("user", "add", "root:secret");
    await ctl("role", "add", "root").catch(() => {});
    await ctl("user", "grant-role", "root", "root");
    await ctl("auth", "enable");
    const root = ["--user", "root:secret"];
    const { scheduled, child } = await open({ USERNAME: "root", PASSWORD: "secret" });
    assert.deepEqual([...await listed(10)], ["127.0.0.1:1"]);
    for (let round = 0; round < 2; round++) {
      // etcd does again what it did after its last write, and so would know the token.
      await scheduled();
      await etcd?.restart();
      await ctl(...root, "put", "/grpclb/a/1", "127.0.0.1:1");
      // Each request's first attempt is refused, and must leave no connection behind that the next one can't use.
      const now = await eventually("etcd is reached again", () => listed(10));
      assert.deepEqual([...now, ...await listed(10)], ["127.0.0.1:1", "127.0.0.1:1"]);
      assert.doesNotMatch(child.lines.join("\n"), /protocol/i);
    }
    await ctl(...root, "auth", "disable");
    assert.deepEqual([...await listed(10)], ["127.0.0.1:1"]);
  });
});
