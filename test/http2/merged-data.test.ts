import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { FrameWriter } from "../../src/http2/wire/frame-writer.ts";
import { concat, decodeFrame, Flag, FrameType, type RawFrame, Setting } from "../support/raw-http2/frame.ts";
import { flushed, frame, pair } from "./memory.ts";

const NOTHING = new Uint8Array(0);
/** The largest frame that every peer accepts. */
const LARGEST_FRAME = 16_384;

/** A writer, and the frames of each of its writes. */
function written(): { readonly writer: FrameWriter; readonly frames: () => RawFrame[] } {
  const writes: Uint8Array[] = [];
  const writer = new FrameWriter({ write: (bytes) => writes.push(bytes.slice()) > 0 }, () => {});
  // From here on its memory is as large as that of a connection in use.
  writer.headers(1, new Uint8Array(LARGEST_FRAME), [], LARGEST_FRAME);
  writer.flush();
  writes.length = 0;
  return { writer, frames: () => framesOf(concat(...writes.splice(0))) };
}

function framesOf(bytes: Uint8Array): RawFrame[] {
  const frames: RawFrame[] = [];
  for (let frame; (frame = decodeFrame(bytes)) !== undefined; bytes = bytes.subarray(9 + frame.payload.length)) {
    frames.push(frame);
  }
  return frames;
}

/** Sends content as the sender does. */
function send(writer: FrameWriter, id: number, bytes: Uint8Array, { again = true, end = false } = {}): void {
  const at = writer.content(id, bytes.length, end, again);
  writer.into.set(bytes, at);
}

const summary = (frames: readonly RawFrame[]) =>
  frames.map(({ type, streamId, payload, flags }) => [type, streamId, payload.length, flags]);

/** What a stream may do: send so many bytes, maybe as its last, end, send trailers, or be reset. */
const anyStep = fc.record({
  id: fc.constantFrom(1, 3, 5, 7),
  what: fc.constantFrom("data", "data", "data", "data", "data", "last", "end", "trailers", "reset", "flush", "ping"),
  bytes: fc.oneof({ weight: 9, arbitrary: fc.nat(60) }, fc.nat(1_100), fc.nat(LARGEST_FRAME)),
  again: fc.boolean(),
});

describe("the DATA frames of a turn", () => {
  it("are two at most for the small pieces of each stream, however many take turns", () => {
    for (const ids of [[1], [1, 3, 5]]) {
      const { writer, frames } = written();
      for (let i = 0; i < 100; i++) {
        for (const id of ids) send(writer, id, new Uint8Array(20).fill(i + id), { again: i > 0 });
      }
      for (const id of ids) writer.endStream(id);
      writer.flush();
      const all = frames();
      assert.ok(all.length <= 2 * ids.length, `${all.length}`);
      for (const id of ids) {
        const own = all.filter(({ streamId }) => streamId === id),
          content = concat(...own.map(({ payload }) => payload));
        assert.equal(content.length, 2_000);
        assert.ok(content.every((byte, at) => byte === Math.floor(at / 20) + id));
        assert.deepEqual(own.map(({ flags }) => flags), [0, Flag.endStream]);
      }
    }
  });

  it("begin anew with each flush: a stream's only piece in a turn is a frame that nothing waits for", () => {
    const { writer, frames } = written();
    for (let i = 0; i < 5; i++) {
      send(writer, 1, new Uint8Array(5), { again: false });
      assert.equal(writer.waitingBytes, 9 + 5);
      writer.flush();
      assert.deepEqual(summary(frames()), [[FrameType.data, 1, 5, 0]]);
    }
  });

  it("are few and large where there is much to send", () => {
    const { writer, frames } = written();
    for (let i = 0; i < 3_000; i++) send(writer, 1, new Uint8Array(20), { again: i > 0 });
    writer.flush();
    const sizes = frames().map(({ payload }) => payload.length);
    assert.equal(sizes.reduce((sum, size) => sum + size), 60_000);
    assert.ok(sizes.length <= 2 * (1 + 60_000 / 4_080) && Math.max(...sizes) <= LARGEST_FRAME, sizes.join());
  });

  it("don't make a connection hold much for however many streams", () => {
    const { writer, frames } = written();
    const ids = Array.from({ length: 1_000 }, (_, i) => 2 * i + 1);
    for (let i = 0; i < 3; i++) for (const id of ids) send(writer, id, new Uint8Array(10), { again: i > 0 });
    assert.ok(writer.waitingBytes > 3 * (ids.length - 64) * 19);
    writer.flush();
    assert.equal(frames().reduce((sum, { payload }) => sum + payload.length, 0), 30_000);
  });

  it("hold what their streams sent, in its order, before whatever else those send", () => {
    fc.assert(fc.property(fc.array(anyStep, { maxLength: 400 }), (steps) => {
      const { writer, frames } = written();
      const sent = new Map<number, Uint8Array[]>(), over = new Map<number, string>();
      let next = 0;
      for (const { id, what, bytes, again } of steps) {
        if (what === "flush") writer.flush();
        if (what === "ping") writer.ping(new Uint8Array(8));
        if (over.has(id) || what === "flush" || what === "ping") continue;
        if (what === "data" || what === "last") {
          const piece = new Uint8Array(bytes).map(() => next++);
          sent.set(id, [...sent.get(id) ?? [], piece]);
          send(writer, id, piece, { again, end: what === "last" });
          if (what === "data") continue;
        }
        if (what === "end") writer.endStream(id);
        if (what === "trailers") writer.headers(id, new Uint8Array(3), [], LARGEST_FRAME, Flag.endStream);
        if (what === "reset") writer.reset(id, 8);
        over.set(id, what);
      }
      writer.flush();
      const all = frames();
      for (const id of [1, 3, 5, 7]) {
        const own = all.filter(({ streamId }) => streamId === id);
        const data = own.filter(({ type }) => type === FrameType.data);
        assert.deepEqual(concat(...data.map(({ payload }) => payload)), concat(...sent.get(id) ?? []));
        const how = over.get(id), last = own.at(-1);
        const ends = own.map(({ type, flags }) => type === FrameType.rstStream || (flags & Flag.endStream) !== 0);
        assert.deepEqual(ends, own.map((_, i) => how !== undefined && i === own.length - 1));
        if (how === "trailers") assert.equal(last!.type, FrameType.headers);
        if (how === "reset") assert.equal(last!.type, FrameType.rstStream);
        if (how === "end" || how === "last") assert.equal(last!.type, FrameType.data);
      }
      assert.ok(all.every(({ payload }) => payload.length <= LARGEST_FRAME));
      assert.equal(writer.waitingBytes, 0);
    }));
  });

  it("hold what their own connection sent, even if its writes make another one send in the same process", () => {
    const other = written(), writes: Uint8Array[] = [];
    const writer = new FrameWriter({
      write(bytes) {
        writes.push(bytes.slice());
        for (let i = 0; i < 100; i++) send(other.writer, 2 * i + 1, new Uint8Array(1_000).fill(255));
        return true;
      },
    }, () => {});
    const ids = [1, 3, 5, 7, 9];
    for (let turn = 0; turn < 20; turn++) {
      for (let i = 0; i < 4; i++) for (const id of ids) send(writer, id, new Uint8Array(1_000).fill(id));
      // Makes room in full memory, which writes.
      for (const id of ids) writer.dataFrame(id, LARGEST_FRAME, false);
    }
    writer.flush();
    for (const { streamId, payload } of framesOf(concat(...writes))) {
      if (payload.length < LARGEST_FRAME) assert.ok(payload.every((byte) => byte === streamId));
    }
  });

  it("are taken back with the requests that they belong to", () => {
    const { writer, frames } = written();
    for (const id of [1, 3]) writer.headers(id, new Uint8Array(3), [], LARGEST_FRAME);
    for (let i = 0; i < 10; i++) for (const id of [1, 3]) send(writer, id, new Uint8Array(20), { again: i > 0 });
    const { ids, contentBytes } = writer.takeBack();
    assert.deepEqual([[...ids], contentBytes], [[1, 3], 400]);
    writer.flush();
    assert.deepEqual(frames(), []);
  });

  it("count against the windows as they are sent", async () => {
    const { server, request } = pair({}, false);
    server.send(frame.settings([Setting.initialWindowSize, 50]));
    const streams = [request({ end: false }), request({ end: false })];
    await flushed();
    server.frames();
    for (let i = 0; i < 10; i++) {
      for (const stream of streams) stream.write(new Uint8Array(8).fill(i), NOTHING, i === 9);
    }
    const contentOf = (frames: readonly RawFrame[], id: number) =>
      frames.filter(({ type, streamId }) => type === FrameType.data && streamId === id);
    await flushed();
    const first = server.frames();
    server.send(frame.windowUpdate(1, 100), frame.windowUpdate(3, 100));
    await flushed();
    const second = server.frames();
    for (const id of [1, 3]) {
      const before = contentOf(first, id), after = contentOf(second, id);
      assert.equal(before.reduce((sum, { payload }) => sum + payload.length, 0), 50);
      assert.ok(before.length <= 3, `${before.length} frames`);
      const all = [...before, ...after];
      assert.ok(concat(...all.map(({ payload }) => payload)).every((byte, at) => byte === Math.floor(at / 8)));
      assert.deepEqual(all.map(({ flags }) => flags), all.map((_, i) => i === all.length - 1 ? Flag.endStream : 0));
    }
  });

  it("leave before this side agrees to smaller windows, which they may exceed", async () => {
    const { server, request } = pair();
    const stream = request({ end: false });
    await flushed();
    server.frames();
    for (let i = 0; i < 3; i++) stream.write(new Uint8Array(8), NOTHING, false);
    server.send(frame.settings([Setting.initialWindowSize, 10]));
    await flushed();
    const sent = server.frames().map(({ type, payload }) => type === FrameType.settings ? "ack" : payload.length);
    assert.deepEqual(sent, [8, 16, "ack"]);
  });

  it("of requests that were not sent are not sent, either, when their connection ends late in a turn", () => {
    const writes: Uint8Array[] = [];
    let late = false;
    const writer = new FrameWriter({ write: (bytes) => writes.push(bytes) > 0 }, (flush) => {
      if (late) flush();
    });
    writer.headers(1, new Uint8Array(3), [], LARGEST_FRAME);
    for (let i = 0; i < 3; i++) send(writer, 1, new Uint8Array(20), { again: i > 0 });
    late = true;
    assert.deepEqual([...writer.unsent().ids], [1]);
    assert.deepEqual(writes, []);
  });
});
