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

/** An output that takes what it was given only when it is told to, like a socket whose peer doesn't read. */
class SlowOutput {
  readonly given: Uint8Array[] = [];
  readonly #copies: Uint8Array[] = [];
  taken: number | undefined;

  constructor(taken: number | undefined) {
    this.taken = taken;
  }

  write(bytes: Uint8Array): boolean {
    this.given.push(bytes);
    this.#copies.push(bytes.slice());
    return true;
  }

  /** Takes so many writes, which must be what they were. */
  take(writes = this.given.length): void {
    for (let i = this.taken ?? 0; i < writes; i++) {
      const bytes = this.given[i]!, copy = this.#copies[i]!;
      assert.equal(bytes.findIndex((byte, at) => byte !== copy[at]), -1, `write ${i} was overwritten`);
    }
    if (this.taken !== undefined) this.taken = Math.max(this.taken, writes);
  }
}

describe("the memory of a FrameWriter", () => {
  function slowWriter(taken: number | undefined = 0) {
    const output = new SlowOutput(taken);
    const writer = new FrameWriter(output, () => {});
    let frames = 0;
    const turn = (count: number) => {
      for (let i = 0; i < count; i++) writer.data(1, HEADER.slice(0, 5), HEADER.slice().fill(++frames), false);
      writer.flush();
    };
    return { output, writer, turn };
  }

  it("is used again in turn after turn, once the system has taken what was written", () => {
    const { output, turn } = slowWriter();
    const turns = () => {
      for (let i = 0; i < 80; i++) {
        turn(i % 40);
        output.take();
      }
    };
    turns();
    const known = new Set(output.given.map(({ buffer }) => buffer));
    turns();
    assert.ok(output.given.every(({ buffer }) => known.has(buffer)));
    assert.ok(known.size < 20, `${known.size}`);
  });

  it("is not used again before that", () => {
    const { output, turn } = slowWriter();
    for (let i = 0; i < 80; i++) {
      turn(i % 40);
      // The system is some writes behind, and catches up now and then.
      if (i % 3 === 0) output.take(Math.max(0, output.given.length - 1 - i % 7));
    }
    output.take();
  });

  it("is never used again where what was written may be kept", () => {
    const { output, turn } = slowWriter(undefined);
    for (let i = 0; i < 80; i++) turn(i % 40);
    output.take();
  });

  it("is not another connection's before the system has taken what the first one wrote", () => {
    const slow = slowWriter(), quick = slowWriter();
    for (let i = 0; i < 40; i++) {
      slow.turn(40);
      quick.turn(40);
      quick.output.take();
      slow.writer.release();
      quick.writer.release();
    }
    slow.output.take();
  });
});
