// What a server's snapshot says.
import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { describe, it, type TestContext } from "node:test";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { Simple } from "../../gen/simple_pb.ts";
import { grpcConnector } from "../../src/node.ts";
import { createGrpcServer, type CreateGrpcServerOptions } from "../../src/server.ts";
import { direct } from "../support/direct.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** Something that a test lets go on. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => open = resolve);
  return { open, opened };
}

function serve(t: TestContext, options: Partial<CreateGrpcServerOptions> = {}) {
  const held = gate();
  const server = createGrpcServer({
    routes: (router) =>
      router.service(Simple, {
        async route({ data }) {
          if (data === "fail") throw new ConnectError("no", Code.InvalidArgument);
          if (data === "hold") await held.opened;
          return { value: data };
        },
        async *routeServerStream({ data }) {
          yield { value: data };
          if (data === "fail") throw new ConnectError("no", Code.InvalidArgument);
          if (data === "hold") await held.opened;
          yield { value: data };
        },
      }),
    ...options,
  });
  t.after(async () => {
    held.open();
    server.closeAllConnections();
    await server.close();
  });
  return { server, held };
}

function grpc(t: TestContext, address: string): Transport {
  const { transport, close } = direct(grpcConnector(), address);
  t.after(() => close(0));
  return transport;
}

async function read(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

describe("a server's snapshot", () => {
  it("has its addresses, its state and its connections, from the beginning to the end", async (t) => {
    const { server, held } = serve(t);
    const { nowMs, ...before } = server.snapshot();
    assert.ok(nowMs > 0);
    assert.deepEqual(before, {
      state: "serving",
      addresses: [],
      calls: { started: 0, succeeded: 0, failed: 0 },
      inFlight: 0,
      refused: { connections: 0, streams: 0, headers: 0, buffered: 0, floods: 0 },
      connections: [],
    });
    const { address } = await server.listen({ host: "127.0.0.1" });
    const { address: second } = await server.listen({ host: "127.0.0.1" });
    assert.deepEqual(server.snapshot().addresses, [address, second]);
    const client = createClient(Simple, grpc(t, address));
    const call = client.route({ data: "hold" });
    await eventually("the call has arrived", () => server.snapshot().inFlight === 1);
    const closing = server.close();
    const { state, addresses, connections } = server.snapshot();
    assert.equal(state, "draining");
    assert.deepEqual(addresses, []);
    assert.equal(connections.length, 1);
    assert.equal(connections[0]!.draining, true);
    assert.equal(connections[0]!.protocol, "h2");
    assert.match(connections[0]!.remote!, /^127\.0\.0\.1:\d+$/);
    assert.equal(connections[0]!.local, address);
    held.open();
    await call;
    await closing;
    assert.equal(server.snapshot().state, "closed");
    assert.deepEqual(server.snapshot().calls, { started: 1, succeeded: 1, failed: 0 });
  });

  const protocols: [string, (t: TestContext, address: string) => Transport][] = [
    ["gRPC", grpc],
    ["gRPC-Web", (_, address) => createGrpcWebTransport({ baseUrl: `http://${address}`, httpVersion: "1.1" })],
    ["Connect", (_, address) => createConnectTransport({ baseUrl: `http://${address}`, httpVersion: "1.1" })],
  ];
  for (const [name, connect] of protocols) {
    it(`counts calls of ${name}: those that succeed, fail and are given up`, async (t) => {
      const { server } = serve(t);
      const { address } = await server.listen({ host: "127.0.0.1" });
      const client = createClient(Simple, connect(t, address));
      await client.route({ data: "a" });
      await read(client.routeServerStream({ data: "a" }));
      await assert.rejects(client.route({ data: "fail" }));
      await assert.rejects(read(client.routeServerStream({ data: "fail" })));
      await eventually("all are counted", () => server.snapshot().inFlight === 0);
      assert.deepEqual(server.snapshot().calls, { started: 4, succeeded: 2, failed: 2 });
      const abort = new AbortController();
      const held = assert.rejects(read(client.routeServerStream({ data: "hold" }, { signal: abort.signal })));
      await eventually("it is in flight", () => server.snapshot().inFlight === 1);
      abort.abort();
      await held;
      await eventually("it has failed", () => server.snapshot().calls.failed === 3);
      assert.deepEqual(server.snapshot().calls, { started: 5, succeeded: 2, failed: 3 });
    });
  }

  it("does not count requests for methods that it doesn't have, nor as successes those that its gate refuses", async (t) => {
    const { server } = serve(t, {
      requestGate: () => {
        throw new ConnectError("not you", Code.PermissionDenied);
      },
    });
    const { address } = await server.listen({ host: "127.0.0.1" });
    const client = createClient(Simple, grpc(t, address));
    await assert.rejects(client.route({ data: "a" }));
    assert.deepEqual(server.snapshot().calls, { started: 1, succeeded: 0, failed: 1 });
    const response = await server.handler(new Request("http://localhost/proto.Other/Route", { method: "POST" }));
    assert.equal(response.status, 404);
    assert.equal(server.snapshot().calls.started, 1);
  });

  it("counts each connection's streams by how they ended", async (t) => {
    const { server } = serve(t, { limits: { maxConcurrentStreams: 1 } });
    const { address } = await server.listen({ host: "127.0.0.1" });
    const client = createClient(Simple, grpc(t, address));
    await client.route({ data: "a" });
    await assert.rejects(client.route({ data: "fail" }));
    const abort = new AbortController();
    const call = assert.rejects(client.route({ data: "hold" }, { signal: abort.signal }));
    const streams = () => server.snapshot().connections[0]!.streams!;
    await eventually("it has arrived", () => streams().inFlight === 1);
    // A status that is an error is a whole response, too.
    assert.deepEqual(streams(), { started: 3, succeeded: 2, failed: 0, inFlight: 1 });
    abort.abort();
    await call;
    await eventually("it is reset", () => streams().inFlight === 0);
    assert.deepEqual(streams(), { started: 3, succeeded: 2, failed: 1, inFlight: 0 });
  });

  it("has the connections of HTTP/1.1, oldest first", async (t) => {
    const clock = new ManualClock();
    const { server, held } = serve(t, { clock });
    const { address } = await server.listen({ host: "127.0.0.1" });
    const web = createClient(Simple, createConnectTransport({ baseUrl: `http://${address}`, httpVersion: "1.1" }));
    const call = web.route({ data: "hold" });
    await eventually("it has arrived", () => server.snapshot().inFlight === 1);
    clock.skip(1_000);
    await createClient(Simple, grpc(t, address)).route({ data: "a" });
    const { connections, nowMs } = server.snapshot();
    assert.equal(nowMs, 1_000);
    const shown = connections.map(({ protocol, sinceMs, secure, local }) => ({ protocol, sinceMs, secure, local }));
    assert.deepEqual(shown, [
      { protocol: "http/1.1", sinceMs: 0, secure: false, local: address },
      { protocol: "h2", sinceMs: 1_000, secure: false, local: address },
    ]);
    assert.match(connections[0]!.remote!, /^127\.0\.0\.1:\d+$/);
    assert.equal(connections[0]!.streams, undefined);
    assert.ok(connections[0]!.id < connections[1]!.id);
    held.open();
    await call;
  });

  it("knows nothing but what it is given of a connection over another stream", async (t) => {
    const { server } = serve(t);
    const [ours, theirs] = duplexPair();
    server.serveConnection(ours, { address: "198.51.100.7:1234", secure: true });
    const [{ remote, local, secure, cipher }] = server.snapshot().connections as [never];
    assert.deepEqual({ remote, local, secure, cipher }, {
      remote: "198.51.100.7:1234",
      local: undefined,
      secure: true,
      cipher: undefined,
    });
    theirs.destroy();
  });

  it("is plain JSON", async (t) => {
    const { server } = serve(t);
    const { address } = await server.listen({ host: "127.0.0.1" });
    await createClient(Simple, grpc(t, address)).route({ data: "a" });
    const snapshot = server.snapshot();
    const defined = JSON.parse(JSON.stringify(snapshot, (_, value: unknown) => value ?? null));
    assert.deepEqual(Object.keys(defined), [
      "nowMs",
      "state",
      "addresses",
      "calls",
      "inFlight",
      "refused",
      "connections",
    ]);
    assert.equal(defined.connections[0].remote, snapshot.connections[0]!.remote);
  });
});
