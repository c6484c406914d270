// Requests that are refused before they are complete.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Simple } from "../../../gen/simple_pb.ts";
import { Dispatcher } from "../../../src/grpc/server/dispatcher.ts";
import { Refusal } from "../../../src/grpc/server/refusal.ts";
import { Services } from "../../../src/grpc/server/services.ts";
import { BufferedBytes } from "../../../src/http2/server/buffered-bytes.ts";
import { Deadlines, deadlinesOf } from "../../../src/time/deadline.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { Flag, FrameType } from "../../support/raw-http2/frame.ts";
import { flushed, frame } from "../../http2/memory.ts";
import { served } from "../../http2/server/memory.ts";

const PIECE = new Uint8Array(16_384);
const NOTHING = new Uint8Array(0);

/** A server that takes messages of 1,000 bytes, and a client that has begun a request with a larger one. */
async function begun(type: "application/grpc" | "application/json", before: [string, string][] = []) {
  const clock = new ManualClock(), buffered = new BufferedBytes();
  const services = new Services({ routes: (router) => router.service(Simple, {}), readMaxBytes: 1_000 });
  const { client, connection } = served({ clock, buffered, accept: new Dispatcher(services, clock).accept });
  client.send(frame.headers(1, [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", "/proto.Simple/Route"],
    [":authority", "test"],
    ["content-type", type],
    ...before,
  ]));
  const prefix = Uint8Array.of(0, 0x10, 0, 0, 0);
  client.send(frame.data(1, type === "application/grpc" ? prefix : NOTHING));
  let window = 65_536 - 5;
  const seen: string[] = [];
  /** Reads what was answered: the status, and how the stream ended. */
  const read = async () => {
    for (let i = 0; i < 5; i++) await flushed();
    for (const { type, flags, streamId, payload } of client.frames()) {
      if (streamId !== 1) continue;
      const view = new DataView(payload.buffer, payload.byteOffset);
      if (type === FrameType.windowUpdate) window += view.getUint32(0);
      else if (type === FrameType.headers) seen.push((flags & Flag.endStream) === 0 ? "headers" : "end");
      else if (type === FrameType.data) seen.push((flags & Flag.endStream) === 0 ? "data" : "end");
      else if (type === FrameType.rstStream) seen.push(`reset ${view.getUint32(0)}`);
    }
    return seen.join();
  };
  /** Sends so much more, as the windows allow, until it is answered. */
  const send = async (bytes: number) => {
    for (let sent = 0; sent < bytes; sent += PIECE.length) {
      if (window < PIECE.length && await read() !== "") break;
      assert.ok(window >= PIECE.length, "the window was returned");
      client.send(frame.data(1, PIECE));
      window -= PIECE.length;
    }
    return await read();
  };
  return { buffered, client, clock, connection, read, send };
}

for (const type of ["application/grpc", "application/json"] as const) {
  describe(`a message of ${type} that is too large`, () => {
    const answered = type === "application/grpc" ? /^end$/ : /^headers,data,end$|^headers,end$/;
    const andReset = new RegExp(answered.source.replaceAll("$", ",reset 0$"));

    it("is read to its end, and held nowhere, before it is refused", async () => {
      const { buffered, client, connection, read, send } = await begun(type);
      assert.equal(await send(2_000_000), "");
      assert.ok(buffered.held < 100_000, `${buffered.held} bytes`);
      client.send(frame.data(1, NOTHING, Flag.endStream));
      assert.match(await read(), answered);
      assert.deepEqual([connection.state, connection.streams.size, buffered.held], ["open", 0, 0]);
    });

    it("is not waited for once its client has given it up, even if it is refused after that", async () => {
      for (const pieces of [1, 10]) {
        const { client, clock, connection, read } = await begun(type);
        for (let i = 0; i < pieces; i++) client.send(frame.data(1, PIECE.subarray(0, 2_000)));
        client.send(frame.reset(1, 8));
        await read();
        assert.deepEqual([deadlinesOf(clock).pending, connection.streams.size, connection.inUse], [0, 0, false]);
      }
    });

    it("is refused after five seconds, and reset a second later", async () => {
      const { clock, read, send } = await begun(type);
      await send(100_000);
      await clock.advance(4_990);
      assert.equal(await read(), "");
      await clock.advance(20);
      assert.match(await read(), answered);
      await clock.advance(1_000);
      assert.match(await read(), andReset);
    });

    it("is refused after 64 MiB", async () => {
      const { send } = await begun(type);
      assert.equal(await send(63 * 2 ** 20), "");
      assert.match(await send(2 * 2 ** 20), answered);
    });

    it("and that its client resets is answered by nothing", async () => {
      const { client, clock, connection, read, send } = await begun(type);
      await send(100_000);
      client.send(frame.reset(1, 8));
      await clock.advance(20_000);
      assert.equal(await read(), "");
      assert.deepEqual([connection.state, connection.streams.size], ["open", 0]);
    });
  });
}

describe("a refusal", () => {
  const waiting = () => {
    const clock = new ManualClock(), deadlines = new Deadlines(clock);
    let refused = 0;
    return { clock, deadlines, refusal: new Refusal(deadlines, () => refused++), refused: () => refused };
  };

  it("waits for five seconds, or for 64 MiB", async () => {
    const timed = waiting(), large = waiting();
    await timed.clock.advance(4_999);
    assert.equal(timed.refused(), 0);
    await timed.clock.advance(1);
    assert.equal(timed.refused(), 1);
    for (let n = 0; n < 64; n++) large.refusal.dropped(1_048_576);
    assert.equal(large.refused(), 0);
    large.refusal.dropped(1);
    assert.equal(large.refused(), 1);
  });

  it("leaves no timer behind, however it ends", async () => {
    const complete = waiting(), ended = waiting();
    complete.refusal.complete();
    ended.refusal.end();
    for (const { clock, deadlines } of [complete, ended]) {
      assert.equal(deadlines.pending, 0);
      await clock.advance(10_000);
    }
    assert.deepEqual([complete.refused(), ended.refused()], [1, 0]);
  });
});

describe("a message of application/grpc that is too large", () => {
  it("is refused by its deadline", async () => {
    const { clock, read, send } = await begun("application/grpc", [["grpc-timeout", "100m"]]);
    assert.equal(await send(100_000), "");
    await clock.advance(110);
    assert.equal(await read(), "end");
  });
});
