import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { concat, encodeFrame, ErrorCode, Flag, FrameType, Setting, uint32 } from "../../support/raw-http2/frame.ts";
import { type Field, headerBlock } from "../../support/raw-http2/header-block.ts";
import { END_HEADERS_STREAM, flushed, frame } from "../memory.ts";
import { PREFACE, REQUEST, served, TestRequest } from "./memory.ts";

const NOTHING = new Uint8Array(0);
const without = (name: string) => REQUEST.filter(([field]) => field !== name);

/** What a server answers to frames that follow its client's SETTINGS, and how many requests there were. */
async function answers(...frames: Uint8Array[]): Promise<{ names: string[]; requests: number; state: string }> {
  const { client, requests, connection } = served({ made: (head) => new TestRequest(head, { answer: false }) });
  await flushed();
  client.frames();
  client.send(...frames);
  await flushed();
  return { names: client.names(), requests: requests.length, state: connection.state };
}

/** A connection error: GOAWAY with this code and the last stream that was accepted, then the end. */
async function endsTheConnection(code: number, ...frames: Uint8Array[]): Promise<void> {
  const { names, state } = await answers(...frames);
  assert.match(names.at(-1) ?? "nothing", new RegExp(`^goaway last \\d+ code ${code}$`));
  assert.equal(state, "ending");
}

/** A stream error: RST_STREAM with this code, on a connection that goes on. */
async function endsTheStream(code: number, ...frames: Uint8Array[]): Promise<void> {
  const { names, state } = await answers(...frames);
  assert.deepEqual([names, state], [[`rst:1 ${code}`], "open"]);
}

const open = frame.headers(1, REQUEST);
const whole = frame.headers(1, REQUEST, END_HEADERS_STREAM);

describe("what a client may not do with a connection", () => {
  it("begin with other bytes", async () => {
    for (const bytes of ["GET / HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", "\0"]) {
      const { client, closed, connection } = served({}, false);
      await flushed();
      client.frames();
      client.send(new TextEncoder().encode(bytes));
      await flushed();
      assert.deepEqual(client.names(), [`goaway last 0 code ${ErrorCode.protocolError}`]);
      assert.equal(connection.state, "ending");
      client.events.closed();
      assert.match(closed[0]!.message, /the client doesn't begin with HTTP\/2's preface/);
    }
  });

  it("begin with another frame than SETTINGS", async () => {
    const { client } = served({}, false);
    client.send(PREFACE, open);
    await flushed();
    assert.deepEqual(client.names(), [`goaway last 0 code ${ErrorCode.protocolError}`]);
  });

  it("send settings that are out of range, but 0 and 1 as ENABLE_PUSH", async () => {
    await endsTheConnection(ErrorCode.protocolError, frame.settings([Setting.enablePush, 2]));
    await endsTheConnection(ErrorCode.flowControlError, frame.settings([Setting.initialWindowSize, 0x8000_0000]));
    await endsTheConnection(ErrorCode.protocolError, frame.settings([Setting.maxFrameSize, 1]));
    for (const push of [0, 1]) {
      assert.deepEqual((await answers(frame.settings([Setting.enablePush, push]))).state, "open");
    }
  });

  it("open streams with even ids, or with ids that don't rise", async () => {
    await endsTheConnection(ErrorCode.protocolError, frame.headers(2, REQUEST));
    await endsTheConnection(ErrorCode.protocolError, frame.headers(5, REQUEST), frame.headers(3, REQUEST));
    await endsTheConnection(ErrorCode.protocolError, frame.headers(5, REQUEST), frame.headers(4, REQUEST));
    const { names, requests } = await answers(frame.headers(5, REQUEST), frame.headers(9, REQUEST));
    assert.deepEqual([names, requests], [[], 2]);
  });

  it("use streams that it never opened", async () => {
    await endsTheConnection(ErrorCode.protocolError, frame.data(1, NOTHING));
    await endsTheConnection(ErrorCode.protocolError, frame.windowUpdate(1, 1));
    await endsTheConnection(ErrorCode.protocolError, frame.reset(1, 8));
    await endsTheConnection(ErrorCode.protocolError, frame.headers(5, REQUEST), frame.data(3, NOTHING));
    await endsTheConnection(ErrorCode.protocolError, frame.headers(1, REQUEST), frame.data(2, NOTHING));
  });

  it("send HEADERS on a stream that it has ended or reset", async () => {
    await endsTheConnection(ErrorCode.streamClosed, open, frame.reset(1, 8), open);
    const { client } = served();
    client.send(whole);
    client.send(whole);
    await flushed();
    assert.match(client.names().at(-1)!, /^goaway last 1 code 5$/);
  });

  it("overflow a window, exceed one, or grow one by nothing", async () => {
    await endsTheConnection(ErrorCode.flowControlError, frame.windowUpdate(0, 0x7fff_ffff));
    await endsTheConnection(ErrorCode.protocolError, frame.windowUpdate(0, 0));
    await endsTheStream(ErrorCode.flowControlError, whole, frame.windowUpdate(1, 0x7fff_ffff));
    await endsTheStream(ErrorCode.protocolError, whole, frame.windowUpdate(1, 0));
    const { client, requests } = served({ made: (head) => new TestRequest(head, { reads: false }) });
    client.request(1, { end: false });
    for (let sent = 0; sent <= 65_536; sent += 16_384) client.send(frame.data(1, new Uint8Array(16_384)));
    await flushed();
    assert.deepEqual(client.names(), ["rst:1 3"]);
    assert.match(requests[0]!.error!.message, /exceeded the stream's window/);
  });

  it("break HPACK, or make a stream depend on itself", async () => {
    await endsTheConnection(ErrorCode.compressionError, frame.block(1, Uint8Array.of(0x80)));
    const itself = concat(uint32(1), Uint8Array.of(0));
    await endsTheConnection(ErrorCode.protocolError, encodeFrame(FrameType.priority, 0, 1, itself));
    const flags = Flag.endHeaders | Flag.priority;
    await endsTheConnection(ErrorCode.protocolError, frame.block(1, concat(itself, headerBlock(REQUEST)), flags));
  });

  it("promise or push", async () => {
    await endsTheConnection(ErrorCode.protocolError, encodeFrame(FrameType.pushPromise, 4, 1, uint32(2)));
  });
});

describe("ids that a client left out", () => {
  it("were never streams, from the first to the last of them", async () => {
    const opened = [frame.headers(5, REQUEST), frame.headers(11, REQUEST)];
    for (const id of [1, 3, 7, 9]) {
      await endsTheConnection(ErrorCode.protocolError, ...opened, frame.data(id, new Uint8Array(1)));
    }
    const { state } = await answers(...opened, frame.data(5, new Uint8Array(1)), frame.data(11, new Uint8Array(1)));
    assert.equal(state, "open");
  });
});

describe("what a client may not do in a request", () => {
  const malformed: Record<string, readonly Field[]> = {
    "no method": without(":method"),
    "no path": without(":path"),
    "an empty path": [...without(":path"), [":path", ""]],
    "no scheme": without(":scheme"),
    "a pseudo-header field twice": [...REQUEST, [":path", "/"]],
    "a pseudo-header field after others": [["x", "y"], ...REQUEST],
    "a response's pseudo-header field": [...REQUEST, [":status", "200"]],
    "an unknown pseudo-header field": [...REQUEST, [":test", "x"]],
    "extended CONNECT": [...REQUEST, [":protocol", "websocket"]],
    "upper case": [...REQUEST, ["X-Test", "x"]],
    "a control character": [...REQUEST, ["x-test", "a\rb"]],
    "a control character in the path": [...without(":path"), [":path", "/a\nb"]],
    "a field of connections": [...REQUEST, ["connection", "close"]],
    "a coding other than trailers": [...REQUEST, ["te", "gzip"]],
    "a content-length that is no number": [...REQUEST, ["content-length", "x"]],
    "two lengths": [...REQUEST, ["content-length", "1"], ["content-length", "2"]],
  };
  for (const [what, fields] of Object.entries(malformed)) {
    it(`send a header section with ${what}`, async () => {
      const { names, requests, state } = await answers(frame.headers(1, fields));
      assert.deepEqual([names, requests, state], [["rst:1 1"], 0, "open"]);
    });
  }

  it("send more or less content than its content-length", async () => {
    const sized = frame.headers(1, [...REQUEST, ["content-length", "3"]]);
    await endsTheStream(ErrorCode.protocolError, sized, frame.data(1, new Uint8Array(4)));
    await endsTheStream(ErrorCode.protocolError, sized, frame.data(1, new Uint8Array(2), 1));
    await endsTheStream(ErrorCode.protocolError, sized, frame.headers(1, [["x", "y"]], END_HEADERS_STREAM));
    const none = frame.headers(1, [...REQUEST, ["content-length", "3"]], END_HEADERS_STREAM);
    assert.deepEqual(await answers(none), { names: ["rst:1 1"], requests: 0, state: "open" });
    const { names } = await answers(sized, frame.data(1, new Uint8Array(3), 1));
    assert.deepEqual(names, []);
  });

  it("send trailers that don't end it, or that are broken", async () => {
    await endsTheStream(ErrorCode.protocolError, open, frame.headers(1, [["x", "y"]]));
    await endsTheStream(ErrorCode.protocolError, open, frame.headers(1, REQUEST, END_HEADERS_STREAM));
    await endsTheStream(ErrorCode.protocolError, open, frame.headers(1, [["X", "y"]], END_HEADERS_STREAM));
    const { client, requests } = served();
    client.send(open, frame.headers(1, [["x", "y"]], END_HEADERS_STREAM));
    assert.equal(requests[0]!.trailers?.get("x"), "y");
  });

  it("send anything after its end", async () => {
    await endsTheStream(ErrorCode.streamClosed, whole, frame.data(1, new Uint8Array(1)));
    await endsTheStream(ErrorCode.streamClosed, whole, frame.headers(1, REQUEST, END_HEADERS_STREAM));
    const { client } = served();
    client.send(whole);
    await flushed();
    client.frames();
    client.send(frame.data(1, new Uint8Array(1)));
    await flushed();
    assert.deepEqual(client.names(), ["rst:1 5"]);
  });

  it("ask for CONNECT without an authority, which has neither scheme nor path", async () => {
    const { requests } = await answers(frame.headers(1, [[":method", "CONNECT"], [":authority", "a:1"]]));
    assert.equal(requests, 1);
  });
});

describe("what a client may do", () => {
  it("send GOAWAY and go on", async () => {
    const { names, requests } = await answers(frame.goaway(0), whole, frame.headers(3, REQUEST));
    assert.deepEqual([names, requests], [[], 2]);
  });

  it("send padding, priorities and frames of unknown types", async () => {
    const { client, requests } = served();
    const priority = concat(uint32(3), Uint8Array.of(7));
    client.send(
      encodeFrame(FrameType.headers, Flag.endHeaders | Flag.priority, 1, concat(priority, headerBlock(REQUEST))),
      encodeFrame(FrameType.priority, 0, 5, priority),
      encodeFrame(0x77, 0xff, 1, new Uint8Array(10)),
      encodeFrame(FrameType.data, Flag.padded | Flag.endStream, 1, Uint8Array.of(2, 7, 7, 7, 0, 0)),
    );
    await flushed();
    assert.deepEqual([requests[0]!.bytes, requests[0]!.told], [3, ["open", "end"]]);
  });

  it("send more than a stream's window before it knows it", async () => {
    const limits = { streamWindowBytes: 1_000 };
    const { client, requests } = served({ limits, made: (head) => new TestRequest(head, { reads: false }) });
    client.request(1, { end: false });
    client.send(frame.data(1, new Uint8Array(10_000)));
    assert.equal(requests[0]!.bytes, 10_000);
    client.send(frame.settingsAck());
    client.request(3, { end: false });
    client.send(frame.data(3, new Uint8Array(1_001)));
    await flushed();
    assert.deepEqual(client.names(), ["rst:3 3"]);
  });
});
