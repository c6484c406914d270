import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BufferedBytes } from "../../../src/http2/server/buffered-bytes.ts";
import { concat, ErrorCode, Flag, FrameType } from "../../support/raw-http2/frame.ts";
import { type Field, headerBlock, stringLiteral } from "../../support/raw-http2/header-block.ts";
import { END_HEADERS_STREAM, flushed, frame } from "../memory.ts";
import { HEAD, REQUEST, served, TestRequest, TRAILERS } from "./memory.ts";

const NOTHING = new Uint8Array(0);
const CALM = ErrorCode.enhanceYourCalm;

/** Streams that are not answered by themselves. */
const silent = {
  made: (head: ConstructorParameters<typeof TestRequest>[0]) => new TestRequest(head, { answer: false }),
};

/** The ids of the n-th to the m-th stream. */
function* ids(from: number, to: number): Generator<number> {
  for (let n = from; n <= to; n++) yield 2 * n - 1;
}

describe("requests beyond MAX_CONCURRENT_STREAMS", () => {
  it("are refused, and the others go on", async () => {
    const { client, requests } = served({ ...silent, maxConcurrentStreams: 2 });
    await flushed();
    client.frames();
    for (const id of ids(1, 3)) client.request(id);
    await flushed();
    assert.deepEqual(client.names(), ["rst:5 7"]);
    requests[0]!.respondWith(NOTHING);
    client.request(7);
    client.request(9);
    await flushed();
    assert.deepEqual(client.names(), ["headers:1", "headers:1 END", "rst:9 7"]);
    assert.equal(requests.length, 3);
  });

  it("may still send what was on the way", async () => {
    const { client, connection } = served({ ...silent, maxConcurrentStreams: 1 });
    client.request(1);
    client.request(3, { end: false });
    client.send(frame.data(3, new Uint8Array(10_000)), frame.windowUpdate(3, 5), frame.data(3, NOTHING, 1));
    await flushed();
    assert.deepEqual(client.names(), ["rst:3 7"]);
    assert.equal(connection.state, "open");
  });

  it("are those beyond the handlers that still run, whether or not their requests were reset", async () => {
    const { client, requests } = served({ ...silent, maxConcurrentStreams: 2 });
    for (const id of ids(1, 2)) client.request(id);
    for (const request of requests) request.beginHandling();
    client.send(frame.reset(1, 8), frame.reset(3, 8));
    client.request(5);
    await flushed();
    assert.deepEqual(client.names(), ["rst:5 7"]);
    requests[0]!.endHandling();
    client.request(7);
    await flushed();
    assert.deepEqual([client.names(), requests.length], [[], 3]);
  });

  it("are those beyond what was answered while the client doesn't read", async () => {
    const { client, requests } = served({ maxConcurrentStreams: 10 });
    client.full = true;
    client.request(1);
    await flushed();
    for (const id of ids(2, 20)) client.request(id);
    assert.equal(requests.length, 11);
    client.full = false;
    client.events.writable();
    client.request(41);
    assert.equal(requests.length, 12);
  });
});

describe("floods of", () => {
  const floods: Record<string, (n: number) => Uint8Array> = {
    PING: () => frame.ping(),
    SETTINGS: () => frame.settings(),
    "acknowledgements of SETTINGS": () => frame.settingsAck(),
    "acknowledgements of PING": () => frame.ping(true),
    "empty DATA": () => frame.data(1, NOTHING),
    "GOAWAY": () => frame.goaway(0),
    "unknown frames": () => frame.data(1, NOTHING).with(3, 0x77),
    "frames on closed streams": () => frame.windowUpdate(3, 1),
  };
  for (const [what, make] of Object.entries(floods)) {
    it(`${what} end the connection, and are no longer read`, async () => {
      const { client, connection, requests } = served({ ...silent, enforcement: { minPingIntervalMs: 0 } });
      client.request(1, { end: false });
      client.request(3);
      client.send(frame.reset(3, 8));
      for (let n = 0; n < 10_100 && connection.state === "open"; n++) client.send(make(n));
      await flushed();
      assert.equal(client.names().at(-1), `goaway last 3 code ${CALM}`);
      assert.deepEqual([connection.state, client.destroyed, requests[0]!.told.at(-1)], ["ending", true, "failed"]);
    });
  }

  it("CONTINUATION end the connection, however little they add", async () => {
    const { client, connection } = served();
    client.send(frame.headers(1, [], 0));
    for (let n = 0; n < 100 && connection.state === "open"; n++) client.send(frame.continuation(1, NOTHING, 0));
    await flushed();
    assert.equal(client.names().at(-1), `goaway last 0 code ${CALM}`);
  });

  it("header sections that are too large end the connection, sooner the longer their blocks are", async () => {
    // One entry of 4,000 bytes in the table, then thousands of references of one byte.
    const bomb = concat(
      headerBlock(REQUEST),
      new Uint8Array([0x40]),
      stringLiteral("x-bomb"),
      stringLiteral("v".repeat(4_000)),
      new Uint8Array(11_000).fill(0x80 | 62),
    );
    const large = headerBlock([...REQUEST, ["x-large", "v".repeat(2_000)]]);
    for (
      const [what, block, most] of [
        ["requests", large, 5_000],
        ["requests", bomb, 670],
        ["trailers", bomb, 670],
      ] as const
    ) {
      const { client, connection } = served({ limits: { maxHeaderListBytes: 2_000 } });
      let sent = 0;
      for (let id = 1; sent < 20_000 && connection.state === "open"; id += 2) {
        if (what === "trailers") client.request(id, { end: false });
        client.send(frame.block(id, block, END_HEADERS_STREAM));
        if (++sent % 1_000 === 0) await flushed();
      }
      await flushed();
      assert.match(client.names().at(-1)!, new RegExp(`^goaway last \\d+ code ${CALM}$`), what);
      assert.ok(sent <= most, `${sent} ${what}`);
    }
  });

  it("header sections that are too large are none if they are few, or among many calls", async () => {
    const { client, connection, clock } = served({ limits: { maxHeaderListBytes: 2_000 } });
    const large = headerBlock([...REQUEST, ["x-large", "v".repeat(2_000)]]);
    let id = -1;
    for (let n = 0; n < 6_000; n++) {
      client.send(frame.block(id += 2, large, END_HEADERS_STREAM));
      clock.skip(10);
      if (n % 500 === 0) await flushed();
    }
    for (let n = 0; n < 6_000; n++) {
      client.send(frame.block(id += 2, large, END_HEADERS_STREAM));
      client.request(id += 2);
      client.request(id += 2);
      if (n % 500 === 0) await flushed();
    }
    assert.equal(connection.state, "open");
  });

  it("requests that are reset at once (CVE-2023-44487) end the connection", async () => {
    const { client, connection } = served(silent);
    let opened = 0;
    for (const id of ids(1, 20_000)) {
      if (connection.state !== "open") break;
      opened++;
      client.send(frame.headers(id, REQUEST, END_HEADERS_STREAM), frame.reset(id, 8));
    }
    await flushed();
    assert.match(client.names().at(-1)!, /^goaway .* code 11$/);
    assert.equal(opened, 10_000);
  });

  it("requests that the server is made to reset (CVE-2025-8671) keep their places, and end the connection", async () => {
    const { client, connection, requests } = served({ ...silent, maxConcurrentStreams: 100 });
    for (const id of ids(1, 20_000)) {
      if (connection.state !== "open") break;
      client.request(id);
      requests.at(-1)!.beginHandling();
      if (requests.length === 100) break;
      client.send(frame.windowUpdate(id, 0));
    }
    await flushed();
    client.names();
    client.request(1_001);
    await flushed();
    assert.deepEqual(client.names(), ["rst:1001 7"]);
    for (const request of requests) request.endHandling();
    for (let id = 1_003; connection.state === "open"; id += 2) {
      client.request(id);
      client.send(frame.windowUpdate(id, 0));
    }
    assert.ok(requests.length <= 10_001, `${requests.length}`);
  });

  it("resets are none if more than half of the calls are answered, or if they are spread", async () => {
    const { client, connection, clock } = served();
    let id = -1;
    for (let n = 0; n < 11_000; n++) {
      client.request(id += 2);
      client.request(id += 2);
      client.request(id += 2, { end: false });
      client.send(frame.reset(id, 8));
      if (n % 1_000 === 0) await flushed();
    }
    assert.equal(connection.state, "open");
    for (let n = 0; n < 11_000; n++) {
      client.request(id += 2, { end: false });
      client.send(frame.reset(id, 8));
      clock.skip(2);
    }
    assert.equal(connection.state, "open");
  });

  it("refused requests are answered, as far as the client reads the answers", async () => {
    const { client, connection } = served({ ...silent, maxConcurrentStreams: 1 });
    for (const id of ids(1, 15_000)) client.request(id);
    assert.equal(connection.state, "open");
    client.full = true;
    await flushed();
    for (let id = 40_001; connection.state === "open"; id += 2) client.request(id);
    assert.ok(connection.writer.waitingBytes < 100_000);
  });
});

describe("no flood are", () => {
  it("small pieces of a request, however many", async () => {
    const { client, connection, requests } = served({ made: (head) => new TestRequest(head, { longLived: true }) });
    client.request(1, { end: false });
    const pieces = concat(...Array.from({ length: 1_000 }, () => frame.data(1, new Uint8Array(1))));
    for (let i = 0; i < 12; i++) client.send(pieces);
    await flushed();
    assert.deepEqual([connection.state, requests[0]!.bytes], ["open", 12_000]);
  });

  it("those that were on their way when the server reset their request", async () => {
    const { client, connection, requests } = served(silent);
    client.request(1, { end: false });
    requests[0]!.reset();
    const pieces = concat(...Array.from({ length: 1_000 }, () => frame.data(1, new Uint8Array(1))));
    for (let i = 0; i < 12; i++) client.send(pieces);
    await flushed();
    assert.equal(connection.state, "open");
  });
});

describe("a request's size", () => {
  it("is bounded in its header section: its protocol learns that, and none of the fields", async () => {
    const { client, requests } = served({ limits: { maxHeaderListBytes: 2_000 } });
    client.request(1, { fields: [...REQUEST, ["x", "y".repeat(3_000)]] });
    const send = (id: number, fields: readonly Field[]) => {
      const split = headerBlock(fields);
      client.send(frame.block(id, split.subarray(0, 1_000), Flag.endStream));
      client.send(frame.continuation(id, split.subarray(1_000), Flag.endHeaders));
    };
    send(3, [...REQUEST, ["x", "y".repeat(3_000)]]);
    const known = [true, 0, "/test"];
    assert.deepEqual(requests.map(({ head }) => [head.tooLarge, head.fields.length, head.path]), [known, known]);
    send(5, [...REQUEST, ["x", "y".repeat(4_000)]]);
    await flushed();
    assert.match(client.names().at(-1)!, /^goaway/, "a block that is larger still isn't read to its end");
    assert.equal(requests.length, 2);
  });

  it("is bounded in its trailers", async () => {
    const { client, requests } = served({ limits: { maxHeaderListBytes: 2_000 } });
    client.request(1, { end: false });
    const trailers: Field[] = [["x", "y".repeat(1_900)], ["z", "a".repeat(90)]];
    client.send(frame.headers(1, trailers, END_HEADERS_STREAM));
    await flushed();
    assert.deepEqual(client.names(), ["rst:1 11"]);
    assert.match(requests[0]!.error!.message, /trailers are too large/);
  });

  it("is bounded in what the server holds of unfinished ones, over all connections", async () => {
    const buffered = new BufferedBytes(100_000);
    const [a, b] = [served({ buffered }), served({ buffered })];
    for (const { client } of [a, b]) client.request(1, { end: false });
    const piece = new Uint8Array(16_000);
    for (let n = 0; n < 3; n++) {
      a.client.send(frame.data(1, piece));
      b.client.send(frame.data(1, piece));
    }
    assert.equal(buffered.held, 96_000);
    b.client.send(frame.data(1, piece));
    await flushed();
    assert.deepEqual([b.client.names().at(-1), b.requests[0]!.told], ["rst:1 11", ["open", "overloaded", "failed"]]);
    // What comes whole is never unfinished, and what ends is no longer.
    b.client.send(frame.headers(3, REQUEST), frame.data(3, piece, 1));
    a.client.send(frame.data(1, piece));
    a.client.send(frame.data(1, piece, 1));
    assert.deepEqual([a.requests[0]!.told.at(-1), b.requests[1]!.told.at(-1)], ["end", "end"]);
    assert.equal(buffered.held, 0);
  });

  it("includes a header section that is not small", () => {
    const buffered = new BufferedBytes(10_000);
    const { client, requests } = served({ buffered });
    const large: readonly Field[] = [...REQUEST, ["x", "y".repeat(6_000)]];
    client.request(1, { end: false, fields: large });
    client.request(3, { end: false, fields: large });
    client.request(5, { end: false });
    client.request(7, { fields: large });
    assert.deepEqual(requests.map(({ told }) => told), [
      ["open"],
      ["open", "overloaded", "failed"],
      ["open"],
      ["open", "end"],
    ]);
  });

  it("counts until the request is complete, whether or not it is answered", () => {
    const buffered = new BufferedBytes(20_000);
    const { client, requests } = served({ ...silent, buffered });
    client.request(1, { end: false });
    client.send(frame.data(1, new Uint8Array(15_000)));
    assert.equal(buffered.held, 15_000);
    client.send(frame.data(1, new Uint8Array(1), 1));
    assert.deepEqual([buffered.held, requests[0]!.told], [0, ["open", "end"]]);
  });

  it("counts until it was read, if the request may be long", async () => {
    const buffered = new BufferedBytes(20_000);
    const { client, requests } = served({
      buffered,
      made: (head) => new TestRequest(head, { longLived: true, reads: false }),
    });
    client.request(1, { end: false });
    client.send(frame.data(1, new Uint8Array(15_000)));
    assert.equal(buffered.held, 15_000);
    requests[0]!.consumed(14_000);
    assert.equal(buffered.held, 1_000);
    client.send(frame.data(1, new Uint8Array(15_000), 1));
    assert.deepEqual([buffered.held, requests[0]!.told], [0, ["open", "end"]]);
    client.request(3, { end: false });
    client.send(frame.data(3, new Uint8Array(10_000)), frame.reset(3, 8));
    assert.equal(buffered.held, 0);
  });
});

describe("a response that the client doesn't take", () => {
  it("is bounded in memory, whatever windows it opens and however many streams", async () => {
    const { client, requests, connection } = served(silent);
    client.send(frame.windowUpdate(0, 0x7000_0000), frame.settings([4, 0x7fff_ffff]));
    for (const id of ids(1, 1_000)) client.request(id);
    client.full = true;
    requests[0]!.respond(HEAD, undefined);
    await flushed();
    for (const request of requests) {
      request.respond(HEAD, undefined);
      for (let n = 0; n < 100 && request.write(NOTHING, new Uint8Array(1_000)); n++);
    }
    const held = [...connection.streams].reduce((sum, { outgoingBytes }) => sum + outgoingBytes, 0);
    assert.ok(held + connection.writer.waitingBytes < 1_200_000, `${held} ${connection.writer.waitingBytes}`);
  });

  it("is given up once it has waited too long after its end, and not while the client takes some of it", async () => {
    const { client, clock, requests } = served({ ...silent, times: { requestTimeoutMs: 1_000 } });
    for (const id of ids(1, 2)) client.request(id);
    for (const request of requests) {
      request.respond(HEAD, undefined);
      request.write(NOTHING, new Uint8Array(200_000));
      request.finish(TRAILERS, undefined);
    }
    client.send(frame.windowUpdate(0, 1_000_000));
    await flushed();
    client.names();
    for (let n = 0; n < 20; n++) {
      await clock.advance(100);
      client.send(frame.windowUpdate(1, 1));
    }
    await flushed();
    const names = client.names();
    assert.ok(names.includes("rst:3 8"), names.join());
    assert.ok(!names.includes("rst:1 8"), names.join());
    assert.deepEqual(requests.map(({ told }) => told), [["open", "end"], ["open", "end"]]);
  });

  it("costs the client its connection, if nothing else happens there", async () => {
    const { client, clock, connection } = served({ times: { requestTimeoutMs: 1_000 } });
    client.full = true;
    client.request(1);
    await flushed();
    client.request(3);
    await clock.advance(900);
    assert.equal(connection.state, "open");
    await clock.advance(1_000);
    assert.equal(connection.state, "ending");
  });

  it("waits as long as its handler does, if that isn't done", async () => {
    const { client, clock, requests, connection } = served({ ...silent, times: { requestTimeoutMs: 1_000 } });
    client.request(1);
    requests[0]!.respond(HEAD, undefined);
    requests[0]!.write(NOTHING, new Uint8Array(200_000));
    await clock.advance(60_000);
    assert.equal(connection.streams.size, 1);
  });
});

describe("the requests of a connection", () => {
  it("are counted by whether they were answered, or ended in another way on either side", async () => {
    const { client, connection, requests: opened } = served(silent);
    for (const id of ids(1, 5)) client.request(id);
    const counts = () => [connection.requests.started, connection.requests.answered, connection.requests.failed];
    opened[0]!.respondWith(NOTHING);
    assert.deepEqual(counts(), [5, 1, 0]);
    opened[1]!.reset();
    client.send(frame.reset(5, 8));
    await flushed();
    assert.deepEqual(counts(), [5, 1, 2]);
  });
});

describe("a request that never ends", () => {
  it("is ended in time, unless it may be long", async () => {
    const { client, clock, requests } = served({
      times: { requestTimeoutMs: 1_000 },
      made: (head) => new TestRequest(head, { longLived: head.path === "/long" }),
    });
    client.request(1, { end: false });
    client.request(3, { end: false, fields: [...REQUEST.filter(([name]) => name !== ":path"), [":path", "/long"]] });
    await clock.advance(900);
    client.send(frame.data(1, new Uint8Array(1)));
    assert.deepEqual(requests[0]!.told, ["open"]);
    await clock.advance(600);
    await flushed();
    assert.deepEqual(client.names(), ["rst:1 8"]);
    assert.deepEqual(requests.map(({ told }) => told), [["open", "timeout", "failed"], ["open"]]);
    assert.equal(client.frames().filter(({ type }) => type === FrameType.goaway).length, 0);
  });

  it("has its whole time however old the connection is, which is a minute by default", async () => {
    for (const [times, shortMs, longMs] of [[{ requestTimeoutMs: 1_000 }, 900, 600], [{}, 59_000, 11_000]] as const) {
      const { client, clock, requests } = served({ times });
      await clock.advance(200_000);
      client.request(1, { end: false });
      await clock.advance(shortMs);
      assert.deepEqual(requests[0]!.told, ["open"]);
      await clock.advance(longMs);
      assert.deepEqual(requests[0]!.told, ["open", "timeout", "failed"]);
    }
  });
});
