// Policies that choose by load or by key, over real connections.
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { balance } from "../../src/call/options.ts";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { leastRequest } from "../../src/policy/least-request.ts";
import { peakEwma } from "../../src/policy/peak-ewma.ts";
import type { Policy } from "../../src/policy/policy.ts";
import { rendezvousHash } from "../../src/policy/rendezvous-hash.ts";
import { ringHash } from "../../src/policy/ring-hash.ts";
import { createMemoryRegistry } from "../../src/registry/memory.ts";
import { peerSubset } from "../../src/resolver/peer-subset.ts";
import type { Resolver } from "../../src/resolver/resolver.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { createBalancedTransport } from "../../src/transport/transport.ts";
import { eventually } from "../support/eventually.ts";
import { type SimpleServer, type SimpleServerOptions, startSimpleServer } from "../support/servers/simple.ts";

type Methods = NonNullable<SimpleServerOptions["methods"]>;

/** Servers that answer with their number, closed when the test ends. */
async function serversOf(t: TestContext, count: number, methodsOf: (i: number) => Methods = () => ({})) {
  const servers: SimpleServer[] = [];
  for (let i = 0; i < count; i++) {
    const named: Methods = {
      route: () => ({ value: `${i}` }),
      async *routeServerStream() {
        yield { value: `${i}` };
      },
    };
    const server = await startSimpleServer({ methods: { ...named, ...methodsOf(i) } });
    t.after(() => server.close());
    servers.push(server);
  }
  return servers;
}

function transportTo(t: TestContext, resolver: Resolver, policy?: Policy) {
  const transport = createBalancedTransport({ resolver, connector: grpcConnector(), ...policy && { policy } });
  t.after(() => transport.close());
  return { transport, client: createClient(Simple, transport) };
}

const resolverOf = (servers: readonly SimpleServer[]) => staticResolver(servers.map(({ address }) => address));

/** A gate that is shut until it is opened. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => open = resolve);
  return { open, opened };
}

describe("leastRequest() over real connections", () => {
  it("sends nothing more to a server that does not answer while others do", { timeout: 60_000 }, async (t) => {
    const { open, opened } = gate();
    const servers = await serversOf(t, 3, (i) => i === 0 ? { route: async () => (await opened, { value: "0" }) } : {});
    const { client, transport } = transportTo(t, resolverOf(servers), leastRequest());
    await transport.connect();
    await eventually("all are ready", () => transport.snapshot().endpoints!.every(({ state }) => state === "ready"));
    const inFlight = () => transport.snapshot().endpoints!.reduce((sum, endpoint) => sum + endpoint.inFlight, 0);
    const waits = () =>
      transport.snapshot().endpoints!.some(({ endpoint, inFlight }) =>
        endpoint.address === servers[0]!.address && inFlight === 1
      );
    const calls: Promise<{ value: string }>[] = [];
    await eventually("a call has gone to the first server", async () => {
      const call = client.route({});
      calls.push(call);
      await Promise.race([call, new Promise((resolve) => setTimeout(resolve, 100))]);
      return waits();
    });
    for (let i = 0; i < 30; i++) assert.notEqual((await client.route({})).value, "0");
    open();
    await Promise.all(calls);
    assert.equal(inFlight(), 0);
  });
});

describe("peakEwma() over real connections", () => {
  it("is not drawn to a server that fails at once", { timeout: 60_000 }, async (t) => {
    const servers = await serversOf(t, 3, (i) =>
      i !== 0 ? {} : {
        route() {
          throw new ConnectError("broken", Code.Internal);
        },
      });
    const { client, transport } = transportTo(t, resolverOf(servers), peakEwma());
    await transport.connect();
    await eventually("all are ready", () => transport.snapshot().endpoints!.every(({ state }) => state === "ready"));
    let failed = 0;
    for (let i = 0; i < 200; i++) await client.route({}).catch(() => failed++);
    assert.ok(failed >= 1 && failed <= 10, `${failed} of 200 failed`);
    const known = transport.snapshot().endpoints!.map((
      { endpoint, policy },
    ) => [endpoint.address, policy?.["latencyMs"]]);
    const latencies = Object.fromEntries(known) as Record<string, number>;
    assert.ok(latencies[servers[0]!.address]! > latencies[servers[1]!.address]!, JSON.stringify(latencies));
  });
});

describe("ringHash() over real connections", () => {
  it(
    "sends calls of all kinds with the same key to one server, and opens no other connection",
    { timeout: 60_000 },
    async (t) => {
      const servers = await serversOf(t, 5);
      const { client, transport } = transportTo(t, resolverOf(servers), ringHash({ requestHashHeader: "x-user" }));
      const values = new Set<string>();
      for (let i = 0; i < 5; i++) {
        values.add((await client.route({}, balance({ hashKey: "ada" }))).value);
        values.add((await client.route({}, { headers: { "x-user": "ada" } })).value);
        for await (const { value } of client.routeServerStream({}, balance({ hashKey: "ada" }))) values.add(value);
      }
      assert.equal(values.size, 1);
      const states = transport.snapshot().endpoints!.map(({ state }) => state).sort();
      assert.deepEqual(states, ["idle", "idle", "idle", "idle", "ready"]);
      const others = new Set<string>();
      for (let i = 0; i < 50; i++) others.add((await client.route({}, balance({ hashKey: `${i}` }))).value);
      assert.equal(others.size, 5);
    },
  );

  it("opens what many calls need at the same time", { timeout: 60_000 }, async (t) => {
    const { client } = transportTo(t, resolverOf(await serversOf(t, 5)), ringHash());
    const call = async (key: string) => [key, (await client.route({}, balance({ hashKey: key }))).value] as const;
    const keys = Array.from({ length: 200 }, (_, i) => `${i}`);
    const cold = await Promise.all(keys.map(call)), warm = await Promise.all(keys.map(call));
    assert.deepEqual(cold, warm);
    assert.equal(new Set(cold.map(([, value]) => value)).size, 5);
  });

  it("goes on to another server when one is gone", { timeout: 60_000 }, async (t) => {
    const servers = await serversOf(t, 3);
    const { client } = transportTo(t, resolverOf(servers), ringHash());
    const call = () => client.route({}, balance({ hashKey: "ada" }));
    const own = Number((await call()).value);
    await servers[own]!.close();
    const next = await eventually("another server answers", async () => {
      const { value } = await call();
      return value !== `${own}` && value;
    });
    for (let i = 0; i < 10; i++) assert.equal((await call()).value, next);
  });

  it("opens a connection ahead of the calls if it is told to", { timeout: 60_000 }, async (t) => {
    const { transport } = transportTo(t, resolverOf(await serversOf(t, 3)), ringHash());
    await transport.connect();
    const states = transport.snapshot().endpoints!.map(({ state }) => state).sort();
    assert.deepEqual(states, ["idle", "idle", "ready"]);
  });
});

describe("rendezvousHash() over real connections", () => {
  it(
    "sends calls with the same key to one server, unless that has more than its share",
    { timeout: 60_000 },
    async (t) => {
      const { open, opened } = gate();
      const servers = await serversOf(
        t,
        4,
        (i) => ({ route: async ({ data }) => (data && await opened, { value: `${i}` }) }),
      );
      const { client, transport } = transportTo(t, resolverOf(servers), rendezvousHash({ boundedLoad: 1.25 }));
      await transport.connect();
      await eventually("all are ready", () => transport.snapshot().endpoints!.every(({ state }) => state === "ready"));
      const values = new Set<string>();
      for (let i = 0; i < 10; i++) values.add((await client.route({}, balance({ hashKey: "ada" }))).value);
      assert.equal(values.size, 1);
      const held = Array.from({ length: 40 }, () => client.route({ data: "wait" }, balance({ hashKey: "ada" })));
      await eventually(
        "all are in flight",
        () => transport.snapshot().endpoints!.reduce((sum, { inFlight }) => sum + inFlight, 0) === 40,
      );
      for (const { inFlight } of transport.snapshot().endpoints!) assert.ok(inFlight <= 13, `${inFlight} of 40`);
      open();
      await Promise.all(held);
      assert.deepEqual(new Set([(await client.route({}, balance({ hashKey: "ada" }))).value]), values);
    },
  );
});

describe("peerSubset() over real connections", () => {
  it("deals the servers out to the clients that are registered", { timeout: 60_000 }, async (t) => {
    const servers = await serversOf(t, 6), registry = createMemoryRegistry();
    t.after(() => registry.close());
    await Promise.all(servers.map(({ address }) => registry.register({ service: "servers", address }).ready));
    const clients = ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"];
    const transports = clients.map((self) => {
      const options = { size: 2, peers: registry.resolver("clients"), self };
      return transportTo(t, peerSubset(options, registry.resolver("servers")));
    });
    for (const address of clients) registry.register({ service: "clients", address });
    const connected = () => transports.flatMap(({ transport }) => transport.snapshot().endpoints ?? []);
    await Promise.all(transports.map(({ client }) => client.route({})));
    await eventually("each server has a connection of one client", () => {
      const ready = connected().filter(({ state }) => state === "ready");
      return ready.length === 6 && new Set(ready.map(({ endpoint }) => endpoint.address)).size === 6;
    });
    assert.ok(transports.every(({ transport }) => transport.snapshot().endpoints!.length === 2));
  });
});
