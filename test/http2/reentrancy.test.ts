// What a request's owner does when it hears of the end may end other requests of the same connection.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { processLoans } from "../../src/http2/lender.ts";
import { FrameType, Setting } from "../support/raw-http2/frame.ts";
import { flushed, frame, OK, pair, type TestStream } from "./memory.ts";

const MIB = 1 << 20;

/** Cancels the others as soon as one of them has failed; returns which ones heard of a failure. */
function endTogether(streams: readonly TestStream[]): number[] {
  const told: number[] = [];
  streams.forEach((stream, i) => {
    stream.onFailed = () => {
      told.push(i);
      for (const other of streams) other.cancel();
    };
  });
  return told;
}

describe("a request that ends others when it fails", () => {
  it("with the connection leaves their loans repaid once", async () => {
    const before = processLoans.bytes;
    const { connection, server, request } = pair({}, false);
    server.send(frame.settings(), frame.settingsAck());
    const streams = [0, 1, 2].map(() => request({ reads: false }));
    for (const stream of streams) {
      server.send(frame.headers(stream.id, OK));
      stream.expects(MIB / 2);
    }
    assert.ok(connection.lender.lentBytes > 0);
    const told = endTogether(streams);
    server.events.closed();
    assert.deepEqual([connection.lender.lentBytes, processLoans.bytes - before], [0, 0]);
    assert.deepEqual(told, [0]);
  });

  it("by GOAWAY resets none that was never sent", async () => {
    const { server, request } = pair();
    const long = request({ end: false });
    await flushed();
    server.frames();
    const told = endTogether([request(), request(), request()]);
    server.send(frame.goaway(0x7fff_ffff));
    await flushed();
    assert.deepEqual(server.frames().filter(({ type }) => type === FrameType.rstStream), []);
    assert.deepEqual([told, long.error], [[0], undefined]);
  });

  it("while they wait lets none hear of it after it was cancelled", async () => {
    const { connection, server, request } = pair({}, false);
    server.send(frame.settings([Setting.maxConcurrentStreams, 1]), frame.settingsAck());
    request();
    const told = endTogether([request(), request(), request()]);
    connection.giveBack();
    assert.deepEqual(told, [0]);
  });
});
