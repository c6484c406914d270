import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { concat, encodeFrame, ErrorCode, Flag, FrameType, type RawFrame, Setting } from "../support/raw-http2/frame.ts";
import { END_HEADERS_STREAM, flushed, frame, OK, pair, TEMPLATE, TestStream } from "./memory.ts";

const uint32 = ({ payload }: RawFrame) => new DataView(payload.buffer, payload.byteOffset).getUint32(0);
const sent = (frames: RawFrame[], id: number) =>
  frames.filter(({ type, streamId }) => type === FrameType.data && streamId === id)
    .map(({ payload, flags }) => [payload.length, flags]);
const windows = (frames: RawFrame[]) =>
  frames.filter(({ type }) => type === FrameType.windowUpdate).map((update) => [update.streamId, uint32(update)]);

describe("flow control of what is sent", () => {
  it("stops at the stream's window and goes on where it stopped", async () => {
    const { server, request } = pair({}, false);
    server.send(frame.settings([Setting.initialWindowSize, 10]));
    const body = Uint8Array.from({ length: 25 }, (_, i) => i);
    const stream = request({ body });
    await flushed();
    assert.deepEqual(sent(server.frames(), 1), [[10, 0]]);
    server.send(frame.windowUpdate(1, 1), frame.windowUpdate(1, 4));
    await flushed();
    assert.deepEqual(sent(server.frames(), 1), [[1, 0], [4, 0]]);
    server.send(frame.windowUpdate(1, 100));
    await flushed();
    assert.deepEqual(sent(server.frames(), 1), [[10, Flag.endStream]]);
    assert.equal(stream.state, "half-closed (local)");
  });

  it("shares the connection's window among streams, a frame each", async () => {
    const { server, request } = pair({}, false);
    server.send(frame.settings([Setting.initialWindowSize, 1 << 20]));
    request({ body: new Uint8Array(60_000) });
    request({ body: new Uint8Array(60_000) });
    request({ body: new Uint8Array(1_000) });
    await flushed();
    const first = server.frames();
    const total = [1, 3, 5].flatMap((id) => sent(first, id)).reduce((sum, [bytes]) => sum + bytes!, 0);
    assert.equal(total, 65_535);
    server.send(frame.windowUpdate(0, 16_384 + 1_000));
    await flushed();
    const second = server.frames();
    assert.deepEqual([sent(second, 3).length, sent(second, 5)], [1, [[1_000, Flag.endStream]]]);
  });

  it("lets streams that have much to send take turns, a frame each", async () => {
    const { server, request } = pair({}, false);
    server.send(frame.settings([Setting.initialWindowSize, 1 << 20]));
    for (let i = 0; i < 3; i++) request({ body: new Uint8Array(200_000) });
    const turns = async () => {
      await flushed();
      return server.frames().filter(({ type }) => type === FrameType.data).map(({ streamId }) => streamId);
    };
    assert.deepEqual(await turns(), [1, 1, 1, 1], "the first has the connection's window for itself");
    server.send(frame.windowUpdate(0, 9 * 16_384));
    const second = await turns();
    const round = second.slice(0, 3);
    assert.deepEqual([...round].sort(), [1, 3, 5]);
    assert.deepEqual(second, [...round, ...round, ...round]);
  });

  it("lets streams take turns also where the connection's window grows by a frame or less at a time", async () => {
    const { server, request } = pair({}, false);
    server.send(frame.settings([Setting.initialWindowSize, 1 << 20]));
    for (let i = 0; i < 4; i++) request({ body: new Uint8Array(200_000) });
    await flushed();
    server.frames();
    const turns: number[] = [];
    for (let i = 0; i < 12; i++) {
      server.send(frame.windowUpdate(0, [16_384, 1_000, 40_000][i % 3]!));
      await flushed();
      turns.push(...server.frames().filter(({ type }) => type === FrameType.data).map(({ streamId }) => streamId));
    }
    const round = turns.slice(0, 4);
    assert.deepEqual([...round].sort(), [1, 3, 5, 7]);
    assert.deepEqual(turns, turns.map((_, i) => round[i % 4]), "no stream's turn passes to the next");
  });

  it("bears a window that SETTINGS make negative", async () => {
    const { connection, server, request } = pair({}, false);
    server.send(frame.settings([Setting.initialWindowSize, 100]));
    const stream = request({ body: new Uint8Array(150) });
    server.send(frame.settings([Setting.initialWindowSize, 20]));
    assert.equal(connection.sender.windowOf(stream), -80);
    await flushed();
    server.frames();
    server.send(frame.windowUpdate(1, 80));
    await flushed();
    assert.deepEqual(sent(server.frames(), 1), []);
    server.send(frame.settings([Setting.initialWindowSize, 70]));
    await flushed();
    assert.deepEqual(sent(server.frames(), 1), [[50, Flag.endStream]]);
  });

  it("ends a request without content in a window of 0", async () => {
    const { server, request } = pair({}, false);
    server.send(frame.settings([Setting.initialWindowSize, 0]));
    request();
    await flushed();
    assert.deepEqual(sent(server.frames(), 1), [[0, Flag.endStream]]);
  });

  it("ends such a request behind others that wait for the connection's window", async () => {
    const { server, request } = pair({}, false);
    server.send(frame.settings([Setting.initialWindowSize, 1 << 20], [Setting.maxConcurrentStreams, 1]));
    request({ body: new Uint8Array(70_000) });
    request();
    await flushed();
    assert.equal(sent(server.frames(), 1).reduce((sum, [bytes]) => sum + bytes!, 0), 65_535);
    server.send(frame.settings([Setting.maxConcurrentStreams, 2]));
    await flushed();
    assert.deepEqual(sent(server.frames(), 3), [[0, Flag.endStream]]);
  });

  it("takes turns in frames of 64 KiB at most, however large the server's may be", async () => {
    const { server, request } = pair({}, false);
    request({ body: new Uint8Array(150_000) });
    request({ body: new Uint8Array(100_000) });
    server.send(frame.settings([Setting.initialWindowSize, 1 << 20], [Setting.maxFrameSize, 1 << 20]));
    server.send(frame.windowUpdate(0, 1 << 20));
    const late = request({ body: new Uint8Array(70_000) });
    await flushed();
    const all = server.frames();
    const sizes = all.filter(({ type }) => type === FrameType.data).map(({ payload }) => payload.length);
    assert.deepEqual([Math.max(...sizes), late.state], [65_536, "half-closed (local)"]);
    assert.deepEqual([1, 3, 5].map((id) => sent(all, id).length), [3, 2, 2]);
  });

  it("puts END_STREAM on the last frame if that has not left", async () => {
    const { server, request } = pair();
    const stream = request({ body: new Uint8Array(5), end: false });
    stream.end();
    await flushed();
    assert.deepEqual(sent(server.frames(), 1), [[5, Flag.endStream]]);
    const later = request({ body: new Uint8Array(5), end: false });
    await flushed();
    later.end();
    await flushed();
    assert.deepEqual(sent(server.frames(), 3), [[5, 0], [0, Flag.endStream]]);
  });

  it("asks its writer to stop, and to go on when there is room", async () => {
    const { server, connection } = pair({}, false);
    server.send(frame.settings([Setting.initialWindowSize, 0]));
    const stream = new TestStream();
    stream.open(connection, TEMPLATE, undefined);
    assert.equal(stream.write(new Uint8Array(0), new Uint8Array(1_000), false), true);
    assert.equal(stream.write(new Uint8Array(0), new Uint8Array(100_000), false), false);
    server.send(frame.windowUpdate(1, 10_000));
    assert.equal(stream.writable, 0);
    server.send(frame.windowUpdate(1, 30_000), frame.windowUpdate(1, 10_000));
    assert.equal(stream.writable, 1);
    await flushed();
  });

  it("waits for a byte stream that is full, and sends new requests only when it has room", async () => {
    const { server, request, connection } = pair();
    await flushed();
    server.full = true;
    const a = request({ body: new Uint8Array(10) });
    await flushed();
    const before = server.writes.length;
    const b = request({ body: new Uint8Array(10) });
    await flushed();
    assert.deepEqual([a.id, b.id, connection.requests.waiting, server.writes.length], [1, 0, 1, before]);
    b.cancel();
    const c = request({ body: new Uint8Array(10) });
    server.full = false;
    server.frames();
    server.events.writable();
    await flushed();
    assert.deepEqual([c.id, sent(server.frames(), 3)], [3, [[10, Flag.endStream]]]);
  });

  it("notices within one turn that the byte stream is full, however large the windows are", async () => {
    const { server, connection } = pair({}, false);
    server.send(
      frame.settings([Setting.initialWindowSize, 0x7fff_ffff]),
      frame.windowUpdate(0, 0x7fff_ffff - 65_535),
    );
    await flushed();
    server.full = true;
    const stream = new TestStream();
    stream.open(connection, TEMPLATE, undefined);
    let written = 0;
    for (const message = new Uint8Array(1_000); stream.write(new Uint8Array(0), message, false);) {
      written += message.length;
      assert.ok(written < 1_000_000, "the writer is never asked to stop");
    }
    server.full = false;
    server.events.writable();
    await flushed();
    assert.deepEqual([stream.writable, connection.writer.waitingBytes], [1, 0]);
  });

  it("refuses windows above 2³¹−1: a stream's ends the stream, the connection's everything", () => {
    const { server, request, told } = pair();
    const stream = request();
    server.send(frame.windowUpdate(1, 0x7fff_ffff));
    assert.deepEqual([stream.error?.code, told], [ErrorCode.flowControlError, ["ready"]]);
    server.send(frame.windowUpdate(0, 0x7fff_ffff));
    assert.match(told.at(-1)!, /window overflowed/);
    const other = pair();
    other.request({ end: false });
    other.server.send(frame.windowUpdate(1, 0x7fff_0000), frame.settings([Setting.initialWindowSize, 0x7fff_ffff]));
    assert.match(other.told.at(-1)!, /window overflow/);
  });

  it("refuses to grow a window by 0", () => {
    const { server, request, told } = pair();
    const stream = request();
    server.send(frame.windowUpdate(1, 0));
    assert.deepEqual([stream.error?.code, told], [ErrorCode.protocolError, ["ready"]]);
    server.send(frame.windowUpdate(0, 0));
    assert.match(told.at(-1)!, /WINDOW_UPDATE of 0/);
  });
});

describe("flow control of what is received", () => {
  const limits = { streamWindowBytes: 100, connectionWindowBytes: 70_000 };

  it("gives windows back by halves, the stream's as it is read, the connection's as it comes", async () => {
    const { server, request } = pair({ limits });
    const stream = request({ reads: false });
    server.send(frame.settingsAck(), frame.headers(1, OK), frame.data(1, new Uint8Array(80)));
    await flushed();
    server.frames();
    stream.consumed(49);
    await flushed();
    assert.deepEqual(windows(server.frames()), []);
    stream.consumed(1);
    await flushed();
    assert.deepEqual(windows(server.frames()), [[1, 50]]);
    request();
    for (let i = 0; i < 700; i++) {
      server.send(frame.headers(3 + 2 * i, OK), frame.data(3 + 2 * i, new Uint8Array(50), 1)), request();
    }
    await flushed();
    assert.deepEqual(windows(server.frames()).filter(([id]) => id === 0), [[0, 35_030]]);
  });

  it("gives a stream 64 KiB and the connection 16 MiB by default, and back by halves", async () => {
    const { server, request, told } = pair();
    const stream = request({ reads: false });
    server.send(frame.settingsAck(), frame.headers(1, OK));
    await flushed();
    server.frames();
    const send = (bytes: number) => {
      for (let left = bytes; left > 0; left -= 16_384) {
        server.send(frame.data(1, new Uint8Array(Math.min(left, 16_384))));
      }
    };
    assert.equal(stream.receiveWindow?.left, 65_536);
    send(65_536);
    await flushed();
    assert.deepEqual(windows(server.frames()), [], "the connection's is less than half used");
    stream.consumed(32_767);
    await flushed();
    assert.deepEqual([windows(server.frames()), stream.receiveWindow?.left], [[], 0]);
    stream.consumed(1);
    await flushed();
    assert.deepEqual(windows(server.frames()), [[1, 32_768]]);
    send(32_768);
    assert.deepEqual([stream.error, told], [undefined, ["ready"]]);
    send(1);
    assert.deepEqual([stream.error?.code, stream.bytes], [ErrorCode.flowControlError, 98_304]);
    for (let id = 3, came = 98_305; came < 8_388_608; id += 2, came += 16_384) {
      request();
      server.send(frame.headers(id, OK), frame.data(id, new Uint8Array(16_384), Flag.endStream));
    }
    await flushed();
    assert.deepEqual(windows(server.frames()), [[0, 8_388_608 + 1]]);
  });

  it("counts padding, and takes it as read", async () => {
    const { server, request } = pair({ limits });
    const stream = request({ reads: false });
    server.send(frame.settingsAck(), frame.headers(1, OK));
    await flushed();
    server.frames();
    const padded = concat(new Uint8Array([60]), new Uint8Array([7, 8]), new Uint8Array(60));
    server.send(encodeFrame(FrameType.data, Flag.padded, 1, padded));
    await flushed();
    assert.deepEqual(windows(server.frames()), [[1, 61]]);
    assert.deepEqual([...concat(...stream.received)], [7, 8]);
  });

  it("gives no window back to a stream that the server has ended", async () => {
    const { server, request } = pair({ limits });
    request();
    await flushed();
    server.frames();
    server.send(frame.settingsAck(), frame.headers(1, OK), frame.data(1, new Uint8Array(100), Flag.endStream));
    await flushed();
    assert.deepEqual(windows(server.frames()), []);
  });

  it("holds a stream that nobody reads to its window, and others go on", async () => {
    const { server, request, told } = pair({ limits });
    const [stream, other] = [request({ reads: false }), request()];
    server.send(frame.settingsAck(), frame.headers(1, OK), frame.headers(3, OK));
    server.send(frame.data(1, new Uint8Array(100)));
    assert.equal(stream.receiveWindow?.left, 0);
    for (let i = 0; i < 10_000; i++) {
      server.send(frame.data(3, new Uint8Array(60)));
      // A server that waits for the connection's window.
      if (i % 500 === 499) await flushed();
    }
    assert.deepEqual([other.bytes, other.error, stream.error], [600_000, undefined, undefined]);
    server.send(frame.data(1, new Uint8Array(1)));
    assert.deepEqual([stream.error?.code, stream.bytes, told], [ErrorCode.flowControlError, 100, ["ready"]]);
  });

  it("allows HTTP/2's default window until the server has acknowledged a smaller one", () => {
    const { server, request } = pair({ limits });
    const [a, b] = [request({ reads: false }), request({ reads: false })];
    server.send(frame.headers(1, OK), frame.data(1, new Uint8Array(5_000)));
    assert.deepEqual([a.error, a.bytes], [undefined, 5_000]);
    server.send(frame.settingsAck(), frame.headers(3, OK), frame.data(3, new Uint8Array(101)));
    assert.equal(b.error?.code, ErrorCode.flowControlError);
  });

  it("ends a connection whose window the server overruns, with frames of closed streams counted", async () => {
    const { server, request, told, connection } = pair({ limits: { connectionWindowBytes: 65_535 } });
    const [closed, stream] = [request(), request()];
    server.send(frame.headers(1, OK, END_HEADERS_STREAM), frame.headers(3, OK));
    assert.equal(closed.done, true);
    for (let i = 0; i < 50; i++) {
      server.send(frame.data(1, new Uint8Array(16_384)), frame.data(3, new Uint8Array(16_384)));
      await flushed();
      assert.deepEqual(told, ["ready"], "what comes is given back");
    }
    // The window is given back when the WINDOW_UPDATE has left, and not before.
    server.frames();
    for (let i = 0; i < 2; i++) {
      server.send(frame.data(1, new Uint8Array(16_384)), frame.data(3, new Uint8Array(16_384)));
    }
    assert.equal(connection.state, "lost");
    assert.match(told.at(-1)!, /exceeded the connection's window/);
    assert.equal(stream.bytes, 51 * 16_384);
    const goaway = server.frames().find(({ type }) => type === FrameType.goaway)!;
    assert.equal(goaway.payload[7], ErrorCode.flowControlError);
  });

  it("needs a connection's window of HTTP/2's default at least", () => {
    assert.throws(() => pair({ limits: { connectionWindowBytes: 1_000 } }), RangeError);
  });
});
