// What a transport's snapshot says, and when its events come.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { BalancerEvent } from "../../src/balancer/event.ts";
import { markAttempt } from "../../src/connection/mark.ts";
import { transportConnector } from "../../src/connection/transport-connector.ts";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { createGrpcServer } from "../../src/server.ts";
import { createBalancedTransport } from "../../src/transport/transport.ts";
import { createPullTransport } from "../../src/transport/pull.ts";
import { balanced, failureOf } from "../support/balanced.ts";
import { eventually } from "../support/eventually.ts";
import { manualResolver } from "../support/manual-resolver.ts";
import { simpleRoutes } from "../support/simple.ts";
import * as tls from "../support/tls.ts";

describe("a transport's snapshot", () => {
  it("has the channel's state: idle, connecting, ready, shut down", async () => {
    const { transport, clock, links } = balanced({ links: { auto: false } });
    assert.equal(transport.snapshot().state, "idle");
    const connected = transport.connect();
    assert.equal(transport.snapshot().state, "connecting");
    await clock.advance(40);
    assert.equal(transport.snapshot().state, "connecting");
    links.get("b:1")!.ready();
    await connected;
    assert.equal(transport.snapshot().state, "ready");
    await transport.close();
    assert.equal(transport.snapshot().state, "shutdown");
  });

  it("counts the channel as failing when every endpoint does, also while one reconnects, and when there are none", async () => {
    const { transport, clock, links } = balanced({ links: { auto: false } });
    const connected = assert.rejects(transport.connect({ timeoutMs: 5_000 }));
    await clock.advance(40);
    for (const link of links.values()) link.refuse();
    await clock.advance(40);
    assert.equal(transport.snapshot().state, "transient_failure");
    await clock.advance(1_500);
    const { state, endpoints } = transport.snapshot();
    assert.ok(endpoints!.some(({ state }) => state === "connecting"));
    assert.equal(state, "transient_failure");
    await clock.advance(5_000);
    await connected;

    const empty = balanced({ resolver: staticResolver([]) });
    const failed = assert.rejects(empty.transport.connect({ timeoutMs: 100 }));
    await empty.clock.advance(200);
    await failed;
    assert.equal(empty.transport.snapshot().state, "transient_failure");
  });

  it("has the state of a failure while nothing is known because the endpoints can't be resolved", async () => {
    const resolver = manualResolver(), { transport, clock } = balanced({ resolver });
    const connecting = failureOf(transport.connect());
    await clock.advance(20);
    assert.equal(transport.snapshot().state, "connecting");
    resolver.tell({ endpoints: undefined, stale: { sinceMs: 0, cause: new Error("unreachable") } });
    await clock.advance(20);
    assert.equal(transport.snapshot().state, "transient_failure");
    await transport.close();
    await connecting;
  });

  it("says since when an endpoint is known and in its state, and how often it could be reached", async () => {
    const { transport, clock, links } = balanced({ resolver: staticResolver(["a:1"]), links: { auto: false } });
    await clock.advance(1_000);
    const connected = transport.connect();
    await clock.advance(0);
    await clock.advance(500);
    const of = () => transport.snapshot().endpoints![0]!;
    links.get("a:1")!.refuse();
    await clock.advance(0);
    assert.equal(transport.snapshot().nowMs, 1_500);
    assert.deepEqual([of().state, of().sinceMs, of().stateSinceMs], ["transient_failure", 1_000, 1_500]);
    assert.deepEqual(of().openings, { succeeded: 0, failed: 1 });
    await clock.advance(1_000);
    assert.equal(of().state, "connecting");
    links.get("a:1")!.ready();
    await connected;
    assert.equal(of().state, "ready");
    assert.deepEqual(of().openings, { succeeded: 1, failed: 1 });
    // Every later opening counts, too.
    await clock.advance(10_000);
    links.get("a:1")!.events.lost(new Error("reset"));
    await clock.advance(40);
    links.get("a:1")!.ready();
    await clock.advance(0);
    assert.deepEqual(of().openings, { succeeded: 2, failed: 1 });
  });

  it("counts attempts by how they ended", async () => {
    const { transport, client, ready } = balanced({
      resolver: staticResolver(["a:1"]),
      links: {
        auto: true,
        transport: () => ({
          unary(_method, _signal, _timeoutMs, _header, input) {
            const { data } = input as { data: string };
            if (data === "fail") return Promise.reject(new ConnectError("no", Code.InvalidArgument));
            if (data === "hang") return new Promise(() => {});
            return Promise.resolve({ message: { value: data } } as never);
          },
          stream: () => Promise.reject(new Error("none")),
        }),
      },
    });
    await ready();
    await client.route({ data: "a" });
    await client.route({ data: "b" });
    await assert.rejects(client.route({ data: "fail" }));
    void client.route({ data: "hang" });
    const { picks, inFlight, succeeded, failed } = transport.snapshot().endpoints![0]!;
    assert.deepEqual({ picks, inFlight, succeeded, failed }, { picks: 4, inFlight: 1, succeeded: 2, failed: 1 });
  });

  it("says that the health of a server is unknown until it was heard of", async () => {
    const { transport, links, clock } = balanced({ links: { auto: false } });
    const healths = () => transport.snapshot().endpoints?.map(({ health }) => health);
    const connected = transport.connect();
    await clock.advance(40);
    assert.deepEqual(healths(), ["unknown", "unknown", "unknown"]);
    links.get("b:1")!.ready();
    await connected;
    assert.deepEqual(healths(), ["unknown", "serving", "unknown"]);
    // Over fetch, nothing is heard before the first answer.
    let broken = false;
    const fetched = balanced({
      resolver: staticResolver(["a:1"]),
      links: {
        stateless: true,
        transport: () => ({
          unary: () => {
            if (broken) return Promise.reject(markAttempt(new ConnectError("gone", Code.Unavailable), "not-sent"));
            return Promise.resolve({ message: {} } as never);
          },
          stream: () => Promise.reject(new Error("none")),
        }),
      },
    });
    await fetched.ready();
    const [first] = fetched.transport.snapshot().endpoints!;
    assert.deepEqual([first!.state, first!.available, first!.health], ["ready", true, "unknown"]);
    await fetched.client.route({ data: "a" });
    assert.equal(fetched.transport.snapshot().endpoints![0]!.health, "serving");
    broken = true;
    await assert.rejects(fetched.client.route({ data: "a" }));
    assert.equal(fetched.transport.snapshot().endpoints![0]!.health, "unknown");
  });

  it("has the connections of a gRPC link, with their streams", async (t) => {
    const server = createGrpcServer({ routes: simpleRoutes({ name: "s" }) });
    t.after(() => server.close());
    const { address } = await server.listen({ host: "127.0.0.1" });
    const transport = createBalancedTransport({ resolver: staticResolver([address]), connector: grpcConnector() });
    t.after(() => transport.close());
    const client = createClient(Simple, transport);
    const before = performance.now();
    await client.route({ data: "a" });
    await client.route({ data: "b" });
    const abort = new AbortController();
    const aborted = assert.rejects(client.route({ data: "c" }, { signal: abort.signal }));
    abort.abort();
    await aborted;
    const [socket, ...more] = transport.snapshot().endpoints![0]!.sockets;
    assert.deepEqual(more, []);
    assert.equal(socket!.remote, address);
    assert.match(socket!.local!, /^127\.0\.0\.1:\d+$/);
    assert.equal(socket!.secure, false);
    assert.equal(socket!.cipher, undefined);
    assert.equal(socket!.draining, false);
    assert.ok(socket!.sinceMs >= before && socket!.sinceMs <= performance.now());
    assert.deepEqual(socket!.streams, { started: 3, succeeded: 2, failed: 1, inFlight: 0 });
    assert.ok(socket!.sendWindowBytes! > 0 && socket!.receiveWindowBytes! > 0);
    // The same connection at the other end.
    const [theirs] = server.snapshot().connections;
    assert.deepEqual([theirs!.remote, theirs!.local], [socket!.local, socket!.remote]);
    assert.notEqual(theirs!.id, socket!.id);
    await transport.close();
    await eventually("the connection is gone", () => server.snapshot().connections.length === 0);
    assert.ok(!transport.snapshot().endpoints?.some(({ sockets }) => sockets.length > 0));
  });

  it("says how a connection is encrypted", async (t) => {
    const server = createGrpcServer({ routes: simpleRoutes({ name: "s" }), tls: tls.server });
    t.after(() => server.close());
    const { port } = await server.listen({ host: "127.0.0.1" });
    const transport = createBalancedTransport({
      resolver: staticResolver([`localhost:${port}`]),
      connector: grpcConnector({ tls: { ca: tls.ca } }),
    });
    t.after(() => transport.close());
    await createClient(Simple, transport).route({ data: "a" });
    for (const socket of [transport.snapshot().endpoints![0]!.sockets[0]!, server.snapshot().connections[0]!]) {
      assert.equal(socket.secure, true);
      assert.match(socket.cipher ?? "", /^TLS_\w+$/);
    }
  });

  it("has no connections where links hide them", async () => {
    const { transport, client } = balanced({ links: { stateless: true } });
    void client.route({ data: "a" });
    await new Promise((resolve) => setTimeout(resolve));
    for (const { sockets, openings } of transport.snapshot().endpoints ?? []) {
      assert.deepEqual(sockets, []);
      assert.deepEqual(openings, { succeeded: 0, failed: 0 });
    }
  });

  it("is JSON, with the names that it has", async () => {
    const { transport, ready } = balanced();
    await ready();
    const json = JSON.parse(JSON.stringify(transport.snapshot()));
    assert.deepEqual(Object.keys(json).sort(), ["calls", "endpoints", "nowMs", "panic", "state", "target", "waiting"]);
    assert.deepEqual(Object.keys(json.endpoints[0]).sort(), [
      "abandoned",
      "available",
      "endpoint",
      "failed",
      "health",
      "id",
      "inFlight",
      "openings",
      "picks",
      "restricted",
      "sinceMs",
      "sockets",
      "state",
      "stateSinceMs",
      "succeeded",
    ]);
  });
});

describe("a transport's events", () => {
  it("reach those who subscribe, beside onEvent, until they no longer want them", async () => {
    const { transport, clock, links, events, ready } = balanced();
    await ready();
    const first: BalancerEvent[] = [], second: BalancerEvent[] = [];
    const listener = (event: BalancerEvent) => void first.push(event);
    const unsubscribe = transport.subscribe(listener), again = transport.subscribe(listener);
    const other = transport.subscribe((event) => void second.push(event));
    events.length = 0;
    again();
    again();
    const cause = new Error("reset");
    links.get("a:1")!.events.lost(cause);
    await clock.advance(40);
    assert.ok(events.length > 0);
    assert.deepEqual(first, events);
    assert.deepEqual(second, events);
    assert.equal((first[0] as { cause?: Error }).cause, cause);
    unsubscribe();
    other();
    const had = [first.length, second.length];
    links.get("b:1")!.events.lost(cause);
    await clock.advance(40);
    assert.deepEqual([first.length, second.length], had);
    await transport.close();
  });

  it("come from a pull transport, too, and a listener that throws does no harm", async (t) => {
    t.mock.method(console, "error", () => {});
    const transport = createPullTransport({
      resolver: staticResolver(["a:1"]),
      connector: transportConnector(() => ({
        unary: () => Promise.resolve({ message: {} } as never),
        stream: () => Promise.reject(new Error("none")),
      })),
    });
    transport.subscribe(() => {
      throw new Error("mine");
    });
    const types: string[] = [];
    transport.subscribe(({ type }) => types.push(type));
    await createClient(Simple, transport).route({ data: "a" });
    assert.deepEqual(types, ["endpoints-changed"]);
  });
});
