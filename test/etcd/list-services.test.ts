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
import { settled } from "../support/manual-clock.ts";
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
    assert.deepEqual(listed.map(({ endpoints, entries }) => [endpoints, entries]), [[834, 834], [833, 833], [
      833,
      833,
    ]]);
    assert.equal(etcd.count("range"), 3);
  });

  it("are read from the first key to the last where the layout has no root, and each page behind the one before", async (t) => {
    const { etcd, registry } = setUp({ layout: goZero() });
    for (let n = 0; n < 1_001; n++) etcd.put(`a/${1_000 + n}`, `10.0.${n >> 8}.${n & 255}:80`);
    etcd.put("b/1", "no address at all");
    etcd.put("b-1/1", "10.0.0.1:80");
    const range = t.mock.method(etcd, "range");
    // "b-1/" is before "b/", and there is one server of it.
    assert.deepEqual((await registry.list(signal)).map(({ service, endpoints }) => [service, endpoints]), [
      ["a", 1_001],
      ["b-1", 1],
    ]);
    const requests = range.mock.calls.map((
      { arguments: [{ key, rangeEnd, limit }] },
    ) => [[...key], [...rangeEnd!], limit]);
    assert.deepEqual(requests, [
      [[0], [0], 1_000n],
      [[...new TextEncoder().encode("a/1999"), 0], [0], 1_000n],
    ]);
  });

  it("are sorted by name, not by key, and read from their root alone", async (t) => {
    const { etcd, registry } = setUp();
    const range = t.mock.method(etcd, "range");
    etcd.put("/grpclb/b-1/10.0.0.1:80", "10.0.0.1:80");
    etcd.put("/grpclb/b/10.0.0.1:80", "10.0.0.1:80");
    assert.deepEqual((await registry.list(signal)).map(({ service }) => service), ["b", "b-1"]);
    const { key, rangeEnd } = range.mock.calls[0]!.arguments[0];
    assert.deepEqual([key, rangeEnd].map((bytes) => new TextDecoder().decode(bytes)), ["/grpclb/", "/grpclb0"]);
  });

  it("keep the process alive while they are read", async () => {
    const { etcd, clock, registry } = setUp();
    etcd.fault = () => "hang";
    const stop = new AbortController();
    const rejected = assert.rejects(registry.list(stop.signal), /enough/);
    await settled();
    assert.equal(clock.held, 1);
    stop.abort(new Error("enough"));
    await rejected;
    assert.deepEqual(clock.pending, []);
  });

  it("have no endpoint where the value isn't text, whatever the layout makes of that", async () => {
    const { etcd, registry } = setUp({ layout: { ...grpclb(), read: () => ({ address: "10.0.0.1:80" }) } });
    etcd.put("/grpclb/a/1", new Uint8Array([255]));
    assert.deepEqual(await registry.list(signal), [{ service: "a", endpoints: 0, entries: 1 }]);
    etcd.put("/grpclb/a/2", "text");
    assert.deepEqual(await registry.list(signal), [{ service: "a", endpoints: 1, entries: 2 }]);
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
