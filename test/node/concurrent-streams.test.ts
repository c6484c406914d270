import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { compressionGzip } from "@connectrpc/connect-node";
import { Simple } from "../../gen/simple_pb.ts";
import type { BalancedTransportOptions } from "../../src/transport/options.ts";
import { createBalancedTransport } from "../../src/transport/transport.ts";
import { grpcConnector, type GrpcConnectorOptions } from "../../src/node/grpc-connector.ts";
import type { Policy } from "../../src/policy/policy.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { failureOf } from "../support/balanced.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { manualResolver } from "../support/manual-resolver.ts";
import { limitedServer } from "./limited-server.ts";

/** A client of all these servers, connected to each. */
async function connected(
  t: TestContext,
  addresses: readonly string[],
  options: Partial<BalancedTransportOptions> = {},
  connectorOptions: GrpcConnectorOptions = {},
) {
  const transport = createBalancedTransport({
    resolver: staticResolver(addresses),
    connector: grpcConnector(connectorOptions),
    random: () => 0,
    ...options,
  });
  t.after(() => transport.close());
  await transport.connect({ timeoutMs: 10_000 });
  const states = () => transport.snapshot().endpoints!.map(({ state }) => state);
  await eventually("all are ready", () => states().every((state) => state === "ready"));
  return { transport, client: createClient(Simple, transport) };
}

describe("a server that allows so many concurrent streams", () => {
  it("gets no call beyond them while another has room", async (t) => {
    const a = await limitedServer(t, 2), b = await limitedServer(t, 100);
    const { client, transport } = await connected(t, [a.address, b.address]);
    const calls = Array.from({ length: 10 }, (_, i) => client.route({ data: `${i}` }));
    await eventually("all are at the servers", () => a.waiting().length + b.waiting().length === 10);
    assert.equal(a.waiting().length, 2);
    assert.equal(transport.snapshot().waiting, 0);
    const full = transport.snapshot().endpoints!.find(({ endpoint }) => endpoint.address === a.address)!;
    assert.deepEqual([full.state, full.available], ["ready", false]);
    for (let i = 0; i < 2; i++) a.answer();
    for (let i = 0; i < 8; i++) b.answer();
    await Promise.all(calls);
  });

  it("counts as full when it allows none", async (t) => {
    const a = await limitedServer(t, 0), b = await limitedServer(t, 100);
    const { client } = await connected(t, [a.address, b.address]);
    const calls = Array.from({ length: 4 }, (_, i) => client.route({ data: `${i}` }));
    await eventually("all are at the other", () => b.waiting().length === 4);
    for (let i = 0; i < 4; i++) b.answer();
    await Promise.all(calls);
    b.allow(0);
    const call = client.route({ data: "late" });
    a.allow(1);
    await eventually("it allows one", () => a.waiting().length + b.waiting().length === 1);
    (a.waiting().length === 1 ? a : b).answer();
    await call;
  });

  it("takes calls in the order in which they came, whichever server has room first", async (t) => {
    const a = await limitedServer(t, 1), b = await limitedServer(t, 1);
    const { client, transport } = await connected(t, [a.address, b.address]);
    const first = [client.route({ data: "1" }), client.route({ data: "2" })];
    await eventually("both are full", () => a.waiting().length === 1 && b.waiting().length === 1);
    const later = ["3", "4", "5", "6"].map((data) => client.route({ data }));
    assert.equal(transport.snapshot().waiting, 4);
    for (const [server, next] of [[b, "3"], [b, "4"], [a, "5"], [b, "6"]] as const) {
      server.answer();
      await eventually(`${next} is sent`, () => server.waiting()[0] === next);
    }
    a.answer();
    b.answer();
    await Promise.all([...first, ...later]);
    assert.deepEqual([a.most(), b.most()], [1, 1]);
  });

  it("does not let a new call overtake those that wait", async (t) => {
    const a = await limitedServer(t, 1);
    const { client } = await connected(t, [a.address]);
    const order: string[] = [];
    const call = (data: string) => client.route({ data }).then(() => order.push(data));
    // Each answer is followed by a new call in the same turn.
    const calls = [call("1").then(() => call("new")), call("2"), call("3")];
    for (let i = 0; i < 4; i++) {
      await eventually("a call is there", () => a.waiting().length === 1);
      a.answer();
    }
    await Promise.all(calls);
    assert.deepEqual(order, ["1", "2", "3", "new"]);
  });

  it("serves all kinds of calls, through interceptors and with compression, and each is attempted once", async (t) => {
    const a = await limitedServer(t, 3);
    let ran = 0;
    const slow: Interceptor = (next) => async (request) => {
      ran++;
      await new Promise((resolve) => setTimeout(resolve, 1));
      return await next(request);
    };
    const gzip = { sendCompression: compressionGzip, compressMinBytes: 0 };
    for (const options of [{ interceptors: [slow] }, gzip]) {
      const attempts: string[] = [];
      const { client } = await connected(t, [a.address], { onAttempt: ({ end }) => void attempts.push(end) }, options);
      const calls: Promise<unknown>[] = Array.from({ length: 20 }, (_, i) => client.route({ data: `${i}` }));
      const stream = async () => {
        for await (const _ of client.routeServerStream({ data: "s" }));
      };
      calls.push(stream(), stream());
      for (let i = 0; i < 22; i++) {
        await eventually("a call is there", () => a.waiting().length > 0);
        a.answer();
      }
      await Promise.all(calls);
      assert.deepEqual(attempts, Array.from({ length: 22 }, () => "answered"));
    }
    assert.equal(ran, 22);
    assert.equal(a.most(), 3);
  });

  it("needs no new picker when it gets full, or has room again", async (t) => {
    const a = await limitedServer(t, 1), b = await limitedServer(t, 1);
    let pickers = 0, ofAll = false;
    const inner = roundRobin();
    const policy: Policy = (connections, ...rest) => {
      pickers++;
      ofAll = connections.every(({ state }) => state === "ready");
      return inner(connections, ...rest);
    };
    const { client } = await connected(t, [a.address, b.address], { policy });
    await eventually("the picker knows that all are ready", () => ofAll);
    const before = pickers;
    const calls = Array.from({ length: 20 }, (_, i) => client.route({ data: `${i}` }));
    for (let i = 0; i < 20; i++) {
      const server = await eventually("one is sent", () => [a, b].find((server) => server.waiting().length > 0));
      server.answer();
    }
    await Promise.all(calls);
    assert.equal(pickers, before);
  });

  it("lets calls that wait go with their deadline or signal, not with waitTimeoutMs", async (t) => {
    const a = await limitedServer(t, 1);
    const { client, transport } = await connected(t, [a.address], { waitTimeoutMs: 20 });
    const held = client.route({ data: "held" });
    await eventually("it is full", () => a.waiting().length === 1);
    const abort = new AbortController();
    const aborted = failureOf(client.route({ data: "aborted" }, { signal: abort.signal }));
    const patient = client.route({ data: "patient" });
    const late = await failureOf(client.route({ data: "late" }, { timeoutMs: 200 }));
    assert.ok(late instanceof ConnectError);
    assert.equal(late.code, Code.DeadlineExceeded);
    assert.match(late.message, /1 of them has as many calls in flight as its server allows/);
    abort.abort();
    assert.equal(ConnectError.from(await aborted).code, Code.Canceled);
    assert.equal(transport.snapshot().waiting, 1);
    a.answer();
    await eventually("the next is sent", () => a.waiting().length === 1);
    assert.deepEqual(a.waiting(), ["patient"]);
    a.answer();
    await Promise.all([held, patient]);
  });

  it("loses the calls that wait for it when it leaves the set", async (t) => {
    const a = await limitedServer(t, 1), b = await limitedServer(t, 10);
    const resolver = manualResolver();
    resolver.tell({ endpoints: [{ address: a.address }] });
    const { client } = await connected(t, [], { resolver });
    const held = client.route({ data: "held" });
    await eventually("it is full", () => a.waiting().length === 1);
    const calls = ["1", "2"].map((data) => client.route({ data }));
    resolver.tell({ endpoints: [{ address: b.address }] });
    await eventually("they are at the other", () => b.waiting().length === 2);
    assert.deepEqual(a.waiting(), ["held"]);
    a.answer();
    b.answer();
    b.answer();
    await Promise.all([held, ...calls]);
  });

  it("may change its limit", async (t) => {
    const a = await limitedServer(t, 1);
    const { client, transport } = await connected(t, [a.address]);
    const calls = Array.from({ length: 6 }, (_, i) => client.route({ data: `${i}` }));
    await eventually("one is there", () => a.waiting().length === 1);
    a.allow(4);
    await eventually("four are there", () => a.waiting().length === 4);
    a.allow(2);
    // Three end before there is room for one.
    for (let i = 0; i < 3; i++) a.answer();
    await eventually("two are there", () => a.waiting().length === 2);
    assert.deepEqual([a.waiting(), transport.snapshot().waiting], [["3", "4"], 1]);
    for (const data of ["3", "4", "5"]) {
      await eventually(`${data} is there`, () => a.waiting().includes(data));
      a.answer(data);
    }
    await Promise.all(calls);
  });
});

describe("an endpoint with several connections", () => {
  it("gets another when all are full, up to so many, and each takes what it may", async (t) => {
    const a = await limitedServer(t, 2);
    const { client, transport } = await connected(t, [a.address], {}, { maxConnectionsPerEndpoint: 3 });
    const calls = Array.from({ length: 8 }, (_, i) => client.route({ data: `${i}` }));
    await eventually("three connections are full", () => a.waiting().length === 6);
    assert.deepEqual([a.sessions.length, a.most(), transport.snapshot().waiting], [3, 2, 2]);
    a.answer("3");
    await eventually("the next is sent", () => a.waiting().includes("6"));
    a.answer("0");
    await eventually("the last is sent", () => a.waiting().includes("7"));
    while (a.waiting().length > 0) a.answer();
    await Promise.all(calls);
    assert.deepEqual([a.sessions.length, a.most()], [3, 2]);
  });

  it("has one by default", async (t) => {
    const a = await limitedServer(t, 2);
    const { client, transport } = await connected(t, [a.address]);
    const calls = Array.from({ length: 3 }, (_, i) => client.route({ data: `${i}` }));
    await eventually("it is full", () => a.waiting().length === 2);
    assert.equal(transport.snapshot().waiting, 1);
    a.answer();
    await eventually("the last is sent", () => a.waiting().includes("2"));
    a.answer();
    a.answer();
    await Promise.all(calls);
    assert.equal(a.sessions.length, 1);
  });

  it("goes on with those that are left when one ends, and nobody needs to hear of it", async (t) => {
    const a = await limitedServer(t, 1);
    const states: string[] = [];
    const { client } = await connected(t, [a.address], {
      onEvent: (event) => void (event.type === "connection-state" && states.push(event.to)),
    }, { maxConnectionsPerEndpoint: 2 });
    const first = client.route({ data: "1" });
    await eventually("another connection is open", () => a.sessions.length === 2);
    const second = client.route({ data: "2" });
    await eventually("both are full", () => a.waiting().length === 2);
    a.goAway(0);
    const third = client.route({ data: "3" });
    await eventually("a third connection takes it", () => a.waiting().length === 3);
    assert.equal(a.sessions.length, 3);
    a.sessions[1]!.destroy();
    // Its method may be repeated.
    await eventually("the lost call is sent again", () => a.sessions.length === 4 && a.waiting().includes("2"));
    for (const data of ["1", "2", "3"]) a.answer(data);
    await Promise.all([first, second, third]);
    assert.deepEqual(states, ["connecting", "ready"]);
  });

  it("replaces one that ends while the others are full, after a pause if it ended soon", async (t) => {
    const a = await limitedServer(t, 1);
    const clock = new ManualClock();
    const { client } = await connected(t, [a.address], {}, { maxConnectionsPerEndpoint: 2, clock });
    const first = client.route({ data: "1" });
    await eventually("another connection is open", () => a.sessions.length === 2);
    const second = client.route({ data: "2" });
    await eventually("both are full", () => a.waiting().length === 2);
    await clock.advance(10_000);
    a.sessions[1]!.destroy();
    await eventually("another takes the lost call", () => a.sessions.length === 3 && a.waiting().includes("2"));
    a.goAway(2);
    await settled();
    const third = client.route({ data: "3" });
    await eventually("the next replacement waits", () => clock.pending.some((ms) => ms >= 800 && ms <= 1_200));
    assert.equal(a.sessions.length, 3);
    await clock.advance(1_200);
    await eventually("another takes the next call", () => a.sessions.length === 4 && a.waiting().includes("3"));
    for (const data of ["1", "2", "3"]) a.answer(data);
    await Promise.all([first, second, third]);
  });

  it("are all closed with their link", async (t) => {
    const a = await limitedServer(t, 1);
    const { client, transport } = await connected(t, [a.address], {}, { maxConnectionsPerEndpoint: 3 });
    const calls = ["1", "2"].map((data) => failureOf(client.route({ data })));
    await eventually("two are full, and another is open", () => a.waiting().length === 2 && a.sessions.length === 3);
    await transport.close();
    await Promise.all(calls);
    await eventually("all have ended", () => a.sessions.every(({ clientLeft }) => clientLeft));
  });
});
