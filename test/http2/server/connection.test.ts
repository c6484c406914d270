import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Http2Connection } from "../../../src/http2/client/connection.ts";
import { ServerConnection } from "../../../src/http2/server/connection.ts";
import { Sweeper } from "../../../src/http2/server/sweeper.ts";
import { bytePipe } from "../../support/byte-pipe.ts";
import { eventually } from "../../support/eventually.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { encodeFrame, Flag, FrameType, Setting } from "../../support/raw-http2/frame.ts";
import { END_HEADERS_STREAM, flushed, frame, TEMPLATE, TestStream } from "../memory.ts";
import { HEAD, PREFACE, REQUEST, served, TestRequest, TRAILERS } from "./memory.ts";

const NOTHING = new Uint8Array(0);

describe("a server's HTTP/2 connection", () => {
  it("begins with SETTINGS and the connection's window, in one write and without a preface", async () => {
    const { client } = served({}, false);
    await flushed();
    const [settings, window] = client.frames();
    const { payload } = settings!;
    const view = new DataView(payload.buffer, payload.byteOffset);
    const values = [0, 6, 12].map((at) => [view.getUint16(at), view.getUint32(at + 2)]);
    assert.deepEqual(values, [
      [Setting.maxConcurrentStreams, 1_000],
      [Setting.initialWindowSize, 65_536],
      [Setting.maxHeaderListSize, 65_536],
    ]);
    assert.deepEqual([window!.type, client.writes.length], [FrameType.windowUpdate, 1]);
  });

  it("answers a request with headers, content and trailers, in one write with those of the same turn", async () => {
    const { client, requests } = served();
    await flushed();
    client.frames();
    const { length } = client.writes;
    for (const id of [1, 3]) {
      client.send(frame.headers(id, REQUEST), frame.data(id, new Uint8Array(5), 1));
    }
    assert.deepEqual(requests.map(({ told }) => told), [["open", "end"], ["open", "end"]]);
    assert.equal(requests[0]!.head.path, "/test");
    assert.equal(requests[0]!.bytes, 5);
    await flushed();
    assert.deepEqual(client.names(), ["headers:1", "headers:1 END", "headers:3", "headers:3 END"]);
    assert.equal(client.writes.length, length + 1);
  });

  it("reads a preface that comes byte by byte", () => {
    const { client, connection, requests } = served({}, false);
    const bytes = [PREFACE, frame.settings(), frame.headers(1, REQUEST, END_HEADERS_STREAM)];
    for (const part of bytes) for (const byte of part) client.send(Uint8Array.of(byte));
    assert.equal(connection.state, "open");
    assert.equal(requests.length, 1);
  });

  it("gives equal header blocks one object, with what its protocol remembered", async () => {
    const [ours, theirs] = bytePipe();
    const memos: unknown[] = [];
    const server = new ServerConnection(theirs, {}, {
      accept(head) {
        memos.push(head.memo);
        head.memo ??= { path: head.path };
        return new TestRequest(head);
      },
    });
    const connection = new Http2Connection(ours, {});
    for (let i = 0; i < 3; i++) {
      const stream = new TestStream();
      stream.open(connection, TEMPLATE, undefined);
      stream.end();
      await eventually("the response is complete", () => stream.done);
      assert.equal(stream.trailers?.get("grpc-status"), "0");
    }
    // The first adds to the table; from then on the block is the same.
    assert.deepEqual(memos, [undefined, undefined, { path: "/test" }]);
    assert.equal(server.streams.size, 0);
  });

  it("carries megabytes both ways with our own client, through its windows, and sends trailers after them", async () => {
    const [ours, theirs] = bytePipe();
    const body = new Uint8Array(3_000_000).map((_, i) => i);
    const requests: TestRequest[] = [];
    new ServerConnection(theirs, {}, {
      accept(head) {
        const request = new TestRequest(head);
        request.answer = body;
        requests.push(request);
        return request;
      },
    });
    const connection = new Http2Connection(ours, {});
    const streams = Array.from({ length: 4 }, () => {
      const stream = new TestStream();
      stream.open(connection, TEMPLATE, undefined);
      stream.write(NOTHING, body, true);
      return stream;
    });
    await eventually("all are done", () => streams.every(({ done }) => done));
    for (const { received, trailers } of streams) {
      assert.deepEqual(Buffer.concat(received).equals(body), true);
      assert.equal(trailers?.get("grpc-status"), "0");
    }
    for (const { received } of requests) assert.deepEqual(Buffer.concat(received).equals(body), true);
  });

  it("flushes in its own way while a response is streamed", () => {
    const used: string[] = [];
    const { client, requests } = served({
      made: (head) => new TestRequest(head, { answer: false }),
      scheduleFlush: () => used.push("usual"),
      scheduleStreamFlush: () => used.push("stream"),
    });
    const waysOf = (act: () => void) => {
      used.length = 0;
      act();
      return [...new Set(used)];
    };
    client.request(1);
    client.request(3);
    const [one, two] = requests;
    assert.deepEqual(waysOf(() => one!.respondWith(new Uint8Array(5))), ["usual"]);
    assert.deepEqual(waysOf(() => two!.write(NOTHING, new Uint8Array(5))), ["usual"]);
    assert.deepEqual(waysOf(() => two!.respondWith(new Uint8Array(5))), ["usual", "stream"]);
    client.request(5);
    assert.deepEqual(waysOf(() => requests[2]!.respondWith(new Uint8Array(5))), ["usual"]);
  });

  it("says with each flush whether there is one call, or several that may share their writes", async () => {
    const loads: (string | undefined)[] = [];
    const { client, requests } = served({
      made: (head) => new TestRequest(head, { answer: false }),
      scheduleFlush(flush, load) {
        loads.push(load);
        queueMicrotask(flush);
      },
    });
    await flushed();
    const answered = async (...ids: number[]) => {
      const before = requests.length;
      for (const id of ids) client.request(id);
      loads.length = 0;
      for (const request of requests.slice(before)) request.respondWith(new Uint8Array(5));
      await flushed();
      return [...new Set(loads)];
    };
    assert.deepEqual(await answered(1), ["one call"]);
    assert.deepEqual(await answered(3, 5), ["calls", "one call"]);
    // Those came together, and so may these.
    assert.deepEqual(await answered(7), ["calls"]);
    assert.deepEqual(await answered(9), ["one call"]);
  });

  it("asks its protocol to pause when a stream has buffered enough, and to go on when there is room", async () => {
    const { client, requests } = served({ made: (head) => new TestRequest(head, { answer: false }) });
    client.request(1);
    const [request] = requests;
    request!.respond(HEAD, undefined);
    assert.equal(request!.write(NOTHING, new Uint8Array(65_535)), true);
    assert.equal(request!.write(NOTHING, new Uint8Array(70_000)), false);
    assert.equal(request!.writable, 0);
    client.send(frame.windowUpdate(0, 1_000_000), frame.windowUpdate(1, 20_000));
    assert.equal(request!.writable, 1);
    request!.finish(TRAILERS, undefined);
    await flushed();
    assert.equal(client.names().some((name) => name === "headers:1 END"), false);
    client.send(frame.windowUpdate(1, 200_000));
    await flushed();
    assert.equal(client.names().at(-1), "headers:1 END");
  });

  it("asks its protocol to pause while the byte stream is full, whatever the windows say", async () => {
    const { client, requests } = served({ made: (head) => new TestRequest(head, { answer: false }) });
    client.request(1);
    await flushed();
    client.full = true;
    const [request] = requests;
    request!.respond(HEAD, undefined);
    await flushed();
    assert.equal(request!.write(NOTHING, new Uint8Array(10)), false);
    client.full = false;
    client.events.writable();
    assert.equal(request!.writable, 1);
  });

  it("cuts off a request that is answered before its end, and ignores what is still on the way", async () => {
    const { client, requests, connection, clock } = served();
    client.request(1, { end: false });
    client.request(3, { end: false });
    requests[0]!.respondWith(NOTHING);
    await clock.advance(400);
    requests[1]!.respondWith(NOTHING);
    await flushed();
    assert.deepEqual(client.names(), ["headers:1", "headers:1 END", "headers:3", "headers:3 END"]);
    client.send(frame.data(1, new Uint8Array(1_000)), frame.data(3, new Uint8Array(1_000)));
    await clock.advance(599);
    await flushed();
    assert.deepEqual(client.names(), []);
    await clock.advance(1);
    await flushed();
    assert.deepEqual(client.names(), ["rst:1 0"]);
    await clock.advance(400);
    await flushed();
    assert.deepEqual(client.names(), ["rst:3 0"]);
    client.send(frame.data(1, new Uint8Array(1_000)), frame.data(1, NOTHING, 1), frame.reset(3, 8));
    await clock.advance(10_000);
    await flushed();
    assert.deepEqual(client.names(), []);
    assert.deepEqual([requests.map(({ bytes }) => bytes), connection.state], [[0, 0], "open"]);
  });

  it("cuts off no request that the client ends itself once it is answered", async () => {
    const { client, requests, connection, clock } = served();
    for (const id of [1, 3, 5, 7]) client.request(id, { end: false });
    for (const request of requests) request.respondWith(NOTHING);
    await flushed();
    client.names();
    client.send(
      frame.reset(1, 8),
      frame.data(3, new Uint8Array(1_000), 1),
      frame.headers(5, [["x-tail", "t"]], END_HEADERS_STREAM),
    );
    await clock.advance(1_000);
    await flushed();
    assert.deepEqual(client.names(), ["rst:7 0"]);
    assert.equal(connection.state, "open");
    // The next one, when none has waited for a while.
    await clock.advance(5_000);
    client.request(9, { end: false });
    requests[4]!.respondWith(NOTHING);
    await clock.advance(1_000);
    await flushed();
    assert.deepEqual(client.names(), ["headers:9", "headers:9 END", "rst:9 0"]);
  });

  it("has no timer for that while none is waited for, nor once it has ended", async () => {
    const times = { handshakeTimeoutMs: 1_000_000, requestTimeoutMs: 1_000_000 };
    const { client, requests, connection, clock } = served({ times, sweeper: new Sweeper(new ManualClock()) });
    const before = clock.pending.length;
    for (const id of [1, 3]) {
      client.request(id, { end: false });
      requests.at(-1)!.respondWith(NOTHING);
      assert.equal(clock.pending.length, before + 1);
      if (id === 1) await clock.advance(1_000);
      if (id === 1) assert.equal(clock.pending.length, before);
    }
    connection.closed();
    await clock.advance(10_000);
    assert.deepEqual([clock.pending, connection.state], [[], "closed"]);
    await flushed();
    assert.ok(!client.names().includes("rst:3 0"));
  });

  it("cuts off requests before it ends the connection, and without a delay those beyond 1,000", async () => {
    const { client, requests, connection } = served({ maxConcurrentStreams: 2_000 });
    for (let n = 0; n <= 1_000; n++) {
      client.request(2 * n + 1, { end: false });
      requests[n]!.respondWith(NOTHING);
    }
    await flushed();
    assert.deepEqual(client.names().filter((name) => name.startsWith("rst")), ["rst:1 0"]);
    connection.drain();
    client.send(encodeFrame(FrameType.ping, Flag.ack, 0, new TextEncoder().encode("draining")));
    await flushed();
    assert.equal(client.names().filter((name) => name.startsWith("rst")).length, 1_000);
    assert.deepEqual([connection.state, client.ended], ["ending", true]);
  });

  it("ends a response without trailers on its last DATA frame", async () => {
    const { client, requests } = served({ made: (head) => new TestRequest(head, { answer: false }) });
    client.request(1);
    requests[0]!.respond(HEAD, undefined);
    requests[0]!.write(NOTHING, new Uint8Array(10));
    requests[0]!.end();
    await flushed();
    assert.deepEqual(client.names(), ["headers:1", "data:1 10 END"]);
  });

  it("tells its protocol of a reset by the client, and sends nothing more", async () => {
    const { client, requests, connection } = served();
    client.request(1, { end: false });
    client.send(frame.reset(1, 8));
    assert.match(requests[0]!.error!.message, /the client reset the stream: CANCEL/);
    requests[0]!.respondWith(NOTHING);
    await flushed();
    assert.deepEqual(client.names(), []);
    assert.equal(connection.streams.size, 0);
  });

  it("ends, and keeps the reason from its client, when its protocol throws what it should not", async () => {
    class Broken extends TestRequest {
      override onData(): void {
        throw new TypeError("secret");
      }
    }
    const { client, connection, failed } = served({ made: (head) => new Broken(head) });
    client.request(1, { end: false });
    client.send(frame.data(1, new Uint8Array(1)));
    await flushed();
    const goaway = client.all().at(-1)!;
    assert.equal(new TextDecoder().decode(goaway.payload.subarray(8)), "internal error");
    assert.deepEqual([connection.state, failed.map(({ message }) => message)], ["ending", ["secret"]]);
  });

  it("tells its protocol of the end of the connection", () => {
    const { client, requests, closed } = served();
    client.request(1, { end: false });
    client.events.closed(new Error("read ECONNRESET"));
    assert.match(requests[0]!.error!.message, /the connection was lost: read ECONNRESET/);
    assert.equal(closed.length, 1);
  });
});
