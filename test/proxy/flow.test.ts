import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import type * as grpc from "@grpc/grpc-js";
import { shutdown } from "../../src/server.ts";
import { eventually } from "../support/eventually.ts";
import { concat, ErrorCode, Flag, FrameType, Setting } from "../support/raw-http2/frame.ts";
import { envelope, OK_HEADERS, OK_TRAILERS, type RawSession } from "../support/raw-http2/session.ts";
import { begin, call, rawProxy, statusOf } from "./raw.ts";
import { clientJs, METHODS, proxyFor, serveJs, to, unary } from "./through.ts";

type Unary = grpc.ServerUnaryCall<Buffer, Buffer>;
type Sends = grpc.sendUnaryData<Buffer>;

/** The most of one stream that may be on its way through a proxy: both windows, and what it buffers. */
const MOST_IN_BETWEEN = 512 * 1024;

describe("what flows through a proxy", () => {
  it("may be messages of 10 MiB, both ways at once", async (t) => {
    const echo = await serveJs(t, { unary: ({ request }: Unary, send: Sends) => send(null, request) });
    const { address } = await proxyFor(t, { routes: [{ to: to([echo]) }] });
    const client = clientJs(t, address);
    const large = Buffer.alloc(10 * 1024 * 1024);
    for (let i = 0; i < large.length; i += 997) large[i] = i & 0x7f;
    const [answer, small] = await Promise.all([unary(client, large), unary(client, "small")]);
    assert.equal(answer.messages[0], large.toString());
    assert.deepEqual(small.messages, ["small"]);
  });

  it("fits through tiny windows", async (t) => {
    const { client } = await rawProxy(t, [async (session) => {
      await session.handshake([[Setting.initialWindowSize, 7]]);
      const id = await session.request();
      for (let received = 0; received < 5 + 100;) {
        const { payload } = await session.read(({ type }) => type === FrameType.data);
        assert.ok(payload.length <= 7);
        received += payload.length;
        session.windowUpdate(id, 7);
      }
      session.respond(id, { messages: [new Uint8Array(100).fill(2)] });
    }], { settings: [[Setting.initialWindowSize, 3]] });
    const id = begin(client);
    client.data(id, envelope(new Uint8Array(100).fill(1)), { endStream: true });
    for (let received = 0; received < 5 + 100;) {
      const { payload } = await client.read(({ type }) => type === FrameType.data);
      assert.ok(payload.length <= 3);
      received += payload.length;
      client.windowUpdate(id, 3);
    }
    const reply = await client.reply(id);
    assert.equal(statusOf(reply), "0");
    assert.deepEqual(reply.body, envelope(new Uint8Array(100).fill(2)));
  });

  it("takes few frames where it came in many, both ways, and its bytes are the same", async (t) => {
    const streams = 4, pieces = 200, most = streams * pieces / 4;
    const piece = (id: number, i: number) => envelope(new Uint8Array(11 + i % 7).fill(id + i));
    const wanted = (id: number) => concat(...Array.from({ length: pieces }, (_, i) => piece(id, i)));
    // The pieces of all streams by turns, in one write; some are padded.
    const sendAll = (session: RawSession, ids: readonly number[], nth: (id: number) => number) => {
      session.socket.cork();
      for (let i = 0; i < pieces; i++) {
        for (const id of ids) session.data(id, piece(nth(id), i), i % 9 === 0 ? { padding: i % 5 } : {});
      }
    };
    const dataOf = (session: RawSession, id?: number) =>
      session.received.filter(({ type, streamId, payload }) =>
        type === FrameType.data && payload.length > 0 && (id === undefined || streamId === id)
      );
    const contentOf = (session: RawSession, id: number) => concat(...dataOf(session, id).map(({ payload }) => payload));
    const asked = Promise.withResolvers<RawSession>();
    const { client } = await rawProxy(t, [async (session) => {
      await session.handshake([[Setting.initialWindowSize, 1 << 20]]);
      const ids: number[] = [];
      for (let ended = 0; ended < streams;) {
        const { type, streamId, flags } = await session.read();
        if (type === FrameType.headers) ids.push(streamId);
        if (type === FrameType.data && (flags & Flag.endStream) !== 0) ended++;
      }
      for (const id of ids) session.headers(id, OK_HEADERS);
      sendAll(session, ids, (id) => ids.indexOf(id));
      for (const id of ids) session.headers(id, OK_TRAILERS, { endStream: true });
      session.socket.uncork();
      asked.resolve(session);
    }], { settings: [[Setting.initialWindowSize, 1 << 20]] });
    const ids = Array.from({ length: streams }, () => begin(client));
    sendAll(client, ids, (id) => ids.indexOf(id));
    for (const id of ids) client.data(id, new Uint8Array(0), { endStream: true });
    client.socket.uncork();
    const server = await asked.promise;
    const replies = await Promise.all(ids.map((id) => client.reply(id)));
    replies.forEach((reply, nth) => {
      assert.equal(statusOf(reply), "0");
      assert.deepEqual(reply.body, wanted(nth));
    });
    const theirs = [...new Set(dataOf(server).map(({ streamId }) => streamId))].sort((a, b) => a - b);
    assert.deepEqual(theirs.map((id) => contentOf(server, id)), ids.map((_, nth) => wanted(nth)));
    for (const session of [client, server]) {
      const count = dataOf(session).length;
      assert.ok(count < most, `${count} frames`);
    }
  });

  it("stops a client whose server doesn't read", async (t) => {
    const { client } = await rawProxy(t, [async (session) => {
      await session.handshake();
      await session.request();
    }], { options: { keepalive: { minPingIntervalMs: 0 } } });
    const id = begin(client);
    assert.ok(await sendUntilStopped(client, id) < MOST_IN_BETWEEN);
  });

  it("stops a server whose client doesn't read", async (t) => {
    const sent = Promise.withResolvers<number>();
    const { client } = await rawProxy(t, [async (session) => {
      await session.handshake();
      const id = await session.wholeRequest();
      session.headers(id, OK_HEADERS);
      sent.resolve(await sendUntilStopped(session, id));
    }], { settings: [[Setting.initialWindowSize, 1_000]] });
    call(client);
    assert.ok(await sent.promise < MOST_IN_BETWEEN);
  });

  it("ends well while the proxy drains: none of 64 calls at a time fails", async (t) => {
    let slow = 0;
    const backend = await serveJs(t, {
      unary: ({ request }: Unary, send: Sends) => setTimeout(() => send(null, request), slow++ % 20),
      both(stream: grpc.ServerDuplexStream<Buffer, Buffer>) {
        stream.on("data", (message) => stream.write(message));
        stream.on("end", () => stream.end());
      },
    });
    const first = await proxyFor(t, { routes: [{ to: to([backend]) }] });
    const second = await proxyFor(t, { routes: [{ to: to([backend]) }] });
    const client = clientJs(t, `ipv4:${first.address},${second.address}`, {
      "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
      "grpc.enable_retries": 1,
    });
    // A stream that is open all the time ends when its client ends it, and not before.
    const { both } = METHODS;
    const talk = client.makeBidiStreamRequest(both.path, both.requestSerialize, both.responseDeserialize);
    const talked = new Promise<grpc.StatusObject>((resolve) => talk.on("status", resolve));
    talk.on("data", () => {}).on("error", () => {}).write(Buffer.from("x"));
    let going = true, calls = 0;
    const failed: unknown[] = [];
    const worker = async () => {
      while (going) {
        const { status, messages } = await unary(client, `n${calls++}`);
        if (status.code !== 0 || messages.length !== 1) failed.push(status);
      }
    };
    const workers = Array.from({ length: 64 }, worker);
    await eventually(
      "both proxies have calls",
      () => [first, second].every(({ proxy }) => proxy.snapshot().calls.started > 100),
    );
    const drained = shutdown(first.proxy);
    await eventually("the first proxy has no more unary calls", () => first.proxy.snapshot().inFlight <= 1);
    const before = calls;
    await eventually("calls go on", () => calls > before + 200);
    talk.end();
    assert.equal((await talked).code, 0);
    assert.equal(await drained, true);
    going = false;
    await Promise.all(workers);
    assert.deepEqual(failed, []);
    const snapshot = first.proxy.snapshot();
    assert.deepEqual([snapshot.state, snapshot.calls.failed, snapshot.inFlight], ["closed", 0, 0]);
  });

  it("counts against the limits that a server has for hostile clients", async (t) => {
    const { client, proxy } = await rawProxy(t, [async (session) => {
      await session.handshake();
    }], { options: { limits: { maxConcurrentStreams: 2, maxHeaderListBytes: 2_000 } } });
    const open = [begin(client), begin(client)];
    const third = await client.reply(begin(client));
    assert.equal(third.reset, ErrorCode.refusedStream);
    for (const id of open) client.rst(id);
    await eventually("the calls are over", () => proxy.snapshot().inFlight === 0);
    const large = client.nextId();
    client.headers(
      large,
      [[":method", "POST"], [":scheme", "http"], [":path", "/a/b"], ["x-large", "x".repeat(3_000)]],
      { endStream: true },
    );
    assert.deepEqual((await client.reply(large)).sections[0]![0], [":status", "431"]);
    const { calls } = proxy.snapshot();
    assert.deepEqual(calls, { started: 2, succeeded: 0, failed: 2 });
  });

  it("leaves nothing behind of clients that reset whatever they begin", async (t) => {
    const { client, proxy } = await rawProxy(t, [async (session) => {
      await session.handshake();
      await session.left();
    }]);
    for (let i = 0; i < 500; i++) client.rst(call(client));
    await eventually("all calls are over", () => {
      const { calls, inFlight } = proxy.snapshot();
      return calls.failed === 500 && inFlight === 0;
    });
    const { endpoints, waiting } = proxy.snapshot().routes[0]!.transport;
    assert.deepEqual([endpoints![0]!.inFlight, waiting], [0, 0]);
  });
});

/**
 * Sends DATA as the other end allows, until it has allowed no more while it answered many PINGs; returns how many bytes
 * that were.
 */
async function sendUntilStopped(session: RawSession, id: number): Promise<number> {
  let sent = 0, allowed = -1;
  for (let silent = 0; silent < 50 && sent <= MOST_IN_BETWEEN;) {
    const room = allowedOn(session, id) - sent;
    silent = allowed === allowedOn(session, id) ? silent + 1 : 0;
    allowed = allowedOn(session, id);
    for (let left = room; left > 0; left -= 16_384) session.data(id, new Uint8Array(Math.min(left, 16_384)));
    sent += room;
    session.ping();
    await session.read(({ type, flags }) => type === FrameType.ping && (flags & Flag.ack) !== 0);
  }
  return sent;
}

/** How many bytes the other end has allowed on a stream so far. */
function allowedOn(session: RawSession, id: number): number {
  const windowOf = (stream: number, first: number) =>
    session.received.reduce((sum, { type, streamId, payload }) => {
      if (type !== FrameType.windowUpdate || streamId !== stream) return sum;
      return sum + (new DataView(payload.buffer, payload.byteOffset).getUint32(0) & 0x7fff_ffff);
    }, first);
  return Math.min(windowOf(0, 65_535), windowOf(id, session.setting(Setting.initialWindowSize) ?? 65_535));
}
