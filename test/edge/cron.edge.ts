import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createEtcdRegistry, type Registry } from "../../src/etcd.ts";
import type { Endpoint } from "../../src/index.ts";
import { type Etcd, etcdSkipped, startEtcd } from "../support/etcd.ts";
import { startWorkerd, type Workerd } from "./workerd.ts";

const TTL_MS = 5_000;

describe("a worker that renews its registration by a cron trigger", { skip: etcdSkipped }, () => {
  let etcd: Etcd, registry: Registry, workerd: Workerd;
  before(async () => {
    etcd = await startEtcd();
    registry = createEtcdRegistry({ endpoints: [etcd.url] });
    workerd = await startWorkerd("test/edge/cron-worker.ts", { vars: { ETCD: etcd.url } });
  });
  after(async () => {
    await Promise.all([workerd?.stop(), registry?.close()]);
    await etcd?.stop();
  });

  /** What is registered, over sockets and over fetch. */
  async function registered(): Promise<readonly (readonly Endpoint[])[]> {
    const signal = AbortSignal.timeout(30_000);
    return await Promise.all(["cron_sockets", "cron_gateway"].map(async (service) => {
      return (await registry.resolver(service).list!(signal)).endpoints!;
    }));
  }

  it("stays registered for five TTLs, under one key each, and is gone when it deregisters", async () => {
    const outcome = await workerd.scheduled();
    assert.equal(outcome, "ok");
    const first = await registered();
    assert.deepEqual(first.map(([endpoint]) => endpoint?.address), ["10.0.0.7:443", "10.0.0.7:443"]);
    const startMs = performance.now();
    let renewedMs = startMs, late = false;
    while (performance.now() < startMs + 5 * TTL_MS) {
      await new Promise((resolve) => setTimeout(resolve, TTL_MS / 3));
      assert.equal(await workerd.scheduled(), "ok");
      // On a machine that stood still for almost a TTL, the keys may have ended and been put again.
      late ||= performance.now() - renewedMs > TTL_MS - 1_000;
      renewedMs = performance.now();
      const now = await registered();
      if (late) assert.deepEqual(now.map(({ length }) => length), [1, 1]);
      else assert.deepEqual(now, first);
    }
    await workerd.json("/deregister");
    assert.deepEqual(await registered(), [[], []]);
  });
});
