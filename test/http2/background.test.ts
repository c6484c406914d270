import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Http2Connection } from "../../src/http2/client/connection.ts";
import { NoRoomError } from "../../src/http2/client/stream-error.ts";
import { ErrorCode, FrameType, Setting } from "../support/raw-http2/frame.ts";
import { END_HEADERS_STREAM, flushed, frame, OK, pair, TEMPLATE, TestStream } from "./memory.ts";

class Background extends TestStream {
  override get background(): boolean {
    return true;
  }
}

/** A background request that is complete. */
function background(connection: Http2Connection): Background {
  const stream = new Background();
  stream.open(connection, TEMPLATE, undefined);
  stream.end();
  return stream;
}

/** A connection with room for so many streams, whose owner has requests wait. */
function owned(streams: number) {
  const { server, request, connection } = pair({}, false, { room() {} });
  server.send(frame.settings([Setting.maxConcurrentStreams, streams]));
  return { server, request, connection };
}

describe("a background request", () => {
  it("keeps no process alive, and leaves it to others how long they do", () => {
    const { server, connection, request } = pair();
    const first = background(connection);
    assert.equal(server.held, false);
    const call = request();
    assert.equal(server.held, true);
    server.send(frame.headers(first.id, OK, END_HEADERS_STREAM));
    assert.deepEqual([first.done, server.held], [true, true]);
    const second = background(connection);
    server.send(frame.headers(call.id, OK, END_HEADERS_STREAM));
    assert.deepEqual([call.done, server.held, connection.inUse], [true, false, true]);
    second.cancel();
    assert.equal(request().done, false);
    assert.equal(server.held, true);
  });

  it("that waits for the byte stream does not keep it alive either", async () => {
    const { server, connection, request } = pair();
    server.full = true;
    const call = request();
    await flushed();
    const waits = background(connection);
    assert.equal(waits.id, 0);
    server.send(frame.headers(call.id, OK, END_HEADERS_STREAM));
    assert.equal(server.held, false);
    waits.cancel();
    assert.equal(server.held, false);
    const again = background(connection);
    server.full = false;
    server.events.writable();
    assert.notEqual(again.id, 0);
    assert.equal(server.held, false);
  });

  it("ends when the server sends GOAWAY, while calls go on", async () => {
    const { server, connection, request, told } = pair();
    const [streams, call] = [[background(connection), background(connection)], request()];
    await flushed();
    server.frames();
    server.send(frame.goaway(call.id));
    for (const { error } of streams) {
      assert.deepEqual([error?.processed, error?.by, error?.code], ["maybe", "connection", ErrorCode.cancel]);
      assert.match(error!.message, /the connection drains/);
    }
    await flushed();
    const resets = server.frames().filter(({ type }) => type === FrameType.rstStream);
    assert.deepEqual(resets.map(({ streamId }) => streamId), streams.map(({ id }) => id));
    server.send(frame.headers(call.id, OK, END_HEADERS_STREAM));
    assert.deepEqual([call.done, told.join()], [true, "ready,draining,lost: undefined"]);
  });

  it("keeps no draining connection open", () => {
    const { server, connection, told } = pair();
    const stream = background(connection);
    connection.close(Infinity, Infinity);
    assert.match(stream.error!.message, /drains/);
    assert.deepEqual([server.ended, connection.state, told.at(-1)], [true, "lost", "lost: undefined"]);
    assert.match(background(connection).error!.message, /accepts no requests/);
  });

  it("that was not written when GOAWAY arrives is never sent", async () => {
    const { server, connection, request } = pair();
    const call = request();
    await flushed();
    server.frames();
    const stream = background(connection);
    server.send(frame.goaway(call.id));
    await flushed();
    assert.ok(stream.error !== undefined);
    assert.deepEqual(server.frames().filter(({ streamId }) => streamId === stream.id), []);
  });

  it("ends when its endpoint leaves the set, and the connection can be used if that comes back", async () => {
    const { server, connection, request } = pair();
    const [stream, call] = [background(connection), request()];
    connection.giveBack();
    assert.match(stream.error!.message, /removed from the set/);
    assert.deepEqual([connection.state, call.error, server.held], ["ready", undefined, true]);
    assert.equal(background(connection).error, undefined);
  });

  it("is declined where there is no room, and counts no more then, nor when the connection is lost", async () => {
    const { server, connection, request } = owned(2);
    const streams = [background(connection), background(connection), background(connection)];
    assert.ok(streams[2]!.error instanceof NoRoomError);
    streams[0]!.cancel();
    const call = request();
    assert.equal(server.held, true);
    server.send(frame.headers(call.id, OK, END_HEADERS_STREAM));
    assert.equal(server.held, false, "one is left, and counted");
    server.full = true;
    request().cancel();
    await flushed();
    const waits = background(connection);
    server.send(frame.settings([Setting.maxConcurrentStreams, 1]));
    assert.ok(waits.error instanceof NoRoomError);
    const last = request();
    assert.ok(last.error instanceof NoRoomError);
    connection.fail(new Error("the end"));
    assert.match(streams[1]!.error!.message, /the end/);
    assert.equal(server.held, false);
  });
});
