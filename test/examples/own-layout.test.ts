// docs/layouts.md: what it shows is what the layouts write, and its own layout works.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { ourLayout } from "../../examples/own-layout.ts";
import { transportConnector } from "../../src/connection/transport-connector.ts";
import { createConnectDriver } from "../../src/etcd/driver/connect/connect-driver.ts";
import { createRegistryOver } from "../../src/etcd/registry.ts";
import { etcdNaming, goZero, grpclb, kitex, kratos } from "../../src/etcd.ts";
import type { RegistryEvent } from "../../src/registry/event.ts";
import type { Endpoint } from "../../src/endpoint.ts";
import { createMemoryEtcd } from "../../src/testing.ts";
import { eventually } from "../support/eventually.ts";
import { root } from "../support/process.ts";

const page = readFileSync(`${root}docs/layouts.md`, "utf8");

describe("the page on layouts", () => {
  it("shows the keys and values that they write", () => {
    const entry = { service: "helloworld", address: "10.0.0.5:9000", lease: 7587869123n };
    for (const layout of [grpclb(), etcdNaming(), goZero(), kratos(), kitex()]) {
      const { key, value } = layout.write(entry);
      assert.ok(page.includes(`\`\`\`text\n${key}\n${value}\n\`\`\``), key);
    }
  });

  it("shows the layout of examples/own-layout.ts", () => {
    const text = readFileSync(`${root}examples/own-layout.ts`, "utf8");
    assert.ok(page.includes(text.slice(text.indexOf("/** `/services/"))));
  });

  it("whose own layout registers and resolves, and leaves out what it can't read", async () => {
    const etcd = createMemoryEtcd();
    const driver = createConnectDriver(transportConnector(() => etcd.transport()));
    const skipped: string[] = [];
    const onEvent = (event: RegistryEvent) => {
      if (event.type === "value-skipped") skipped.push(event.key);
    };
    const registry = createRegistryOver(() => driver, { endpoints: ["memory:1"], layout: ourLayout, onEvent });
    const bytes = (text: string) => new TextEncoder().encode(text);
    const call = { endpoint: { address: "memory:1" }, signal: new AbortController().signal };
    const put = (key: string, value: string) =>
      driver.txn(
        { compare: [], success: [{ put: { key: bytes(key), value: bytes(value), lease: 0n } }], failure: [] },
        call,
      );
    await put("/services/a/1", '{"addr":"evil.example/@host:1"}');
    await put("/services/a/2", "{}");
    await put("/services/a/3", "10.0.0.9:8000");
    const registration = registry.register({ service: "a", address: "10.0.0.5:8000", zone: "eu-1", weight: 3 });
    await registration.ready;
    const listed = await driver.range({ key: bytes("/services/a/10.0.0.5:8000") }, call);
    assert.equal(
      new TextDecoder().decode(listed.kvs[0]?.value),
      '{"addr":"10.0.0.5:8000","dc":"eu-1","share":3}',
    );
    const stop = new AbortController();
    let last: readonly Endpoint[] | undefined;
    const ended = (async () => {
      for await (const { endpoints } of registry.resolver("a").resolve(stop.signal)) last = endpoints;
    })();
    await eventually("it is seen", () => last?.length === 1);
    const { incarnation: _, ...endpoint } = last?.[0] as Endpoint;
    assert.deepEqual(endpoint, { address: "10.0.0.5:8000", zone: "eu-1", weight: 3 });
    assert.deepEqual(skipped, ["/services/a/1", "/services/a/2", "/services/a/3"]);
    stop.abort();
    await ended;
    await registry.close();
    await etcd.close();
  });
});
