import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { concat, Flag, FrameType, Setting } from "../support/raw-http2/frame.ts";
import { flushed, frame, type Pair, pair } from "./memory.ts";

const bytes = (length: number, first: number) => Uint8Array.from({ length }, (_, i) => first + i * 7);

/** A request whose content has to wait: its stream has no window. */
function waiting() {
  const connected = pair({}, false);
  connected.server.send(frame.settings([Setting.initialWindowSize, 0]));
  return { ...connected, stream: connected.request({ end: false }) };
}

/** Opens the window in two steps; returns the content that came. */
async function content({ server }: Pair, length: number): Promise<Uint8Array> {
  for (const increment of [length - 1_000, 1_000]) {
    server.send(frame.windowUpdate(1, increment));
    await flushed();
  }
  const frames = server.frames().filter(({ type }) => type === FrameType.data);
  assert.equal(frames.at(-1)!.flags & Flag.endStream, Flag.endStream);
  return concat(...frames.map(({ payload }) => payload));
}

describe("content that waits for a window", () => {
  it("is copied if it is a range of what arrived elsewhere, whose memory is free at once", async () => {
    const { stream, ...connected } = waiting();
    const chunk = bytes(30_000, 1), sent = chunk.slice(100, 25_100);
    stream.writeRange(chunk, 100, 15_100, false);
    stream.writeRange(chunk, 15_100, 25_100, true);
    chunk.fill(0);
    assert.deepEqual(await content(connected, sent.length), sent);
  });

  it("stays its owner's if it is a message, also after a copied range", async () => {
    const { stream, ...connected } = waiting();
    const range = bytes(8_000, 1), message = bytes(8_000, 2), more = bytes(8_000, 3);
    stream.writeRange(range, 0, range.length, false);
    stream.write(bytes(5, 4), message, false);
    stream.writeRange(more, 0, more.length, true);
    const sent = concat(range, bytes(5, 4), message, more);
    assert.deepEqual(await content(connected, sent.length), sent);
    // What is freed has no bytes any more.
    assert.deepEqual([range.length, message.length, more.length], [8_000, 8_000, 8_000]);
    assert.deepEqual(message, bytes(8_000, 2));
  });
});
