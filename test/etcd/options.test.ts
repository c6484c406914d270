import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createEtcdRegistry } from "../../src/etcd.ts";
import { transportConnector } from "../../src/index.ts";
import { createMemoryEtcd } from "../../src/testing.ts";
import { MAX_DELAY_MS } from "../../src/time/clock.ts";

describe("createEtcdRegistry", () => {
  it("takes another connector, for an etcd within the process", async (t) => {
    const etcd = createMemoryEtcd();
    const connector = transportConnector(() => etcd.transport());
    const registry = createEtcdRegistry({ endpoints: ["memory:1"], connector });
    t.after(async () => {
      await registry.close();
      await etcd.close();
    });
    const registration = registry.register({ service: "simple_grpc", address: "10.0.0.5:8000", ttlSeconds: 5 });
    await registration.ready;
    const { endpoints } = await registry.resolver("simple_grpc").list!(new AbortController().signal);
    assert.deepEqual(endpoints?.map(({ address }) => address), ["10.0.0.5:8000"]);
  });

  it("refuses TLS options that it would not use", () => {
    const tls = { ca: "-----BEGIN CERTIFICATE-----…" };
    assert.throws(
      () => createEtcdRegistry({ endpoints: ["https://a:1", "http://b:1"], tls }),
      /http:\/\/b:1 does not use TLS/,
    );
    const connector = transportConnector(() => createMemoryEtcd().transport());
    assert.throws(() => createEtcdRegistry({ endpoints: ["a:1"], tls, connector }), /can't be combined/);
    const wrong = "grpc" as unknown as typeof connector;
    assert.throws(() => createEtcdRegistry({ endpoints: ["a:1"], connector: wrong }), /option connector/);
  });

  it("takes a requestTimeoutMs that a timer can wait for, above 0", async () => {
    const create = (requestTimeoutMs: number) => createEtcdRegistry({ endpoints: ["a:1"], requestTimeoutMs });
    for (const requestTimeoutMs of [0.5, MAX_DELAY_MS]) await create(requestTimeoutMs).close();
    for (const requestTimeoutMs of [0, -1, MAX_DELAY_MS + 1]) {
      assert.throws(() => create(requestTimeoutMs), /requestTimeoutMs is .*expected milliseconds above 0/);
    }
  });
});
