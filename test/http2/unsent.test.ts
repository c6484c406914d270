import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { encodeFrame, Flag, FrameType, Setting } from "../support/raw-http2/frame.ts";
import { findUnsent, without } from "../../src/http2/wire/unsent.ts";
import { flushed, frame, OK, pair, type TestStream } from "./memory.ts";

const ends = (streams: readonly TestStream[]) => streams.map(({ error }) => [error?.processed, error?.by]);

describe("requests that have not left when the connection takes no more", () => {
  it("are kept from a server that sent GOAWAY, and were not sent; what else waits to leave leaves", async () => {
    const { server, connection, request, told } = pair();
    const open = request({ end: false, body: new Uint8Array(3) });
    await flushed();
    server.frames();
    const [late, long] = [request({ body: new Uint8Array(10) }), request({ body: new Uint8Array(100_000) })];
    open.write(new Uint8Array(0), new Uint8Array(5), true);
    server.send(frame.goaway(0x7fff_ffff), frame.ping());
    assert.deepEqual(ends([open, late, long]), [[undefined, undefined], ["not-sent", "connection"], [
      "not-sent",
      "connection",
    ]]);
    await flushed();
    assert.deepEqual(server.frames().map(({ type, streamId, flags }) => [type, streamId, flags]), [
      [FrameType.data, open.id, Flag.endStream],
      [FrameType.ping, 0, Flag.ack],
    ]);
    server.send(frame.headers(open.id, OK, Flag.endHeaders | Flag.endStream));
    assert.deepEqual([open.done, connection.state, told.at(-1)], [true, "lost", "lost: undefined"]);
  });

  it("leave their share of the connection's window to the others", async () => {
    const { server, connection, request } = pair({}, false);
    server.send(frame.settings([Setting.initialWindowSize, 1 << 20]));
    const open = request({ end: false });
    await flushed();
    const late = request({ body: new Uint8Array(60_000) });
    open.write(new Uint8Array(0), new Uint8Array(65_535), true);
    server.frames();
    server.send(frame.goaway(0x7fff_ffff));
    await flushed();
    assert.deepEqual([late.error?.processed, connection.sender.window.left], ["not-sent", 0]);
    const sent = server.frames().filter(({ type }) => type === FrameType.data);
    assert.deepEqual([...new Set(sent.map(({ streamId }) => streamId))], [open.id]);
    assert.equal(sent.reduce((sum, { payload }) => sum + payload.length, 0), 65_535);
  });

  it("are kept, too, where the byte stream is full and they wait in several slabs", async () => {
    const { server, request } = pair();
    await flushed();
    server.frames();
    server.full = true;
    const first = request({ body: new Uint8Array(10) });
    await flushed();
    assert.equal(server.frames().length, 2);
    server.full = false;
    server.events.writable();
    const waiting = Array.from({ length: 40 }, () => request({ body: new Uint8Array(1_000) }));
    server.send(frame.goaway(0x7fff_ffff));
    await flushed();
    assert.equal(first.error, undefined);
    assert.deepEqual(new Set(waiting.map(({ error }) => error?.processed)), new Set(["not-sent"]));
    assert.deepEqual(server.frames(), []);
  });

  it("leave before a GOAWAY and are the server's: it says what became of them", async () => {
    const { server, request } = pair();
    const [a, b] = [request(), request()];
    await flushed();
    server.send(frame.goaway(0x7fff_ffff));
    assert.deepEqual([a.error, b.error], [undefined, undefined]);
    server.send(frame.goaway(a.id));
    assert.deepEqual([a.error, b.error?.processed], [undefined, "refused"]);
  });

  it("were not sent on a connection that is lost; those that left may have been processed", async () => {
    const { server, request } = pair();
    const sent = request();
    await flushed();
    const waiting = request({ body: new Uint8Array(10) });
    server.events.closed(new Error("read ECONNRESET"));
    assert.deepEqual(ends([sent, waiting]), [["maybe", "connection"], ["not-sent", "connection"]]);
  });

  it("are found among any frames, and taken out whole", () => {
    const anyFrame = fc.record({
      type: fc.constantFrom(FrameType.data, FrameType.headers, FrameType.continuation, FrameType.rstStream, 0x20),
      id: fc.integer({ min: 0, max: 5 }),
      length: fc.integer({ min: 0, max: 300 }),
    });
    fc.assert(fc.property(fc.array(fc.array(anyFrame)), (pieces) => {
      const encode = (frames: typeof pieces[number]) =>
        Buffer.concat(frames.map(({ type, id, length }) => encodeFrame(type, 0, id, new Uint8Array(length).fill(id))));
      const encoded = pieces.map((frames) => new Uint8Array(encode(frames)));
      const { ids, contentBytes } = findUnsent(encoded);
      const opened = new Set<number>();
      let content = 0;
      for (const { type, id, length } of pieces.flat()) {
        if (type === FrameType.headers) opened.add(id);
        else if (type === FrameType.data && opened.has(id)) content += length;
      }
      assert.deepEqual([ids, contentBytes], [opened, content]);
      pieces.forEach((frames, i) => {
        const kept = encode(frames.filter(({ id }) => !opened.has(id)));
        assert.deepEqual(new Uint8Array(without(encoded[i]!, ids)), new Uint8Array(kept));
      });
    }));
  });
});
