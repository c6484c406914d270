import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CancelledStreams } from "../../src/http2/cancelled-streams.ts";

/** What a stream without a window may still send: its headers and trailers. */
const FRAMES = 64 * 1024;

describe("CancelledStreams", () => {
  it("expects what the window of a stream allowed when it was reset, and no more", () => {
    const streams = new CancelledStreams();
    streams.add(1, 1_000);
    assert.equal(streams.expects(1, FRAMES, false), true);
    assert.equal(streams.expects(1, 1_001, false), false);
    assert.equal(streams.expects(1, 1, false), false, "it is forgotten");
    streams.add(3, 1_000);
    assert.equal(streams.expects(3, FRAMES + 1_000, false), true);
    assert.equal(streams.expects(3, 1, false), false);
  });

  it("expects nothing of a stream that was never reset, or whose last frame came", () => {
    const streams = new CancelledStreams();
    assert.equal(streams.expects(1, 1, false), false);
    streams.add(1, 1_000);
    assert.equal(streams.expects(1, 1, true), true);
    assert.equal(streams.expects(1, 1, false), false);
  });

  it("remembers 10,000 streams, and forgets the oldest first", () => {
    const streams = new CancelledStreams();
    for (let id = 1; id <= 20_001; id += 2) streams.add(id, 0);
    assert.equal(streams.expects(1, 1, false), false);
    assert.equal(streams.expects(3, 1, false), true);
    assert.equal(streams.expects(20_001, 1, false), true);
  });
});
