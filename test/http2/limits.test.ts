import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HeaderBlock, receivedField } from "../../src/http2/wire/header-block.ts";
import { HpackDecoder } from "../../src/http2/wire/hpack-decoder.ts";
import { field } from "../../src/http2/wire/hpack-table.ts";
import { CancelledStreams } from "../../src/http2/cancelled-streams.ts";
import { concat, encodeFrame, ErrorCode, Flag, FrameType, Setting } from "../support/raw-http2/frame.ts";
import { headerBlock, integer, stringLiteral } from "../support/raw-http2/header-block.ts";
import { hpackTableBytes } from "../support/raw-http2/hpack-table.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { END_HEADERS_STREAM, flushed, frame, OK, pair } from "./memory.ts";
import type { Pair } from "./memory.ts";

/** The GOAWAY that the client said, as its error code. */
async function goaway({ server }: Pair): Promise<number | undefined> {
  await flushed();
  const said = server.frames().filter(({ type }) => type === FrameType.goaway).at(-1);
  return said && new DataView(said.payload.buffer, said.payload.byteOffset).getUint32(4);
}

/** Sends one frame over and over until the connection ends; the number it took. */
function flood({ server, connection }: Pair, bytes: Uint8Array, most = 1_000_000): number {
  let sent = 0;
  for (; sent < most && connection.state !== "lost"; sent++) server.send(bytes);
  return sent;
}

describe("what a server may not do to a client", () => {
  it("send a header section above the limit: the stream ends, the connection and its table go on", () => {
    const { server, request, told } = pair({ limits: { maxHeaderListBytes: 2_000 } });
    const [a, b] = [request(), request()];
    server.send(frame.headers(1, [...OK, ["x-long", "v".repeat(2_000)]]));
    assert.deepEqual([a.error?.code, a.error?.by, told], [ErrorCode.enhanceYourCalm, "stream", ["ready"]]);
    server.send(frame.headers(3, OK, END_HEADERS_STREAM));
    assert.equal(b.done, true);
  });

  it("blow up a header section with a HPACK bomb", () => {
    const { server, request } = pair();
    const stream = request();
    // One entry of 4,000 bytes in the table, then thousands of references of one byte.
    const bomb = concat(
      headerBlock(OK),
      new Uint8Array([0x40]),
      stringLiteral("x-bomb"),
      stringLiteral("v".repeat(4_000)),
      new Uint8Array(15_000 - 4_050).fill(0x80 | 62),
    );
    server.send(encodeFrame(FrameType.headers, Flag.endHeaders, 1, bomb));
    assert.equal(stream.error?.code, ErrorCode.enhanceYourCalm);
    assert.equal(stream.head, undefined);
    // 44 MB by the fields' sizes, of which nothing is kept beyond the table's one entry.
    const hpack = new HpackDecoder(4_096, 65_536);
    const block = hpack.decode(bomb, 0, bomb.length);
    assert.ok(block.bytes > 40_000_000, `${block.bytes} bytes`);
    assert.deepEqual([block.tooLarge, block.fields, hpackTableBytes(hpack)], [true, [], 4_038]);
  });

  it("make a client keep more of a header section than the limit, at any moment", () => {
    const block = new HeaderBlock();
    const entry = receivedField(field("x-a", "v".repeat(97)));
    let most = 0;
    for (let i = 0; i < 1_000; i++) {
      block.add(entry, 10_000);
      most = Math.max(most, block.fields.length);
    }
    // 75 fields of 132 bytes each are within the limit.
    assert.deepEqual([most, block.fields.length, block.tooLarge, block.bytes], [150, 0, true, 132_000]);
  });

  it("send CONTINUATION endlessly, in bytes or in frames", async () => {
    for (
      const [maxHeaderListBytes, size, most] of [
        // By the number of frames, that of HEADERS counted, which small ones reach first …
        [65_536, 0, 64],
        [65_536, 1, 64],
        [65_536, 1_000, 64],
        // … and by their bytes: what is over the limit is not taken.
        [65_536, 4_096, 17],
        [65_536, 16_384, 5],
        [20_000, 16_384, 2],
        [2_000, 16_384, 1],
        [2 << 20, 16_384, 129],
        [2 << 20, 100, 512],
      ] as const
    ) {
      const connected = pair({ limits: { maxHeaderListBytes } });
      const stream = connected.request();
      connected.server.send(frame.block(1, new Uint8Array(0), 0));
      const frames = flood(connected, frame.continuation(1, new Uint8Array(size), 0));
      assert.equal(frames, most, `frames of ${size} bytes at a limit of ${maxHeaderListBytes}`);
      assert.equal(await goaway(connected), ErrorCode.enhanceYourCalm);
      assert.equal(stream.error?.processed, "maybe");
    }
    const connected = pair({ limits: { maxHeaderListBytes: 2_000 } });
    connected.request();
    connected.server.send(frame.block(1, new Uint8Array(2_001), 0));
    assert.equal(await goaway(connected), ErrorCode.enhanceYourCalm, "HEADERS alone are over the limit");
  });

  for (
    const [name, bytes] of [
      ["SETTINGS", frame.settings()],
      ["acknowledgements of SETTINGS", frame.settingsAck()],
      ["PING", frame.ping()],
      ["PRIORITY", encodeFrame(FrameType.priority, 0, 1, new Uint8Array(5))],
      ["frames of unknown types", encodeFrame(0x77, 0, 0, new Uint8Array(3))],
      ["empty DATA", frame.data(1, new Uint8Array(0))],
      ["DATA of padding alone", encodeFrame(FrameType.data, Flag.padded, 1, new Uint8Array([2, 0, 0]))],
      ["WINDOW_UPDATE of a closed stream", frame.windowUpdate(3, 1)],
      ["RST_STREAM of a closed stream", frame.reset(3, 8)],
      ["DATA of a closed stream", frame.data(3, new Uint8Array(100))],
      ["HEADERS of a closed stream", frame.headers(3, OK)],
      ["GOAWAY", frame.goaway(0x7fff_ffff)],
    ] as const
  ) {
    it(`flood the connection with ${name}`, async () => {
      const connected = pair({ clock: new ManualClock() });
      const [stream, closed] = [connected.request(), connected.request()];
      connected.server.send(frame.headers(1, OK), frame.headers(3, OK, END_HEADERS_STREAM));
      assert.equal(closed.done, true);
      const sent = flood(connected, bytes);
      assert.ok(sent <= 10_001, `${sent} frames`);
      assert.equal(await goaway(connected), ErrorCode.enhanceYourCalm);
      assert.deepEqual([stream.error?.processed, stream.error?.by], ["maybe", "connection"]);
    });
  }

  it("flood the connection with header sections that are too large, sooner the longer their blocks are", async () => {
    for (const [bytes, before, most] of [[2_000, [], 5_000], [15_000, [], 670], [15_000, [OK], 670]] as const) {
      const connected = pair({ clock: new ManualClock(), limits: { maxHeaderListBytes: 2_000 } });
      const { connection, request, server } = connected;
      let sent = 0;
      for (let id = 1; sent < 20_000 && connection.state !== "lost"; id += 2) {
        request();
        for (const fields of before) server.send(frame.headers(id, fields));
        server.send(frame.headers(id, [["x-large", "v".repeat(bytes)]]));
        if (++sent % 1_000 === 0) await flushed();
      }
      assert.ok(sent <= most, `${sent} sections`);
      assert.equal(await goaway(connected), ErrorCode.enhanceYourCalm);
    }
  });

  it("but over time, or along with calls, it may send as many", async () => {
    const clock = new ManualClock();
    const { server, request, told } = pair({ clock });
    for (let i = 0; i < 4; i++) {
      for (let k = 0; k < 9_000; k++) server.send(frame.ping());
      await clock.advance(10_000);
    }
    for (let id = 1; id < 60_000; id += 2) {
      request();
      server.send(frame.ping(), frame.headers(id, OK, END_HEADERS_STREAM));
    }
    assert.deepEqual(told, ["ready"]);
  });

  it("but gRPC servers may measure the bandwidth while only this side sends", async () => {
    const { server, request, told } = pair({ clock: new ManualClock() });
    server.send(frame.windowUpdate(0, 1 << 20));
    const stream = request({ end: false });
    server.send(frame.windowUpdate(1, 1 << 20));
    for (let i = 0; i < 50_000; i++) {
      stream.write(new Uint8Array(0), new Uint8Array(5), false);
      server.send(frame.ping());
      if (i % 1_000 === 999) await flushed();
    }
    assert.deepEqual(told, ["ready"]);
  });

  it("flood the connection with DATA of padding alone beside other frames", () => {
    const connected = pair({ clock: new ManualClock() });
    connected.request();
    connected.server.send(frame.headers(1, OK));
    const padding = encodeFrame(FrameType.data, Flag.padded, 1, new Uint8Array([0]));
    assert.ok(flood(connected, concat(padding, frame.settings())) <= 5_001);
  });

  it("but what was on its way when streams were cancelled is not a flood, as far as their windows go", async () => {
    const limits = { streamWindowBytes: 70_000 };
    const connected = pair({ clock: new ManualClock(), limits });
    const { server, request, told } = connected;
    server.send(frame.settingsAck());
    for (let id = 1; id < 16_000; id += 2) request().cancel();
    for (let id = 1; id < 16_000; id += 2) {
      server.send(frame.headers(id, OK), frame.data(id, new Uint8Array(9)), frame.headers(id, [], END_HEADERS_STREAM));
    }
    const large = request();
    server.send(frame.headers(large.id, OK));
    large.cancel();
    for (let i = 0; i < 70_000; i++) server.send(frame.data(large.id, new Uint8Array(1)));
    assert.deepEqual(told, ["ready"]);
    const sent = flood(connected, frame.data(large.id, new Uint8Array(100)));
    assert.ok(sent < 11_000, `${sent} frames`);
    assert.equal(await goaway(connected), ErrorCode.enhanceYourCalm);
  });

  it("make a client remember more than 10,000 cancelled streams: the oldest is forgotten first", () => {
    const cancelled = new CancelledStreams();
    for (let id = 1; id <= 20_003; id += 2) cancelled.add(id, 0);
    const expected = [];
    for (let id = 1; id <= 20_003; id += 2) if (cancelled.expects(id, 0, true)) expected.push(id);
    assert.deepEqual([expected.length, expected[0], expected.at(-1)], [10_000, 5, 20_003]);
  });

  it("let answers pile up that it doesn't read", async () => {
    const connected = pair();
    const { server, connection } = connected;
    await flushed();
    server.full = true;
    server.send(frame.ping());
    await flushed();
    let most = 0;
    for (let i = 0; i < 9_000 && connection.state !== "lost"; i++) {
      server.send(frame.ping());
      await flushed();
      most = Math.max(most, connection.writer.waitingBytes);
    }
    assert.ok(most < 70_000, `${most} bytes waited`);
    assert.match(connected.told.at(-1)!, /doesn't read the answers/);
    assert.equal(connection.writer.waitingBytes, 0);
  });

  it("but what this side resets while the server doesn't read is not an answer", async () => {
    const { server, request, told } = pair();
    const streams = Array.from({ length: 6_000 }, () => request());
    await flushed();
    server.full = true;
    server.send(frame.ping());
    await flushed();
    for (const stream of streams) stream.cancel();
    server.send(frame.ping());
    assert.deepEqual(told, ["ready"]);
  });

  it("but a header block as large as it was allowed comes through, in frames of the usual size", () => {
    const { server, request } = pair({ limits: { maxHeaderListBytes: 2 << 20 } });
    const stream = request();
    const block = headerBlock([...OK, ["x-long", "v".repeat(1_500_000)]]);
    server.send(frame.block(1, block.subarray(0, 16_384), 0));
    for (let at = 16_384; at < block.length; at += 16_384) {
      const last = at + 16_384 >= block.length;
      server.send(frame.continuation(1, block.subarray(at, at + 16_384), last ? Flag.endHeaders : 0));
    }
    assert.equal(stream.head?.get("x-long")?.length, 1_500_000);
  });

  it("send informational responses endlessly", () => {
    const { server, request, told } = pair();
    const [stream, other] = [request(), request()];
    for (let i = 0; i < 16; i++) {
      for (const id of [1, 3]) server.send(frame.headers(id, [[":status", "103"]]));
    }
    assert.equal(stream.closed, false, "16 are allowed, of each stream");
    server.send(frame.headers(1, [[":status", "103"]]));
    assert.deepEqual([stream.error?.code, stream.error?.by], [ErrorCode.enhanceYourCalm, "stream"]);
    server.send(frame.headers(3, OK, END_HEADERS_STREAM));
    assert.deepEqual([other.done, told], [true, ["ready"]]);
  });

  it("send trailers without END_STREAM, or twice", () => {
    const { server, request, told } = pair();
    const [a, b] = [request(), request()];
    server.send(frame.headers(1, OK), frame.headers(1, [["x-t", "1"]]));
    assert.deepEqual([a.error?.code, a.error?.by], [ErrorCode.protocolError, "stream"]);
    server.send(frame.headers(3, OK), frame.headers(3, [["x-t", "1"]], END_HEADERS_STREAM));
    server.send(frame.headers(3, [["x-t", "2"]], END_HEADERS_STREAM));
    assert.deepEqual([b.trailers?.fields, b.error, told], [["x-t", "1"], undefined, ["ready"]]);
  });
});

describe("what breaks the connection", () => {
  const cases: [name: string, code: number, bytes: Uint8Array][] = [
    ["a frame above the size limit", ErrorCode.frameSizeError, encodeFrame(0, 0, 1, new Uint8Array(0), 16_385)],
    ["a header block that can't be decoded", ErrorCode.compressionError, frame.block(1, new Uint8Array([0xff, 0xff]))],
    ["a table size above what was announced", ErrorCode.compressionError, frame.block(1, integer(0x20, 5, 4_097))],
    ["DATA on stream 0", ErrorCode.protocolError, frame.data(0, new Uint8Array(1))],
    ["HEADERS on stream 0", ErrorCode.protocolError, frame.headers(0, OK)],
    ["RST_STREAM on stream 0", ErrorCode.protocolError, frame.reset(0, 1)],
    ["PRIORITY on stream 0", ErrorCode.protocolError, encodeFrame(2, 0, 0, new Uint8Array(5))],
    ["SETTINGS on a stream", ErrorCode.protocolError, encodeFrame(4, 0, 1, new Uint8Array(0))],
    ["PING on a stream", ErrorCode.protocolError, encodeFrame(6, 0, 1, new Uint8Array(8))],
    ["GOAWAY on a stream", ErrorCode.protocolError, encodeFrame(7, 0, 1, new Uint8Array(8))],
    ["PUSH_PROMISE", ErrorCode.protocolError, encodeFrame(5, 4, 1, new Uint8Array(8))],
    ["CONTINUATION without HEADERS", ErrorCode.protocolError, frame.continuation(1, new Uint8Array(0), 4)],
    [
      "a frame inside a header block",
      ErrorCode.protocolError,
      concat(frame.block(1, new Uint8Array(0), 0), frame.ping()),
    ],
    [
      "CONTINUATION of another stream",
      ErrorCode.protocolError,
      concat(frame.block(1, new Uint8Array(0), 0), frame.continuation(3, new Uint8Array(0), 4)),
    ],
    ["a stream of the server's", ErrorCode.protocolError, frame.headers(2, OK)],
    ["a stream that was never opened", ErrorCode.protocolError, frame.headers(9, OK)],
    ["WINDOW_UPDATE of such a stream", ErrorCode.protocolError, frame.windowUpdate(9, 1)],
    ["RST_STREAM of such a stream", ErrorCode.protocolError, frame.reset(9, 1)],
    ["DATA padded beyond its length", ErrorCode.protocolError, encodeFrame(0, 8, 1, new Uint8Array([3, 0]))],
    ["padded DATA without a pad length", ErrorCode.frameSizeError, encodeFrame(0, 8, 1, new Uint8Array(0))],
    ["HEADERS padded beyond its length", ErrorCode.protocolError, encodeFrame(1, 12, 1, new Uint8Array([3, 0]))],
    ["PING of 7 bytes", ErrorCode.frameSizeError, encodeFrame(6, 0, 0, new Uint8Array(7))],
    ["SETTINGS of 5 bytes", ErrorCode.frameSizeError, encodeFrame(4, 0, 0, new Uint8Array(5))],
    ["an acknowledgement with content", ErrorCode.frameSizeError, encodeFrame(4, 1, 0, new Uint8Array(6))],
    ["GOAWAY of 7 bytes", ErrorCode.frameSizeError, encodeFrame(7, 0, 0, new Uint8Array(7))],
    ["RST_STREAM of 3 bytes", ErrorCode.frameSizeError, encodeFrame(3, 0, 1, new Uint8Array(3))],
    ["WINDOW_UPDATE of 5 bytes", ErrorCode.frameSizeError, encodeFrame(8, 0, 1, new Uint8Array(5))],
    ["PRIORITY of 4 bytes", ErrorCode.frameSizeError, encodeFrame(2, 0, 1, new Uint8Array(4))],
    ["ENABLE_PUSH 1", ErrorCode.protocolError, frame.settings([Setting.enablePush, 1])],
    ["a window above 2³¹−1", ErrorCode.flowControlError, frame.settings([Setting.initialWindowSize, 0x8000_0000])],
    ["WINDOW_UPDATE of the connection by 0", ErrorCode.protocolError, frame.windowUpdate(0, 0)],
    ["a window of the connection above 2³¹−1", ErrorCode.flowControlError, frame.windowUpdate(0, 0x7fff_0001)],
    [
      "SETTINGS that make a stream's window larger than 2³¹−1",
      ErrorCode.flowControlError,
      concat(frame.windowUpdate(1, 1), frame.settings([Setting.initialWindowSize, 0x7fff_ffff])),
    ],
    ["MAX_FRAME_SIZE below 2¹⁴", ErrorCode.protocolError, frame.settings([Setting.maxFrameSize, 16_383])],
    ["MAX_FRAME_SIZE above 2²⁴−1", ErrorCode.protocolError, frame.settings([Setting.maxFrameSize, 1 << 24])],
  ];
  for (const [name, code, bytes] of cases) {
    it(name, async () => {
      const connected = pair();
      const stream = connected.request();
      connected.server.send(bytes);
      assert.equal(await goaway(connected), code);
      assert.deepEqual([stream.error?.code, stream.error?.processed], [code, "maybe"]);
      assert.match(connected.told.at(-1)!, /^lost: /);
    });
  }

  it("a first frame other than SETTINGS", async () => {
    const connected = pair({}, false);
    connected.server.send(frame.ping());
    assert.equal(await goaway(connected), ErrorCode.protocolError);
  });
});

describe("white space around a value", () => {
  it("is left out, as grpc-go's servers send a grpc-message as it is, in time that grows with its length", () => {
    const { server, request } = pair({ limits: { maxHeaderListBytes: 1 << 20 } });
    const stream = request();
    const spaces = " ".repeat(15_000);
    const fields = [["x-a", " \t b c\t "], ["x-b", "  "], ["x-c", `a${spaces}b`]] as const;
    server.send(frame.headers(1, [...OK, ...fields], END_HEADERS_STREAM));
    assert.deepEqual(stream.head?.fields, ["x-a", "b c", "x-b", "", "x-c", `a${spaces}b`]);
    assert.equal(stream.done, true);
  });

  it("breaks a pseudo-header field", () => {
    const { server, request } = pair();
    const stream = request();
    server.send(frame.headers(1, [[":status", "200 "]]));
    assert.match(stream.error!.message, /malformed/);
  });
});

describe("what breaks a stream", () => {
  const cases: [name: string, ...frames: Uint8Array[]][] = [
    ["no :status", frame.headers(1, [["x-a", "b"]])],
    ["a :status that is no number", frame.headers(1, [[":status", "2OO"]])],
    ["a :status of four digits", frame.headers(1, [[":status", "1000"]])],
    ["two :status", frame.headers(1, [...OK, ...OK])],
    ["a :status after other fields", frame.headers(1, [["x-a", "b"], ...OK])],
    ["another pseudo-header field", frame.headers(1, [...OK, [":path", "/"]])],
    ["101", frame.headers(1, [[":status", "101"]])],
    ["an informational response as the end", frame.headers(1, [[":status", "100"]], END_HEADERS_STREAM)],
    ["a field name in upper case", frame.headers(1, [...OK, ["X-A", "b"]])],
    ["a field name with a space", frame.headers(1, [...OK, ["x a", "b"]])],
    ["an empty field name", frame.headers(1, [...OK, ["", "b"]])],
    ["a value with a line break", frame.headers(1, [...OK, ["x-a", "b\r\nx: y"]])],
    ["a value with NUL", frame.headers(1, [...OK, ["x-a", "b\0"]])],
    ["connection", frame.headers(1, [...OK, ["connection", "close"]])],
    ["transfer-encoding", frame.headers(1, [...OK, ["transfer-encoding", "chunked"]])],
    ["DATA before HEADERS", frame.data(1, new Uint8Array(1))],
    ["a :status in trailers", frame.headers(1, OK), frame.headers(1, OK, END_HEADERS_STREAM)],
    ["a content-length that is no number", frame.headers(1, [...OK, ["content-length", "1x"]])],
    ["more than content-length", frame.headers(1, [...OK, ["content-length", "1"]]), frame.data(1, new Uint8Array(2))],
    ["less than content-length", frame.headers(1, [...OK, ["content-length", "1"]], END_HEADERS_STREAM)],
  ];
  for (const [name, ...frames] of cases) {
    it(name, async () => {
      const { server, request, told } = pair();
      const [stream, other] = [request(), request()];
      await flushed();
      server.frames();
      server.send(...frames);
      await flushed();
      assert.deepEqual([stream.error?.code, stream.error?.by, stream.done], [ErrorCode.protocolError, "stream", false]);
      assert.deepEqual(server.frames().map(({ type, streamId, payload }) => [type, streamId, [...payload]]), [
        [FrameType.rstStream, 1, [0, 0, 0, ErrorCode.protocolError]],
      ]);
      server.send(frame.headers(3, OK, END_HEADERS_STREAM));
      assert.deepEqual([other.done, told], [true, ["ready"]]);
    });
  }
});
