import assert from "node:assert/strict";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { readMark } from "../../src/connection/mark.ts";
import type { Endpoint } from "../../src/endpoint.ts";
import { grpcConnector, type GrpcConnectorOptions, type TlsOptions } from "../../src/node/grpc-connector.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { runtime, startScript } from "../support/process.ts";
import { ErrorCode, Setting } from "../support/raw-http2/frame.ts";
import { type Scenario, startRawServer } from "../support/raw-http2/server.ts";
import { startSimpleServer } from "../support/servers/simple.ts";
import * as tls from "../support/tls.ts";

interface Opened {
  simple: Client<typeof Simple>;
  /** What the link told: "draining", "lost: why". */
  told: string[];
  connect(signal?: AbortSignal): Promise<void>;
  close(graceMs?: number): Promise<void>;
}

/** A link to an endpoint, closed when the test ends. */
function link(t: TestContext, endpoint: Endpoint, options: GrpcConnectorOptions = {}): Opened {
  const told: string[] = [];
  const link = grpcConnector(options)(endpoint, {
    draining: () => told.push("draining"),
    lost: (cause) => told.push(`lost: ${cause?.message}`),
  });
  t.after(() => link.close());
  return {
    simple: createClient(Simple, link.transport),
    told,
    connect: async (signal = AbortSignal.timeout(10_000)) => await link.connect?.(signal),
    close: (graceMs) => link.close(graceMs),
  };
}

async function raw(t: TestContext, scenario: Scenario) {
  const server = await startRawServer(scenario);
  t.after(() => server.close());
  return server;
}

async function simpleServer(t: TestContext, options?: Parameters<typeof startSimpleServer>[0]) {
  const server = await startSimpleServer(options);
  t.after(() => server.close());
  return server;
}

async function failure(call: Promise<unknown>): Promise<ConnectError & { mark: string | undefined }> {
  try {
    await call;
  } catch (error) {
    return Object.assign(ConnectError.from(error), { mark: readMark(error) });
  }
  throw new Error("the call was answered");
}

/** A response message with `value`. */
const answer = (value: string) => new Uint8Array([0x12, value.length, ...new TextEncoder().encode(value)]);

async function* requests(count: number) {
  for (let i = 0; i < count; i++) yield { data: `grpc ${i}` };
}

async function values(responses: AsyncIterable<{ value: string }>): Promise<string[]> {
  const all: string[] = [];
  for await (const { value } of responses) all.push(value);
  return all;
}

describe("a gRPC link", () => {
  it("carries all four kinds of calls over one connection", async (t) => {
    const server = await simpleServer(t);
    let sessions = 0;
    server.server.on("session", () => sessions++);
    const { simple, connect } = link(t, { address: server.address });
    await connect();
    assert.equal((await simple.route({ data: "grpc 7" })).value, "hello grpc 7");
    assert.deepEqual(await values(simple.routeServerStream({ data: "a" })), ["hello a 0", "hello a 1", "hello a 2"]);
    assert.equal((await simple.routeClientStream(requests(4))).value, "hello 4");
    assert.deepEqual(await values(simple.routeBidiStream(requests(2))), ["hello grpc 0", "hello grpc 1"]);
    assert.equal(sessions, 1);
  });

  it("opens nothing before connect, and does not send calls", async (t) => {
    const server = await simpleServer(t);
    let sessions = 0;
    server.server.on("session", () => sessions++);
    const { simple } = link(t, { address: server.address });
    const error = await failure(simple.route({ data: "early" }));
    assert.deepEqual([error.code, error.mark], [Code.Unavailable, "not-sent"]);
    assert.match(error.message, /127\.0\.0\.1:\d+ is not open/);
    assert.equal(sessions, 0);
  });

  it("passes on what the server answers with, metadata and details of errors included", async (t) => {
    const server = await simpleServer(t, {
      methods: {
        route({ data }, context) {
          context.responseTrailer.set("x-heard", context.requestHeader.get("x-said") ?? "");
          if (data === "fail") {
            throw new ConnectError("connect ECONNREFUSED upstream", Code.Unavailable, { "x-a": "b" });
          }
          return { code: 200, value: data };
        },
      },
    });
    const { simple, connect } = link(t, { address: server.address });
    await connect();
    let trailer: Headers | undefined;
    await simple.route({ data: "x" }, { headers: { "x-said": "hi" }, onTrailer: (t) => trailer = t });
    assert.equal(trailer?.get("x-heard"), "hi");
    const error = await failure(simple.route({ data: "fail" }));
    assert.deepEqual([error.code, error.mark, error.metadata.get("x-a")], [Code.Unavailable, "answered", "b"]);
  });

  it("moves 10 MiB each way", async (t) => {
    const server = await simpleServer(t);
    const { simple, connect } = link(t, { address: server.address }, { readMaxBytes: 2 ** 24 });
    await connect();
    const data = "x".repeat(10 << 20);
    assert.equal((await simple.route({ data })).value.length, data.length + "hello ".length);
  });

  it("rejects connect when nobody listens, and can try again", async (t) => {
    const gone = await startSimpleServer();
    await gone.close();
    const { connect, told } = link(t, { address: gone.address });
    for (let i = 0; i < 3; i++) await assert.rejects(connect(), /can't connect to 127\.0\.0\.1:\d+: .*ECONNREFUSED/);
    assert.deepEqual(told, []);
  });

  it("rejects connect for a server that speaks HTTP/1.1, each time", async (t) => {
    const http = createHttpServer((_, response) => response.end("hi"));
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    t.after(() => new Promise((resolve) => (http.closeAllConnections(), http.close(resolve))));
    const { connect, simple, told } = link(t, { address: `127.0.0.1:${(http.address() as AddressInfo).port}` });
    for (let i = 0; i < 3; i++) await assert.rejects(connect(), /can't connect/);
    assert.equal((await failure(simple.route({}))).mark, "not-sent");
    assert.deepEqual(told, []);
  });

  it("rejects connect for a server that writes HTTP/1.1 before it is asked", async (t) => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.resume();
      socket.end("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => new Promise((resolve) => server.close(resolve)));
    const { connect } = link(t, { address: `127.0.0.1:${(server.address() as AddressInfo).port}` });
    for (let i = 0; i < 3; i++) await assert.rejects(connect(), /can't connect/);
  });

  it("rejects connect when a silent server lets connectTimeoutMs pass, or the signal aborts", async (t) => {
    const server = await raw(t, async (session) => {
      session.answerControlFrames = false;
      await session.left();
    });
    const hold = setTimeout(() => {}, 60_000);
    t.after(() => clearTimeout(hold));
    const slow = link(t, { address: server.address }, { connectTimeoutMs: 50 });
    await assert.rejects(slow.connect(), /no HTTP\/2 server answered within 50 ms/);
    const { connect } = link(t, { address: server.address });
    const controller = new AbortController();
    const opening = connect(controller.signal);
    await eventually("the server is dialled", () => server.sessions.length === 2);
    controller.abort(new Error("never mind"));
    await assert.rejects(opening, /never mind/);
    await assert.rejects(connect(AbortSignal.abort(new Error("too late"))), /too late/);
  });

  it("rejects connect for a server that says GOAWAY at once, without a busy loop", async (t) => {
    const server = await raw(t, async (session, index) => {
      session.settings();
      session.goaway(0, index);
      await session.left();
    });
    const { connect, told } = link(t, { address: server.address });
    for (let i = 0; i < 3; i++) await assert.rejects(connect(), /can't connect|closed the connection immediately/);
    assert.equal(server.sessions.length, 3);
    assert.deepEqual(told, []);
  });

  it("drains at GOAWAY: calls that the server took go on, later ones are refused, connect opens afresh", async (t) => {
    let took: (() => void) | undefined;
    const server = await raw(t, async (session, index) => {
      await session.handshake();
      const first = await session.request();
      if (index === 0) {
        await session.request();
        session.goaway(first);
        await new Promise<void>((resolve) => took = resolve);
      }
      session.respond(first, { messages: [answer(`from ${index}`)] });
      await session.left();
    });
    const { simple, connect, told } = link(t, { address: server.address });
    await connect();
    const first = simple.route({ data: "1" });
    const second = failure(simple.route({ data: "2" }));
    const refused = await second;
    assert.deepEqual([refused.code, refused.mark], [Code.Unavailable, "refused"]);
    assert.deepEqual(told, ["draining"]);
    assert.equal((await failure(simple.route({ data: "3" }))).mark, "not-sent");
    await connect();
    assert.equal((await simple.route({ data: "4" })).value, "from 1");
    took?.();
    assert.equal((await first).value, "from 0");
    // What becomes of the drained session is not told.
    assert.deepEqual(told, ["draining"]);
  });

  it("marks calls above the last id of a GOAWAY with an error code as refused, and only those", async (t) => {
    const server = await raw(t, async (session) => {
      await session.handshake();
      const first = await session.request();
      await session.request();
      session.goaway(first, ErrorCode.enhanceYourCalm);
      await session.left();
    });
    const { simple, connect, told } = link(t, { address: server.address });
    await connect();
    const [first, second] = await Promise.all([failure(simple.route({})), failure(simple.route({}))]);
    assert.deepEqual([first.mark, second.mark], [undefined, "refused"]);
    assert.deepEqual([first.code, second.code], [Code.Unavailable, Code.Unavailable]);
    await eventually("the link is told lost", () => told.length > 0);
    assert.match(told.join(), /^draining/);
  });

  it("marks a stream reset with REFUSED_STREAM as refused, and goes on", async (t) => {
    const server = await raw(t, async (session) => {
      await session.handshake();
      for (let i = 0;; i++) {
        const id = await session.wholeRequest();
        if (i < 2) session.rst(id, ErrorCode.refusedStream);
        else session.respond(id, { messages: [answer("fine")] });
      }
    });
    const { simple, connect, told } = link(t, { address: server.address });
    await connect();
    const unary = await failure(simple.route({}));
    assert.deepEqual([unary.code, unary.mark], [Code.Unavailable, "refused"]);
    assert.equal((await failure(simple.routeClientStream(requests(3)))).mark, "refused");
    assert.equal((await simple.route({})).value, "fine");
    assert.deepEqual(told, []);
  });

  for (const [name, code] of [["CANCEL", 8], ["INTERNAL_ERROR", 2], ["NO_ERROR", 0]] as const) {
    it(`does not call a call safe that was reset with ${name}, and settles it`, async (t) => {
      const server = await raw(t, async (session) => {
        await session.handshake();
        session.rst(await session.wholeRequest(), code);
        await session.left();
      });
      const { simple, connect } = link(t, { address: server.address });
      await connect();
      const error = await failure(simple.route({}));
      assert.deepEqual([error.code, error.mark], [code === 8 ? Code.Canceled : Code.Internal, undefined]);
    });
  }

  for (const [name, leave] of [["ends", "end"], ["resets", "reset"]] as const) {
    it(`is lost when the peer ${name} the connection: calls in flight may have been processed`, async (t) => {
      const server = await raw(t, async (session, index) => {
        await session.handshake();
        const id = await session.wholeRequest();
        if (index === 0) return session[leave]();
        session.respond(id, { messages: [answer("again")] });
        await session.left();
      });
      const { simple, connect, told } = link(t, { address: server.address });
      await connect();
      const error = await failure(simple.route({}));
      assert.deepEqual([error.code, error.mark], [Code.Unavailable, undefined]);
      await eventually("the link is told lost", () => told.length > 0);
      assert.equal(told.length, 1);
      assert.match(told.join(), /^lost: /);
      await connect();
      assert.equal((await simple.route({})).value, "again");
      assert.equal(told.length, 1);
    });
  }

  it("is lost when the peer ends an idle connection", async (t) => {
    const server = await raw(t, async (session) => {
      await session.handshake();
      await session.request();
      session.respond(1);
      session.end();
    });
    const { simple, connect, told } = link(t, { address: server.address });
    await connect();
    await failure(simple.route({}));
    await eventually("the link is told lost", () => told.length > 0);
    assert.equal((await failure(simple.route({}))).mark, "not-sent");
  });

  it("keeps a whole answer that came right before the end of the connection", async (t) => {
    const server = await raw(t, async (session) => {
      await session.handshake();
      const id = await session.wholeRequest();
      session.respond(id, { messages: [answer("a"), answer("b"), answer("c")] });
      session.goaway(id);
      session.end();
    });
    const { simple, connect } = link(t, { address: server.address });
    await connect();
    assert.deepEqual(await values(simple.routeServerStream({})), ["a", "b", "c"]);
  });

  it("fails a stream that breaks off after some messages", async (t) => {
    const server = await raw(t, async (session) => {
      await session.handshake();
      const id = await session.wholeRequest();
      session.headers(id, [[":status", "200"], ["content-type", "application/grpc+proto"]]);
      session.data(id, new Uint8Array([0, 0, 0, 0, 3, ...answer("a")]));
      session.end();
    });
    const { simple, connect } = link(t, { address: server.address });
    await connect();
    const got: string[] = [];
    const error = await failure((async () => {
      for await (const { value } of simple.routeServerStream({})) got.push(value);
    })());
    assert.deepEqual([got, error.mark, error.code], [["a"], undefined, Code.Unavailable]);
  });

  it("keeps to the peer's limit of streams, and never sends a call that was aborted while it waited", async (t) => {
    const release: (() => void)[] = [];
    const heard: string[] = [];
    let most = 0, open = 0;
    const server = await simpleServer(t, {
      methods: {
        async route({ data }) {
          heard.push(data);
          most = Math.max(most, ++open);
          await new Promise<void>((resolve) => release.push(resolve));
          open--;
          return { code: 200, value: data };
        },
      },
    });
    server.server.updateSettings({ maxConcurrentStreams: 2 });
    const { simple, connect } = link(t, { address: server.address });
    await connect();
    const abort = new AbortController();
    const calls = ["a", "b", "c", "d", "e"].map((data) =>
      simple.route({ data }, data === "c" ? { signal: abort.signal } : {}).then(({ value }) => value, (e) => e.code)
    );
    await eventually("two calls run", () => release.length === 2);
    abort.abort();
    assert.equal(await calls[2], Code.Canceled);
    const all = Promise.all(calls);
    const tick = setInterval(() => release.shift()?.(), 5);
    t.after(() => clearInterval(tick));
    assert.deepEqual(await all, ["a", "b", Code.Canceled, "d", "e"]);
    assert.deepEqual(heard.sort(), ["a", "b", "d", "e"]);
    assert.equal(most, 2);
  });

  it("does not send calls that wait for a free stream when the server goes away", async (t) => {
    const server = await raw(t, async (session) => {
      await session.handshake([[Setting.maxConcurrentStreams, 1]]);
      session.goaway(await session.wholeRequest());
      await session.left();
    });
    const { simple, connect } = link(t, { address: server.address });
    await connect();
    const first = failure(simple.route({}, { signal: AbortSignal.timeout(1_000) }));
    assert.equal((await failure(simple.route({}))).mark, "not-sent");
    await first;
  });

  it("cancels at the server what the caller aborts, and the connection lives on", async (t) => {
    const reset: number[] = [];
    const server = await raw(t, async (session) => {
      await session.handshake();
      const id = await session.wholeRequest();
      const frame = await session.read((frame) => frame.type === 3 && frame.streamId === id);
      reset.push(new DataView(frame.payload.buffer, frame.payload.byteOffset).getUint32(0));
      session.respond(await session.wholeRequest(), { messages: [answer("next")] });
      await session.left();
    });
    const { simple, connect } = link(t, { address: server.address });
    await connect();
    const error = await failure(simple.route({}, { timeoutMs: 50 }));
    assert.deepEqual([error.code, error.mark], [Code.DeadlineExceeded, undefined]);
    await eventually("the server is told", () => reset.length > 0);
    assert.equal((await simple.route({})).value, "next");
    assert.deepEqual(reset, [ErrorCode.cancel]);
  });

  it("ends a connection whose peer leaves a keepalive ping unanswered", async (t) => {
    const server = await raw(t, async (session) => {
      await session.handshake();
      await session.wholeRequest();
      session.answerControlFrames = false;
      await session.left();
    });
    const { simple, connect, told } = link(t, { address: server.address }, {
      keepalive: { intervalMs: 30, timeoutMs: 60 },
    });
    await connect();
    const error = await failure(simple.route({}));
    assert.deepEqual([error.code, error.mark], [Code.Unavailable, undefined]);
    assert.match(error.message, /keepalive ping/);
    assert.match(told.join(), /^lost: .*keepalive ping/);
  });

  it("pings a live peer for as long as a call takes, and leaves it in peace after", async (t) => {
    const clock = new ManualClock();
    let pings = 0, respond = () => {};
    const server = await raw(t, async (session) => {
      await session.handshake();
      const id = await session.wholeRequest();
      for (; pings < 3; pings++) await session.read((frame) => frame.type === 6);
      await new Promise<void>((resolve) => respond = resolve);
      session.respond(id, { messages: [answer("late")] });
      await session.left();
      pings = session.received.filter((frame) => frame.type === 6).length;
    });
    const { simple, connect, close } = link(t, { address: server.address }, {
      clock,
      keepalive: { intervalMs: 30, timeoutMs: 5_000 },
    });
    await connect();
    const call = simple.route({});
    for (let n = 1; n <= 3; n++) {
      await eventually("the ping before was answered", () => clock.pending[0] === 30);
      await clock.advance(30);
      await eventually(`ping ${n} is seen`, () => pings === n);
    }
    await eventually("the last ping was answered", () => clock.pending[0] === 30);
    respond();
    assert.equal((await call).value, "late");
    await clock.advance(600_000);
    pings = 0;
    await close();
    await eventually("the server has counted", () => pings > 0);
    assert.equal(pings, 3);
  });

  it("lets calls in flight finish within the grace of close, ends them after it", async (t) => {
    const release: (() => void)[] = [];
    const server = await simpleServer(t, {
      methods: {
        async route({ data }) {
          await new Promise<void>((resolve) => release.push(resolve));
          return { code: 200, value: data };
        },
      },
    });
    const patient = link(t, { address: server.address });
    await patient.connect();
    const call = patient.simple.route({ data: "kept" });
    await eventually("the call runs", () => release.length === 1);
    const closed = patient.close(10_000);
    assert.equal((await failure(patient.simple.route({}))).mark, "not-sent");
    release.pop()?.();
    assert.equal((await call).value, "kept");
    await closed;
    await assert.rejects(patient.connect(), /closed/);

    const hasty = link(t, { address: server.address });
    await hasty.connect();
    const lost = failure(hasty.simple.route({ data: "cut" }));
    await eventually("the call runs", () => release.length === 1);
    await hasty.close(0);
    const error = await lost;
    assert.deepEqual([error.code, error.mark], [Code.Unavailable, undefined]);
    assert.deepEqual(hasty.told, []);
    await hasty.close();
    release.pop()?.();
  });

  it("dials a Unix socket", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "connect-lb-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const server = await simpleServer(t, { path: join(folder, "s") });
    const { simple, connect } = link(t, { address: server.address });
    await connect();
    assert.equal((await simple.route({ data: "unix" })).value, "hello unix");
  });

  it("runs interceptors once per call with the endpoint's URL", async (t) => {
    const server = await simpleServer(t);
    const urls: string[] = [];
    const { simple, connect } = link(t, { address: server.address }, {
      interceptors: [(next) => (request) => (urls.push(request.url), next(request))],
    });
    await connect();
    await simple.route({});
    assert.deepEqual(urls, [`http://${server.address}/proto.Simple/Route`]);
  });
});

describe("a gRPC link over TLS", () => {
  const authorityOf = (context: { url: string } | undefined) => new URL(context?.url ?? "http://none").host;

  it("trusts a private CA, by IP and by name", async (t) => {
    const server = await simpleServer(t, { tls: tls.server });
    const byIp = link(t, { address: server.address }, { tls: { ca: tls.ca } });
    await byIp.connect();
    assert.equal((await byIp.simple.route({ data: "tls" })).value, "hello tls");
    const byName = link(t, { address: server.address, authority: "simple.test" }, { tls: { ca: tls.ca } });
    await byName.connect();
    await byName.simple.route({});
    assert.equal(authorityOf(server.calls.at(-1)), "simple.test");
    const secure = link(t, { address: server.address, secure: true, authority: "other.test:99" }, {
      tls: { ca: tls.ca, servername: "simple.test" },
    });
    await secure.connect();
    await secure.simple.route({});
    assert.equal(authorityOf(server.calls.at(-1)), "other.test:99");
  });

  it("takes options that are undefined for left out, and those that are inherited or getters for given", async (t) => {
    const server = await simpleServer(t, { tls: tls.server });
    const none = { cert: undefined, key: undefined, checkServerIdentity: undefined, rejectUnauthorized: undefined };
    class Trust {
      get ca() {
        return tls.ca;
      }
    }
    for (const options of [{ ca: tls.ca, ...none }, Object.create({ ca: tls.ca }) as TlsOptions, new Trust()]) {
      for (const authority of [undefined, "simple.test"]) {
        const { connect } = link(t, { address: server.address, ...authority && { authority } }, { tls: options });
        await connect();
      }
    }
    const small = Object.create({ readMaxBytes: 10 }) as GrpcConnectorOptions;
    const { connect, simple } = link(t, { address: (await simpleServer(t)).address }, small);
    await connect();
    await assert.rejects(simple.route({ data: "x".repeat(100) }), { code: Code.ResourceExhausted });
  });

  it("refuses a server that it can't trust", async (t) => {
    const server = await simpleServer(t, { tls: tls.server });
    const unknownCa = link(t, { address: server.address, secure: true });
    await assert.rejects(unknownCa.connect(), /can't connect .*certificate/);
    const wrongName = link(t, { address: server.address, authority: "evil.test" }, { tls: { ca: tls.ca } });
    await assert.rejects(wrongName.connect(), /can't connect .*(altnames|certificate)/i);
    // The certificate is good for the address that is dialled, but that is not who is called.
    for (const options of [{ ca: tls.ca }, { ca: tls.ca, servername: "" }]) {
      const wrongIp = link(t, { address: server.address, authority: "203.0.113.9:443" }, { tls: options });
      await assert.rejects(wrongIp.connect(), /can't connect .*(altnames|certificate)/i);
    }
    assert.equal((await failure(wrongName.simple.route({}))).mark, "not-sent");
    assert.deepEqual(server.received, []);
  });

  it("shows a client certificate to a server that asks for one", async (t) => {
    const server = await simpleServer(t, {
      tls: { ...tls.server, ca: tls.ca, requestCert: true, rejectUnauthorized: true },
    });
    const known = link(t, { address: server.address }, { tls: { ca: tls.ca, ...tls.client } });
    await known.connect();
    assert.equal((await known.simple.route({ data: "mtls" })).value, "hello mtls");
    const unknown = link(t, { address: server.address }, { tls: { ca: tls.ca }, connectTimeoutMs: 5_000 });
    await assert.rejects(unknown.connect(), /can't connect/);
  });

  it("rejects connect where one side speaks TLS and the other doesn't", async (t) => {
    const secure = await simpleServer(t, { tls: tls.server });
    const plain = await simpleServer(t);
    await assert.rejects(link(t, { address: secure.address }).connect(), /can't connect/);
    await assert.rejects(link(t, { address: plain.address }, { tls: { ca: tls.ca } }).connect(), /can't connect/);
    const mixed = link(t, { address: plain.address, secure: false }, { tls: { ca: tls.ca } });
    await mixed.connect();
    assert.equal((await mixed.simple.route({ data: "plain" })).value, "hello plain");
  });
});

describe("grpcConnector", () => {
  it("refuses options of the wrong type or range", () => {
    assert.throws(() => grpcConnector({ connectTimeoutMs: 0 }), RangeError);
    assert.throws(() => grpcConnector({ connectTimeoutMs: "1s" as never }), TypeError);
    assert.throws(
      () => grpcConnector({ keepalive: { intervalMs: -1 } }),
      /keepalive\.intervalMs is -1: expected milliseconds above 0/,
    );
    const make = grpcConnector();
    const events = { draining() {}, lost() {} };
    assert.throws(() => make({ address: "http://a:1" }, events), TypeError);
    assert.throws(() => make({ address: "a:1", authority: "a/b" }, events), /authority "a\/b"/);
  });

  it("lets a process with an idle open link exit by itself", async (t) => {
    const server = await simpleServer(t);
    const child = startScript(runtime, "test/node/idle-link.ts", [server.address]);
    t.after(() => child.kill());
    await child.line(/hello child/);
    assert.deepEqual(await child.exited, { code: 0, signal: null });
  });
});
