import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ErrorCode, Flag, FrameType, Setting } from "../support/raw-http2/frame.ts";
import { ManualClock } from "../support/manual-clock.ts";
import type { ConnectionOptions } from "../../src/http2/client/connection.ts";
import { HpackDecoder } from "../../src/http2/wire/hpack-decoder.ts";
import type { HeaderBlock } from "../../src/http2/wire/header-block.ts";
import { END_HEADERS_STREAM, flushed, frame, type MemoryServer, OK, pair, TEMPLATE, TestStream } from "./memory.ts";

const uint32 = (bytes: Uint8Array, at = 0) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);

describe("an HTTP/2 connection", () => {
  it("begins with the preface, its SETTINGS and the connection's window, in one write", async () => {
    const { server } = pair({}, false);
    await flushed();
    assert.equal(server.writes.length, 1);
    assert.deepEqual(server.frames().map(({ type, streamId }) => [type, streamId]), [
      [FrameType.settings, 0],
      [FrameType.windowUpdate, 0],
    ]);
  });

  it("announces no push, its windows and its largest header section, by default and as its limits say", async () => {
    const announced = async (limits: ConnectionOptions["limits"]) => {
      const { server } = pair({ limits }, false);
      await flushed();
      const [settings, ...updates] = server.frames();
      const { payload, flags } = settings!;
      const values: [id: number, value: number][] = [];
      for (let at = 0; at < payload.length; at += 6) {
        values.push([payload[at]! << 8 | payload[at + 1]!, uint32(payload, at + 2)]);
      }
      return [flags, values, updates.map(({ type, streamId, payload }) => [type, streamId, uint32(payload)])];
    };
    // 64 KiB for a stream, 64 KiB for headers, and for the connection 16 MiB, of which HTTP/2 gives 65,535 by itself.
    assert.deepEqual(await announced(undefined), [
      0,
      [[Setting.enablePush, 0], [Setting.initialWindowSize, 65_536], [Setting.maxHeaderListSize, 65_536]],
      [[FrameType.windowUpdate, 0, 16_777_216 - 65_535]],
    ]);
    assert.deepEqual(
      await announced({ streamWindowBytes: 1, connectionWindowBytes: 0x7fff_ffff, maxHeaderListBytes: 1_024 }),
      [
        0,
        [[Setting.enablePush, 0], [Setting.initialWindowSize, 1], [Setting.maxHeaderListSize, 1_024]],
        [[FrameType.windowUpdate, 0, 0x7fff_ffff - 65_535]],
      ],
    );
    assert.deepEqual((await announced({ connectionWindowBytes: 65_535 }))[2], [], "there is nothing to add");
  });

  it("is ready at the server's SETTINGS, which it acknowledges, and holds requests until then", async () => {
    const { server, connection, told, request } = pair({}, false);
    const stream = request();
    await flushed();
    assert.deepEqual([connection.state, connection.requests.waiting, stream.id], ["connecting", 1, 0]);
    server.frames();
    server.send(frame.settings());
    await flushed();
    assert.deepEqual([connection.state, told.join(), stream.id], ["ready", "ready", 1]);
    assert.deepEqual(server.frames().map(({ type, flags }) => [type, flags]), [
      [FrameType.settings, Flag.ack],
      [FrameType.headers, Flag.endHeaders],
      [FrameType.data, Flag.endStream],
    ]);
  });

  it("writes everything of one turn at once", async () => {
    const { server, request } = pair();
    await flushed();
    const before = server.writes.length;
    for (let i = 0; i < 50; i++) request({ body: new Uint8Array(10) });
    await flushed();
    assert.equal(server.writes.length, before + 1);
  });

  it("gives a response to its stream, skipping informational ones", async () => {
    const { server, request, connection } = pair();
    const [a, b] = [request(), request()];
    await flushed();
    server.send(
      frame.headers(3, [[":status", "103"], ["link", "</x>"]]),
      frame.headers(3, [...OK, ["x-a", "b"]]),
      frame.data(3, new Uint8Array([1, 2])),
      frame.headers(1, OK),
      frame.data(3, new Uint8Array([3])),
      frame.headers(3, [["x-t", "u"]], END_HEADERS_STREAM),
      frame.data(1, new Uint8Array([4]), Flag.endStream),
    );
    assert.deepEqual([b.head?.fields, b.bytes, b.trailers?.fields, b.done], [["x-a", "b"], 3, ["x-t", "u"], true]);
    assert.deepEqual([a.bytes, a.trailers, a.done], [1, undefined, true]);
    assert.equal(connection.requests.active.size, 0);
  });

  it("sends CONTINUATION for headers above the server's frame size", async () => {
    const { server, request } = pair();
    await flushed();
    server.frames();
    request({ extra: ["x-long", "v".repeat(40_000)] });
    await flushed();
    assert.deepEqual(server.frames().map(({ type, flags }) => [type, flags]), [
      [FrameType.headers, 0],
      [FrameType.continuation, 0],
      [FrameType.continuation, Flag.endHeaders],
      [FrameType.data, Flag.endStream],
    ]);
  });

  it("says the smallest table size of several that came at once (RFC 7541 section 4.2)", async () => {
    const { server, request } = pair();
    request();
    await flushed();
    server.frames();
    server.send(frame.settings([Setting.headerTableSize, 0], [Setting.headerTableSize, 4_096]));
    request();
    await flushed();
    const headers = server.frames().find(({ type }) => type === FrameType.headers)!;
    const decoder = new HpackDecoder(4_096, 65_536);
    const { payload } = headers;
    assert.deepEqual([payload[0], payload[1]! & 0xe0], [0x20, 0x20], "0, then another");
    assert.deepEqual(decoder.decode(payload, 0, payload.length).fields, []);
  });

  it("fails a request whose headers are larger than the server allows, and sends nothing of it", async () => {
    const { server, request, connection } = pair({}, false);
    server.send(frame.settings([Setting.maxHeaderListSize, 500]));
    await flushed();
    server.frames();
    const stream = request({ extra: ["x-long", "v".repeat(400)] });
    assert.deepEqual([stream.error?.processed, stream.closed, connection.requests.active.size], ["not-sent", true, 0]);
    await flushed();
    assert.deepEqual(server.frames(), []);
    assert.equal(request().id, 1);
  });

  it("answers PING, and not the answer to one", async () => {
    const { server } = pair();
    await flushed();
    server.frames();
    server.send(frame.ping(), frame.ping(true));
    await flushed();
    assert.deepEqual(server.frames().map(({ type, flags }) => [type, flags]), [[FrameType.ping, Flag.ack]]);
  });

  it("keeps to MAX_CONCURRENT_STREAMS, as it changes, and lets waiting requests be cancelled unsent", async () => {
    const { server, request, connection } = pair({}, false);
    server.send(frame.settings([Setting.maxConcurrentStreams, 1]));
    const [a, b, c, d] = [request(), request(), request(), request()];
    assert.deepEqual([a.id, b.id, connection.requests.waiting], [1, 0, 3]);
    b.cancel();
    assert.equal(connection.requests.waiting, 2);
    server.send(frame.headers(1, OK, END_HEADERS_STREAM));
    await flushed();
    assert.deepEqual([a.done, b.id, c.id, d.id], [true, 0, 3, 0]);
    server.send(frame.settings([Setting.maxConcurrentStreams, 2]));
    assert.equal(d.id, 5);
    await flushed();
    assert.deepEqual(server.frames().filter(({ type }) => type === FrameType.rstStream), []);
  });

  it("answers DATA and HEADERS of a stream that the server has ended with STREAM_CLOSED (5.1, 6.1)", async () => {
    const resets = async (server: MemoryServer) => {
      await flushed();
      return server.frames().filter(({ type }) => type === FrameType.rstStream)
        .map(({ streamId, payload }) => [streamId, payload[3]]);
    };
    const late = [
      frame.data(1, new Uint8Array(5)),
      frame.data(1, new Uint8Array(0)),
      frame.data(1, new Uint8Array(5), Flag.endStream),
      frame.headers(1, OK),
      frame.headers(1, OK, END_HEADERS_STREAM),
    ];
    for (const last of [frame.headers(1, OK, END_HEADERS_STREAM), frame.reset(1, ErrorCode.cancel)]) {
      const { server, request, told } = pair();
      request();
      server.send(last);
      assert.deepEqual(await resets(server), []);
      for (const each of late) {
        server.send(each);
        assert.deepEqual(await resets(server), [[1, ErrorCode.streamClosed]]);
      }
      // Its own answers and window updates may have crossed on the way (5.1).
      server.send(frame.windowUpdate(1, 1), frame.reset(1, ErrorCode.cancel));
      assert.deepEqual([await resets(server), told], [[], ["ready"]]);
    }
    const { server, request } = pair();
    request().cancel();
    assert.deepEqual(await resets(server), [[1, ErrorCode.cancel]]);
    server.send(...late);
    const answered = (await resets(server)).length;
    assert.equal(answered, 2, "but passes over what was on its way when this side reset the stream: one response");
  });

  it("resets a stream that is cancelled, and forgets what still comes for it", async () => {
    const { server, request, connection, told } = pair();
    const stream = request({ end: false });
    await flushed();
    server.frames();
    stream.cancel();
    await flushed();
    const [reset] = server.frames();
    assert.deepEqual([reset?.type, reset?.streamId, uint32(reset!.payload)], [
      FrameType.rstStream,
      1,
      ErrorCode.cancel,
    ]);
    server.send(frame.headers(1, OK), frame.data(1, new Uint8Array(5)), frame.windowUpdate(1, 5), frame.reset(1, 8));
    assert.deepEqual([stream.head, stream.error, connection.state, told], [undefined, undefined, "ready", ["ready"]]);
  });

  it("ends a request that is still being sent when its response is complete", async () => {
    const { server, request } = pair();
    const stream = request({ end: false });
    await flushed();
    server.frames();
    server.send(frame.headers(1, OK, END_HEADERS_STREAM));
    await flushed();
    const [reset] = server.frames();
    assert.deepEqual([stream.done, reset?.type, uint32(reset!.payload)], [
      true,
      FrameType.rstStream,
      ErrorCode.noError,
    ]);
    assert.equal(stream.write(new Uint8Array(0), new Uint8Array(9), false), true);
  });

  it("resets no stream that the server has ended, even if its reader gives it up", async () => {
    class Picky extends TestStream {
      override onHead(head: HeaderBlock): void {
        super.onHead(head);
        if (head.status !== 200) this.cancel();
      }
      override onData(chunk: Uint8Array, start: number, end: number): void {
        super.onData(chunk, start, end);
        this.cancel();
      }
    }
    const { server, connection } = pair();
    const [head, data, early] = [new Picky(), new Picky(), new Picky()];
    for (const stream of [head, data, early]) {
      stream.open(connection, TEMPLATE, undefined);
      if (stream !== early) stream.end();
    }
    await flushed();
    server.frames();
    server.send(
      frame.headers(1, [[":status", "503"]], END_HEADERS_STREAM),
      frame.headers(3, OK),
      frame.data(3, new Uint8Array(3), Flag.endStream),
      frame.headers(5, [[":status", "503"]], END_HEADERS_STREAM),
    );
    await flushed();
    assert.deepEqual(
      server.frames().map(({ type, streamId, payload }) => [type, streamId, payload[3]]),
      [[FrameType.rstStream, 5, ErrorCode.noError]],
      "only the request that was not complete is cut off (section 8.1)",
    );
    assert.deepEqual([head.done, data.done, early.done, connection.requests.none], [false, false, false, true]);
  });

  it("holds the process while requests are in flight or wait", async () => {
    const { server, request } = pair({}, false);
    assert.equal(server.held, false);
    const stream = request();
    assert.equal(server.held, true);
    server.send(frame.settings());
    server.send(frame.headers(1, OK, END_HEADERS_STREAM));
    assert.deepEqual([stream.done, server.held], [true, false]);
    await flushed();
  });
});

describe("the end of an HTTP/2 connection", () => {
  it("says of each stream whether the server can have processed it: RST_STREAM", () => {
    const { server, request } = pair();
    const [a, b, c] = [request(), request(), request()];
    server.send(frame.reset(1, ErrorCode.refusedStream), frame.reset(3, ErrorCode.cancel), frame.headers(5, OK));
    server.send(frame.reset(5, ErrorCode.refusedStream));
    assert.deepEqual([a, b, c].map(({ error }) => [error?.processed, error?.by, error?.code]), [
      ["refused", "reset", 7],
      ["maybe", "reset", 8],
      ["maybe", "reset", 7],
    ]);
  });

  it("GOAWAY refuses streams above its last id, lets the others finish, and then is lost without a cause", () => {
    const { server, request, told, connection } = pair();
    const [a, b] = [request(), request()];
    server.send(frame.goaway(1));
    assert.deepEqual([b.error?.processed, connection.state, told], ["refused", "draining", ["ready", "draining"]]);
    const late = request();
    assert.deepEqual([late.error?.processed, late.id], ["not-sent", 0]);
    server.send(frame.headers(1, OK, END_HEADERS_STREAM));
    assert.deepEqual([a.done, told.at(-1), server.ended], [true, "lost: undefined", true]);
  });

  it("a second GOAWAY may lower the last id, and a higher one changes nothing", () => {
    const { server, request, connection } = pair();
    const [a, b, c] = [request(), request(), request()];
    server.send(frame.goaway(0x7fff_ffff), frame.goaway(3));
    assert.deepEqual([a.error, b.error, c.error?.processed], [undefined, undefined, "refused"]);
    server.send(frame.goaway(5));
    assert.deepEqual([connection.state, a.error, b.error], ["draining", undefined, undefined]);
  });

  it("GOAWAY says nothing of a stream whose response has begun, whatever its last id", () => {
    const { server, request } = pair();
    const [a, b] = [request(), request()];
    server.send(frame.headers(1, OK), frame.goaway(0));
    assert.deepEqual([a.error?.processed, b.error?.processed], ["maybe", "refused"]);
  });

  it("a request made while GOAWAY ends others is not sent", () => {
    const { server, connection } = pair();
    const [refused, next] = [new TestStream(), new TestStream()];
    refused.onFailed = () => next.open(connection, TEMPLATE, undefined);
    refused.open(connection, TEMPLATE, undefined);
    server.send(frame.goaway(0));
    assert.deepEqual([next.id, next.error?.processed, connection.state], [0, "not-sent", "lost"]);
  });

  it("GOAWAY with an error code ends what it leaves after a second, with its cause", async () => {
    const clock = new ManualClock();
    const { server, request, told } = pair({ clock });
    const [a, b] = [request(), request()];
    server.send(frame.goaway(1, ErrorCode.enhanceYourCalm, "too_many_pings"));
    assert.deepEqual([a.error, b.error?.processed], [undefined, "refused"]);
    await clock.advance(1_000);
    assert.deepEqual([a.error?.processed, a.error?.by], ["maybe", "connection"]);
    assert.match(told.join(), /lost: .*ENHANCE_YOUR_CALM \(0xb\): too_many_pings/);
  });

  it("requests that wait when GOAWAY comes were not sent", () => {
    const { server, request } = pair({}, false);
    server.send(frame.settings([Setting.maxConcurrentStreams, 0]));
    const stream = request();
    server.send(frame.goaway(0));
    assert.equal(stream.error?.processed, "not-sent");
  });

  it("a connection that ends before SETTINGS sent nothing", () => {
    const { server, request, told } = pair({}, false);
    const stream = request();
    server.events.end();
    server.events.closed();
    assert.equal(stream.error?.processed, "not-sent");
    assert.equal(told.length, 1);
    assert.match(told[0]!, /lost: the server closed the connection before its SETTINGS/);
  });

  it("streams of a lost connection may have been processed", () => {
    const { server, request, told } = pair();
    const [a, b] = [request(), request()];
    server.send(frame.headers(1, OK, END_HEADERS_STREAM));
    server.events.closed(new Error("read ECONNRESET"));
    assert.deepEqual([a.done, b.error?.processed, b.error?.by], [true, "maybe", "connection"]);
    assert.match(b.error!.message, /ECONNRESET/);
    assert.deepEqual(told, ["ready", "lost: read ECONNRESET"]);
    assert.equal(request().error?.processed, "not-sent");
  });

  it("drains when the stream ids run out", () => {
    const { server, connection, request, told } = pair();
    connection.requests.nextId = 0x7fff_fffd;
    const [a, b, c] = [request(), request(), request()];
    assert.deepEqual([a.id, b.id, c.error?.processed, told.at(-1)], [0x7fff_fffd, 0x7fff_ffff, "not-sent", "draining"]);
    server.send(frame.headers(a.id, OK, END_HEADERS_STREAM), frame.headers(b.id, OK, END_HEADERS_STREAM));
    assert.deepEqual([a.done, b.done, told.at(-1)], [true, true, "lost: undefined"]);
  });

  it("close lets requests finish within their grace: long-lived ones have their own", async () => {
    const clock = new ManualClock();
    const { connection, request, told } = pair({ clock });
    const stream = request();
    const longLived = request();
    Object.assign(longLived, { longLived: true });
    connection.close(100, 300);
    assert.equal(request().error?.processed, "not-sent");
    await clock.advance(100);
    assert.deepEqual([stream.error?.code, longLived.error], [ErrorCode.cancel, undefined]);
    await clock.advance(200);
    assert.deepEqual([longLived.error?.code, told.at(-1)], [ErrorCode.cancel, "lost: undefined"]);
    assert.deepEqual(clock.pending, []);
  });

  it("close without requests ends at once, without a GOAWAY, of which Deno's servers can die", () => {
    const { connection, server, told } = pair();
    connection.close(1_000, 1_000);
    assert.deepEqual([told.at(-1), server.destroyed], ["lost: undefined", true]);
    assert.ok(server.frames().every(({ type }) => type !== FrameType.goaway));
  });

  it("says what speaks no HTTP/2", () => {
    const { server, told } = pair({}, false);
    server.send(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
    assert.deepEqual(told, ["lost: the server speaks HTTP/1.1, not HTTP/2"]);
  });
});
