import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NoRoomError } from "../../src/http2/client/stream-error.ts";
import { Setting } from "../support/raw-http2/frame.ts";
import { END_HEADERS_STREAM, flushed, frame, OK, pair } from "./memory.ts";

/** A connection whose owner has requests wait for room; `told` counts how often there was room again. */
function owned(streams: number) {
  const told = { room: 0 };
  const { server, request, connection } = pair({}, false, { room: () => void told.room++ });
  server.send(frame.settings([Setting.maxConcurrentStreams, streams]));
  return { server, request, connection, requests: connection.requests, told };
}

describe("a connection whose owner has requests wait for room", () => {
  it("says how many more it takes, declines what is beyond, and says when there is room again", () => {
    const { server, request, requests, told } = owned(2);
    assert.equal(requests.room, 2);
    const [a, b, c] = [request(), request(), request()];
    assert.deepEqual([a.id, b.id, c.id, requests.room, requests.waiting], [1, 3, 0, 0, 0]);
    assert.ok(c.error instanceof NoRoomError);
    assert.equal(c.error.processed, "not-sent");
    assert.match(c.error.message, /allows 2 concurrent streams/);
    server.send(frame.headers(1, OK, END_HEADERS_STREAM));
    assert.deepEqual([a.done, requests.room, told.room], [true, 1, 1]);
    b.cancel();
    // It had room before.
    assert.deepEqual([requests.room, told.room], [2, 1]);
  });

  it("has no room before those end that are beyond a lowered limit", () => {
    const { server, request, requests, told } = owned(3);
    const streams = [request(), request(), request()];
    server.send(frame.settings([Setting.maxConcurrentStreams, 1]));
    assert.equal(requests.room, -2);
    streams[0]!.cancel();
    streams[1]!.cancel();
    assert.deepEqual([requests.room, told.room], [0, 0]);
    streams[2]!.cancel();
    assert.deepEqual([requests.room, told.room], [1, 1]);
  });

  it("has room when the limit rises, and says so once", () => {
    const { server, request, requests, told } = owned(0);
    assert.equal(requests.room, 0);
    server.send(frame.settings([Setting.maxConcurrentStreams, 5]));
    assert.deepEqual([requests.room, told.room], [5, 1]);
    request();
    server.send(frame.settings([Setting.maxConcurrentStreams, 9]));
    assert.deepEqual([requests.room, told.room], [8, 1]);
  });

  it("has room for as many requests as it has ids for, if the server allows more", () => {
    const most = 2 ** 30 - 1;
    const { connection } = pair({}, false, { room() {} });
    assert.equal(connection.requests.room, most, "before the server has said anything");
    for (const limit of [most + 1, 0xffff_ffff]) {
      const { request, requests, told } = owned(limit);
      request();
      assert.deepEqual([requests.room, told.room], [most - 1, 0]);
    }
  });

  it("keeps a place that is reserved, and gives it back once", () => {
    const { request, requests, told } = owned(2);
    const release = requests.reserve();
    request();
    assert.equal(requests.room, 0);
    assert.ok(request().error instanceof NoRoomError);
    release();
    release();
    assert.deepEqual([requests.room, told.room], [1, 1]);
  });

  it("lets requests wait for the byte stream, gives them back when asked, and goes on with the others", async () => {
    const { server, request, connection, requests } = owned(3);
    server.full = true;
    const sent = request();
    await flushed();
    const waits = [request(), request()];
    assert.deepEqual([waits[0]!.id, requests.waiting, requests.room], [0, 2, 0]);
    connection.giveBack();
    for (const { error } of waits) assert.deepEqual([error?.processed, error?.by], ["not-sent", "connection"]);
    assert.deepEqual([requests.waiting, requests.room, connection.state], [0, 2, "ready"]);
    server.full = false;
    server.events.writable();
    server.send(frame.headers(1, OK, END_HEADERS_STREAM));
    assert.equal(sent.done, true);
    assert.equal(server.held, false);
    assert.equal(request().id, 3);
  });

  it("declines those that wait for the byte stream when the limit falls below them", async () => {
    const { server, request, requests } = owned(3);
    server.full = true;
    request();
    await flushed();
    const [waits] = [request(), request()];
    server.send(frame.settings([Setting.maxConcurrentStreams, 1]));
    assert.ok(waits!.error instanceof NoRoomError);
    assert.deepEqual([requests.waiting, requests.room], [0, 0]);
  });
});
