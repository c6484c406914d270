import assert from "node:assert/strict";
import { it } from "node:test";
import { Http2Connection } from "../../src/http2/client/connection.ts";
import { concat } from "../support/raw-http2/frame.ts";
import { flushed, frame, MemoryServer, OK, TEMPLATE, TestStream } from "./memory.ts";

/** One that keeps nothing of what it gets. */
class PassingStream extends TestStream {
  override onData(chunk: Uint8Array, start: number, end: number): boolean {
    super.onData(chunk.slice(start, end), 0, end - start);
    return true;
  }
}

it("says of a chunk whether a stream may keep some of it", async () => {
  const server = new MemoryServer();
  const connection = new Http2Connection(server, {}, { scheduleFlush: server.scheduleFlush });
  const [passing, other, keeping] = [new PassingStream(), new PassingStream(), new TestStream()];
  for (const stream of [passing, other, keeping]) stream.open(connection, TEMPLATE, undefined);
  await flushed();
  server.send(frame.settings());
  await flushed();
  const ids = [passing.id, other.id, keeping.id] as const;
  assert.deepEqual(ids, [1, 3, 5]);
  const get = (...frames: Uint8Array[]) => server.events.data(concat(...frames));
  assert.equal(get(...ids.map((id) => frame.headers(id, OK))), true);
  const data = frame.data(1, new Uint8Array(100).fill(1));
  assert.equal(get(data, frame.data(3, new Uint8Array(100))), true);
  assert.equal(get(data, frame.data(5, new Uint8Array(100)), data), false, "the one in the middle does");
  assert.equal(get(data, frame.ping()), true);
  // What is split over chunks is copied, or passed on in pieces.
  assert.equal(get(data.subarray(0, 5)), true);
  assert.equal(get(data.subarray(5, 50)), true);
  assert.equal(get(data.subarray(50)), true);
  assert.equal(passing.bytes, 500);
  connection.close(0, 0);
});
