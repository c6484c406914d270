import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, describe, it } from "node:test";
import { type Etcd, etcdSkipped, startEtcd } from "./etcd.ts";

const post = async (etcd: Etcd, path: string, body: unknown): Promise<Record<string, unknown>> => {
  const answer = await fetch(`${etcd.url}/v3/${path}`, {
    method: "POST",
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  });
  return await answer.json() as Record<string, unknown>;
};

describe("a real etcd for tests", () => {
  const started: Etcd[] = [];
  after(() => Promise.all(started.map((etcd) => etcd.stop())));

  it("serves at once, keeps its data over a kill and a restart, and leaves nothing behind", {
    skip: etcdSkipped,
  }, async () => {
    const etcd = await startEtcd();
    started.push(etcd);
    await post(etcd, "kv/put", { key: btoa("a"), value: btoa("1") });
    const before = etcd.pid;

    assert.equal((await etcd.kill()).signal, "SIGKILL");
    await assert.rejects(post(etcd, "kv/range", { key: btoa("a") }));
    await etcd.restart();
    assert.notEqual(etcd.pid, before);
    assert.equal((await post(etcd, "kv/range", { key: btoa("a") }))["count"], "1");

    await etcd.restart({ wipe: true });
    assert.equal((await post(etcd, "kv/range", { key: btoa("a") }))["count"], undefined);

    await etcd.stop();
    assert.equal(existsSync(etcd.dataDir), false);
  });
});
