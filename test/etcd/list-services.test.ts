// Registry.list: which services have entries, read from an etcd in memory.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient, type Transport } from "@connectrpc/connect";
import { KV } from "../../gen/etcd/rpc_pb.ts";
import { transportConnector } from "../../src/connection/transport-connector.ts";
import { createConnectDriver } from "../../src/etcd/driver/connect/connect-driver.ts";
import { createRegistryOver } from "../../src/etcd/registry.ts";
import { createMemoryEtcd } from "../../src/memory-etcd/memory-etcd.ts";
import { etcdNaming } from "../../src/registry/layout/etcd-naming.ts";
import { goZero } from "../../src/registry/layout/go-zero.ts";
import { grpclb } from "../../src/registry/layout/grpclb.ts";
import { kitex } from "../../src/registry/layout/kitex.ts";
import { kratos } from "../../src/registry/layout/kratos.ts";
import type { Layout } from "../../src/registry/layout/layout.ts";
import { setUp } from "./scripted.ts";

const { signal } = new AbortController();

function inMemory(layout: Layout) {
  const transport = createMemoryEtcd().transport();
  const driver = createConnectDriver(transportConnector(() => transport));
  return { transport, registry: createRegistryOver(() => driver, { endpoints: ["memory:1"], layout }) };
}

async function put(transport: Transport, entries: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  const kv = createClient(KV, transport), encoder = new TextEncoder();
  for (const [key, value] of Object.entries(entries)) {
    await kv.put({
      key: encoder.encode(key),
      value: typeof value === "string" ? encoder.encode(value) : value as Uint8Array<ArrayBuffer>,
    });
  }
}

describe("the services of a registry in etcd", () => {
  for (const layout of [grpclb(), etcdNaming(), etcdNaming({ prefix: "foo/bar" }), goZero(), kratos(), kitex()]) {
    it(`are listed by name with their endpoints, below "${layout.root}"`, async () => {
      const { transport, registry } = inMemory(layout);
      assert.deepEqual(await registry.list(signal), []);
      const names = layout.slashes ? ["b", "b/c", "a"] : ["b", "a"];
      const registrations = names.flatMap((service) =>
        [1, 2].map((host) => registry.register({ service, address: `10.0.0.${host}:80` }))
      );
      await Promise.all(registrations.map(({ ready }) => ready));
      await put(transport, { "elsewhere": "10.0.0.5:80", "elsewhere/too/many": "no address at all" });
      assert.deepEqual(
        await registry.list(signal),
        names.toSorted().map((service) => ({ service, endpoints: 2, entries: 2 })),
      );
      await registry.close();
      await assert.rejects(registry.list(signal), /the registry is closed/);
    });
  }

  it("count entries that can't be read, and several of one endpoint, as entries alone", async () => {
    const { transport, registry } = inMemory(grpclb());
    await put(transport, {
      "/grpclb/a/10.0.0.1:80": "10.0.0.1:80",
      "/grpclb/a/other": "10.0.0.1:80",
      "/grpclb/a/wild": "0.0.0.0:80",
      "/grpclb/b/bytes": new Uint8Array([255, 254]),
      "/grpclb/b/large": "1".repeat(70_000),
      // No service can have these names.
      "/grpclb/a b/10.0.0.1:80": "10.0.0.1:80",
      "/grpclb/../10.0.0.1:80": "10.0.0.1:80",
    });
    assert.deepEqual(await registry.list(signal), [
      { service: "a", endpoints: 1, entries: 3 },
      { service: "b", endpoints: 0, entries: 2 },
    ]);
  });

  it("are read a thousand keys at a time", async () => {
    const { etcd, registry } = setUp();
    for (let n = 0; n < 2_500; n++) {
      const address = `10.0.${n >> 8}.${n & 255}:80`;
      etcd.put(`/grpclb/s${n % 3}/${address}`, address);
    }
    const listed = await registry.list(signal);
    assert.deepEqual(listed.map(({ endpoints }) => endpoints), [834, 833, 833]);
    assert.equal(etcd.count("range"), 3);
  });

  it("are asked of each etcd endpoint before it fails", async () => {
    const { etcd, registry } = setUp({ endpoints: ["e1:1", "e2:1"] });
    etcd.put("/grpclb/a/10.0.0.1:80", "10.0.0.1:80");
    const refused = new Error("connection refused");
    etcd.fault = ({ endpoint }) => endpoint === etcd.calls[0]?.endpoint ? refused : undefined;
    assert.deepEqual(await registry.list(signal), [{ service: "a", endpoints: 1, entries: 1 }]);
    etcd.fault = () => refused;
    await assert.rejects(registry.list(signal), /connection refused/);
    assert.equal(etcd.count("range"), 4);
    await assert.rejects(registry.list(AbortSignal.abort(new Error("enough"))), /enough/);
  });

  it("are not made of keys that no service has, whatever the layout says", async () => {
    const { transport, registry } = inMemory({ ...grpclb(), serviceOf: (key) => key.split("/")[2] });
    await put(transport, { "/grpclb/a": "10.0.0.1:80", "/grpclb/b/10.0.0.1:80": "10.0.0.1:80" });
    assert.deepEqual(await registry.list(signal), [{ service: "b", endpoints: 1, entries: 1 }]);
  });

  it("need a layout that can list them", async () => {
    const { root: _, ...layout } = grpclb();
    const { registry } = inMemory(layout);
    await assert.rejects(registry.list(signal), /TypeError: the layout can't list services: .* root and serviceOf/);
  });
});
