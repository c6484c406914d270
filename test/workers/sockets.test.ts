import assert from "node:assert/strict";
import net from "node:net";
import { describe, it, type TestContext } from "node:test";
import { Code, ConnectError, createClient, createContextValues } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { readMark } from "../../src/connection/mark.ts";
import { linkSettings } from "../../src/grpc/link/options.ts";
import { systemClock } from "../../src/time/clock.ts";
import { workerConnector } from "../../src/workers.ts";
import { scheduleFlush } from "../../src/workers/link.ts";
import { scopedConnector, socketsOfRequest, withSockets } from "../../src/workers/scoped-link.ts";
import { Sockets } from "../../src/workers/sockets.ts";
import { eventually } from "../support/eventually.ts";
import { type SimpleServer, startSimpleServer } from "../support/servers/simple.ts";
import { streamConnect } from "./stream-connect.ts";

async function servers(t: TestContext, count: number): Promise<SimpleServer[]> {
  const started = await Promise.all(Array.from({ length: count }, () => startSimpleServer()));
  t.after(() => Promise.all(started.map((server) => server.close())));
  return started;
}

const events = { draining() {}, lost() {} };

/** One request's sockets, and clients of servers that call over them. */
function request(t: TestContext, options: { maxSockets?: number; idleMs?: number } = {}) {
  const counted = streamConnect();
  const sockets = new Sockets({
    connect: counted.connect,
    maxSockets: options.maxSockets ?? 4,
    idleMs: options.idleMs ?? Infinity,
    settings: linkSettings({ keepalive: false }, scheduleFlush),
  });
  t.after(() => sockets.close());
  const connector = scopedConnector(socketsOfRequest, systemClock);
  const client = ({ address }: { readonly address: string }) => {
    const { transport } = connector({ address }, events);
    return createClient(Simple, transport);
  };
  const scope = { contextValues: withSockets(sockets, createContextValues()) };
  return { counted, sockets, client, scope };
}

describe("the sockets of a request", () => {
  it("are opened by the first call to each endpoint, and shared by its other calls", async (t) => {
    const [a, b] = await servers(t, 2) as [SimpleServer, SimpleServer];
    const { client, counted, scope } = request(t);
    for (const server of [a, b, a]) {
      const calls = Array.from({ length: 5 }, () => client(server).route({ data: "x" }, scope));
      for (const { value } of await Promise.all(calls)) assert.equal(value, "hello x");
    }
    assert.deepEqual(counted.ports, [a.port, b.port]);
  });

  it("carry the four kinds of calls", async (t) => {
    const [server] = await servers(t, 1) as [SimpleServer];
    const { client, scope } = request(t);
    const simple = client(server), values: string[] = [];
    const texts = async function* () {
      for (const data of ["a", "b"]) yield { data };
    };
    for await (const { value } of simple.routeServerStream({ data: "x" }, scope)) values.push(value);
    values.push((await simple.routeClientStream(texts(), scope)).value);
    for await (const { value } of simple.routeBidiStream(texts(), scope)) values.push(value);
    assert.deepEqual(values, ["hello x 0", "hello x 1", "hello x 2", "hello 2", "hello a", "hello b"]);
  });

  it("are never more than allowed: the least recently used idle one is closed for another", async (t) => {
    const all = await servers(t, 4);
    const [a, b, c, d] = all as [SimpleServer, SimpleServer, SimpleServer, SimpleServer];
    const { client, counted, scope } = request(t, { maxSockets: 2 });
    for (const server of [a, b, a, c, a, d, a]) await client(server).route({ data: "x" }, scope);
    assert.deepEqual(counted.ports, [a, b, c, d].map(({ port }) => port));
    assert.equal(counted.most, 2);
  });

  it("make calls wait while all are in use, in order", async (t) => {
    const all = await servers(t, 10);
    const { client, counted, scope } = request(t, { maxSockets: 3 });
    const calls = all.flatMap((server) => [1, 2].map(() => client(server).route({ data: "x" }, scope)));
    for (const { value } of await Promise.all(calls)) assert.equal(value, "hello x");
    assert.equal(counted.most, 3);
    assert.deepEqual(counted.ports.toSorted(), all.map(({ port }) => port).toSorted());
  });

  it("are not closed under a stream: another endpoint's call waits until its deadline, and says why", async (t) => {
    const [other] = await servers(t, 1) as [SimpleServer];
    const end = Promise.withResolvers<void>();
    const streaming = await startSimpleServer({
      methods: {
        async *routeServerStream() {
          yield { value: "first" };
          await end.promise;
          yield { value: "last" };
        },
      },
    });
    t.after(() => streaming.close());
    const { client, counted, scope } = request(t, { maxSockets: 1, idleMs: 1 });
    const responses = client(streaming).routeServerStream({ data: "x" }, scope)[Symbol.asyncIterator]();
    assert.equal((await responses.next()).value?.value, "first");
    const error = await client(other).route({ data: "x" }, { ...scope, timeoutMs: 100 }).then(() => {}, (e) => e);
    assert.equal(ConnectError.from(error).code, Code.DeadlineExceeded);
    assert.match(error.message, /all 1 sockets are in use/);
    // The endpoint has no part in that.
    assert.equal(readMark(error), undefined);
    const waiting = client(other).route({ data: "x" }, scope);
    end.resolve();
    assert.equal((await responses.next()).value?.value, "last");
    assert.equal((await responses.next()).done, true);
    assert.equal((await waiting).value, "hello x");
    assert.equal(counted.most, 1);
  });

  it("let a call that is aborted while it waits leave the line to the next", async (t) => {
    const held = Promise.withResolvers<{ code: number; value: string }>();
    const busy = await startSimpleServer({ methods: { route: () => held.promise } });
    t.after(() => busy.close());
    const [other] = await servers(t, 1) as [SimpleServer];
    const { client, scope } = request(t, { maxSockets: 1 });
    const first = client(busy).route({ data: "x" }, scope);
    const abort = new AbortController();
    const aborted = client(other).route({ data: "x" }, { ...scope, signal: abort.signal });
    const last = client(other).route({ data: "x" }, scope);
    abort.abort();
    await assert.rejects(aborted, { code: Code.Canceled });
    held.resolve({ code: 200, value: "late" });
    assert.equal((await first).value, "late");
    assert.equal((await last).value, "hello x");
  });

  it("are closed when no call has been in flight for a while, and opened again", async (t) => {
    const [server] = await servers(t, 1) as [SimpleServer];
    const { client, counted, scope } = request(t, { idleMs: 20 });
    for (let i = 1; i < 3; i++) {
      await client(server).route({ data: "x" }, scope);
      await eventually("they are closed", () => counted.open === 0);
      assert.equal(counted.ports.length, i);
    }
  });

  it("are replaced when the server closes them", async (t) => {
    const [server] = await servers(t, 1) as [SimpleServer];
    const sessions: { close(): void }[] = [];
    server.server.on("session", (session) => sessions.push(session));
    const { client, counted, scope, sockets } = request(t);
    for (let i = 1; i < 4; i++) {
      await client(server).route({ data: "x" }, scope);
      assert.equal(counted.ports.length, i);
      sessions.at(-1)!.close();
      await eventually("the socket is gone", () => sockets.size === 0);
    }
  });

  it("fail calls to an endpoint that refuses them as not sent, and take no place afterwards", async (t) => {
    const { client, scope, sockets } = request(t, { maxSockets: 1 });
    const error = await client({ address: "127.0.0.1:1" }).route({ data: "x" }, scope).then(() => {}, (e) => e);
    assert.equal(ConnectError.from(error).code, Code.Unavailable);
    assert.match(error.message, /can't connect to 127\.0\.0\.1:1/);
    assert.equal(readMark(error), "not-sent");
    await eventually("the place is free", () => sockets.size === 0);
  });

  it("mark a call whose connection wasn't open by its deadline as not sent", async (t) => {
    const silent = net.createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    t.after(() => silent.close());
    const { client, scope } = request(t);
    const address = `127.0.0.1:${(silent.address() as net.AddressInfo).port}`;
    const error = await client({ address }).route({ data: "x" }, { ...scope, timeoutMs: 100 }).then(() => {}, (e) => e);
    assert.equal(ConnectError.from(error).code, Code.DeadlineExceeded);
    assert.match(error.message, /is still being opened/);
    assert.equal(readMark(error), "not-sent");
  });

  it("are needed: a call without them says so", async (t) => {
    const [server] = await servers(t, 1) as [SimpleServer];
    const { client } = request(t);
    await assert.rejects(client(server).route({ data: "x" }), {
      code: Code.FailedPrecondition,
      rawMessage: "sockets belong to a request in a Worker: make the call on transport.forRequest(ctx)",
    });
  });
});

describe("workerConnector", () => {
  const link = (connect: unknown, endpoint: { address: string; secure?: boolean; authority?: string }) =>
    workerConnector({ connect: connect as typeof net.connect })(endpoint, events);
  const open = async (...args: Parameters<typeof link>) => {
    const opened = link(...args);
    try {
      await opened.connect!(AbortSignal.timeout(5_000));
    } finally {
      await opened.close();
    }
  };

  it("takes connect of node:net, too", async (t) => {
    const [server] = await servers(t, 1) as [SimpleServer];
    await open(net.connect, server);
  });

  it("asks for TLS by the endpoint's name, and with starttls if that isn't the dialled one", async () => {
    const { connect, options } = streamConnect();
    await assert.rejects(open(connect, { address: "127.0.0.1:1", secure: true }));
    await assert.rejects(open(connect, { address: "127.0.0.1:1", secure: true, authority: "a.example" }), /start TLS/);
    assert.deepEqual(options.map(({ secureTransport }) => secureTransport), ["on", "starttls"]);
  });

  it("never speaks plaintext where TLS is wanted, nor the reverse", async (t) => {
    const [server] = await servers(t, 1) as [SimpleServer];
    const secure = { address: server.address, secure: true };
    await assert.rejects(open(net.connect, secure), /TLS is wanted.*pass connect of node:tls or cloudflare:sockets/);
    const encrypted = (target: { host: string; port: number }) =>
      Object.assign(net.connect(target), { encrypted: true });
    await assert.rejects(open(encrypted, server), /with TLS, which is not wanted/);
  });

  it("says what to check where workerd says only that it can't connect", async () => {
    const connect = () => {
      const refused = Promise.reject(new Error("proxy request failed, cannot connect to the specified address"));
      refused.catch(() => {});
      const close = () => Promise.resolve();
      return {
        readable: new ReadableStream(),
        writable: new WritableStream(),
        opened: refused,
        closed: refused,
        close,
      };
    };
    const address = "127.0.0.1:1";
    await assert.rejects(open(connect, { address }), /proxy request failed.*listen there, and may a Worker reach it\?/);
    await assert.rejects(open(connect, { address, secure: true }), /proxy request failed.*listen there, with TLS, and/);
  });

  it("says what connect should have given", async () => {
    await assert.rejects(open(() => 5, { address: "127.0.0.1:1" }), /option connect gave 5: expected a socket/);
    assert.throws(() => workerConnector({} as Parameters<typeof workerConnector>[0]), /option connect is undefined/);
  });
});
