import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FrameWriter } from "../../src/http2/wire/frame-writer.ts";

const HEADER = new Uint8Array(3_000);

/** A writer over an output that is full after so many more writes. */
function writerOf() {
  const output = { room: 0, write: () => --output.room > 0 };
  return { output, writer: new FrameWriter(output, () => {}) };
}

describe("FrameWriter", () => {
  it("knows which stream's frames left last, also while others wait for a full byte stream", () => {
    const { output, writer } = writerOf();
    writer.headers(1, HEADER, [], 16_384);
    output.room = 1;
    writer.flush();
    assert.deepEqual([writer.blocked, writer.lastSent], [true, 1]);
    // Each begins a slab or two of its own.
    for (const id of [3, 5, 7, 9]) writer.headers(id, HEADER, [], 16_384);
    const seen = new Set<number>();
    for (let i = 0; i < 5 && writer.waitingBytes > 0; i++) {
      const before = writer.waitingBytes;
      output.room = 1;
      writer.drained();
      assert.ok(writer.waitingBytes < before);
      seen.add(writer.lastSent);
      // What waits was not sent.
      const left = Math.floor(writer.waitingBytes / (HEADER.length + 9));
      assert.equal(writer.lastSent, 9 - 2 * left);
    }
    assert.ok(seen.size > 1 && seen.has(9), [...seen].join());
  });

  it("says that no request left last after a PING or a RST_STREAM", () => {
    for (const frame of [(w: FrameWriter) => w.ping(new Uint8Array(8)), (w: FrameWriter) => w.reset(1, 8)]) {
      const { output, writer } = writerOf();
      output.room = 9;
      writer.headers(1, HEADER, [], 16_384);
      frame(writer);
      writer.flush();
      assert.equal(writer.lastSent, 0);
    }
  });
});
