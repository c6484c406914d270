import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { concat, ErrorCode, FrameType, Setting } from "../support/raw-http2/frame.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { flushed, frame, OK, pair } from "./memory.ts";
import type { Pair, TestStream } from "./memory.ts";

const STREAMS = 1_000;
const FRAMES = 500;

/** Counts from now on how often any field of the streams is read or written. */
function touches(streams: readonly TestStream[]): () => number {
  let count = 0;
  for (const stream of streams) {
    for (const name of Object.keys(stream)) {
      let value = (stream as unknown as Record<string, unknown>)[name];
      Object.defineProperty(stream, name, {
        get() {
          count++;
          return value;
        },
        set(to) {
          count++;
          value = to;
        },
      });
    }
  }
  return () => count;
}

/** A connection with many open streams, each of which has content to send. */
function loaded(streamWindow: number, connectionWindow: number): Pair & { streams: TestStream[] } {
  const connected = pair({ clock: new ManualClock() }, false);
  const { server, request } = connected;
  server.send(frame.settings([Setting.initialWindowSize, streamWindow]));
  server.send(frame.windowUpdate(0, connectionWindow));
  const streams = Array.from({ length: STREAMS }, () => request({ body: new Uint8Array(60_000) }));
  return { ...connected, streams };
}

const settings = (window: number) => frame.settings([Setting.initialWindowSize, window]);

describe("what a frame costs doesn't grow with the open streams", () => {
  it("SETTINGS that change the window of streams without content", () => {
    const connected = pair({ clock: new ManualClock() });
    const streams = Array.from({ length: STREAMS }, () => connected.request());
    const touched = touches(streams);
    for (let i = 0; i < FRAMES; i++) connected.server.send(settings(i % 2 === 0 ? 0 : 1 << 20));
    assert.equal(touched(), 0);
    assert.deepEqual(connected.told, ["ready"]);
  });

  for (
    const [name, streamWindow, connectionWindow] of [
      ["the streams' windows", 0, 1 << 30],
      ["the connection's window", 60_000, 1],
    ] as const
  ) {
    it(`SETTINGS that change the window of streams which wait for ${name}`, async () => {
      const { server, streams, told } = loaded(streamWindow, connectionWindow);
      // One flip, after which those that could send have sent.
      server.send(settings(1_000), settings(0), settings(1_000), settings(500));
      await flushed();
      const touched = touches(streams);
      for (let i = 0; i < FRAMES; i++) server.send(settings(i % 2 === 0 ? 1_000 : i % 500));
      assert.ok(touched() < 100 * FRAMES, `${touched()} touches for ${FRAMES} frames`);
      assert.deepEqual(told, ["ready"]);
    });
  }

  it("SETTINGS that let one stream of many send a byte: the others are not asked", async () => {
    const { server, streams, request, told } = loaded(50_000, 1 << 30);
    await flushed();
    server.send(settings(0));
    const other = request({ body: new Uint8Array(60_000) });
    const touched = touches(streams);
    for (let i = 1; i <= FRAMES; i++) server.send(settings(i));
    assert.equal(60_000 - other.outgoingBytes, FRAMES);
    assert.ok(touched() < 100 * FRAMES, `${touched()} touches for ${FRAMES} frames`);
    assert.deepEqual(told, ["ready"]);
  });

  it("WINDOW_UPDATE of the connection by one frame, and of one stream by one byte", async () => {
    const { server, streams, told } = loaded(1 << 20, 1);
    await flushed();
    server.frames();
    const touched = touches(streams);
    for (let i = 0; i < FRAMES; i++) {
      server.send(frame.windowUpdate(0, 16_384), frame.windowUpdate(streams[i]!.id, 1));
    }
    await flushed();
    const data = server.frames().filter(({ type }) => type === FrameType.data);
    assert.deepEqual([data.length, new Set(data.map(({ streamId }) => streamId)).size], [FRAMES, FRAMES]);
    assert.ok(touched() < 300 * FRAMES, `${touched()} touches for ${FRAMES} frames`);
    assert.deepEqual(told, ["ready"]);
  });

  it("GOAWAY whose last stream id did not fall", () => {
    const { server, streams, told } = loaded(1 << 20, 1);
    server.send(frame.goaway(0x7fff_ffff));
    const last = streams.at(-1)!.id;
    server.send(frame.goaway(last));
    const touched = touches(streams);
    for (let i = 0; i < FRAMES; i++) server.send(frame.goaway(i % 2 === 0 ? last : 0x7fff_ffff));
    assert.equal(touched(), 0);
    assert.deepEqual(told, ["ready", "draining"]);
  });

  it("GOAWAY whose last stream id falls by one stream: that one alone is refused", async () => {
    const { server, streams } = loaded(1 << 20, 1);
    await flushed();
    const touched = touches(streams);
    for (let i = 1; i <= FRAMES; i++) server.send(frame.goaway(streams.at(-1 - i)!.id));
    assert.ok(touched() < 300 * FRAMES, `${touched()} touches for ${FRAMES} frames`);
    const refused = streams.filter(({ error }) => error?.processed === "refused");
    assert.deepEqual([refused.length, refused[0]], [FRAMES, streams[STREAMS - FRAMES]]);
  });

  it("GOAWAY that falls below many ids which were used before", () => {
    const { server, connection, request } = pair({ clock: new ManualClock() });
    connection.requests.nextId = 1_000_000_001;
    const stream = request();
    server.send(frame.goaway(1));
    assert.equal(stream.error?.processed, "refused");
  });
});

describe("windows that SETTINGS change are exact all the same", () => {
  it("what was sent never exceeds a window, and nothing waits that could leave", async () => {
    const stream = fc.nat(9);
    const action = fc.oneof(
      fc.record({ kind: fc.constant("settings" as const), value: fc.constantFrom(0, 1, 10, 5_000, 40_000, 200_000) }),
      fc.record({ kind: fc.constant("window" as const), stream, value: fc.constantFrom(1, 7, 20_000) }),
      fc.record({ kind: fc.constant("connection" as const), value: fc.constantFrom(1, 16_384, 100_000) }),
      fc.record({ kind: fc.constant("write" as const), stream, value: fc.constantFrom(1, 300, 20_000) }),
      fc.record({ kind: fc.constant("cancel" as const), stream }),
      fc.record({ kind: fc.constant("full" as const), on: fc.boolean() }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
        const { server, request, connection, told } = pair({ clock: new ManualClock() });
        await flushed();
        const streams = Array.from({ length: 10 }, () => request({ end: false }));
        const allowed = new Map(streams.map(({ id }) => [id, 0]));
        let initial = 65_535;
        let whole = 65_535;
        for (const act of actions) {
          if (act.kind === "settings") server.send(settings(initial = act.value));
          else if (act.kind === "connection") server.send(frame.windowUpdate(0, act.value)), whole += act.value;
          else if (act.kind === "full") {
            server.full = act.on;
            await flushed();
            if (!act.on) server.events.writable();
          } else if (act.kind === "cancel") streams[act.stream]!.cancel();
          else if (act.kind === "write") {
            streams[act.stream]!.write(new Uint8Array(0), new Uint8Array(act.value), false);
          } else {
            const { id } = streams[act.stream]!;
            server.send(frame.windowUpdate(id, act.value));
            allowed.set(id, allowed.get(id)! + act.value);
          }
        }
        server.full = false;
        server.events.writable();
        await flushed();
        let total = 0;
        const sent = new Map<number, number>();
        for (const { type, streamId, payload } of server.frames()) {
          if (type !== FrameType.data) continue;
          sent.set(streamId, (sent.get(streamId) ?? 0) + payload.length);
          total += payload.length;
        }
        assert.ok(total <= whole);
        for (const stream of streams) {
          if (stream.closed) continue;
          const left = initial + allowed.get(stream.id)! - (sent.get(stream.id) ?? 0);
          assert.equal(connection.sender.windowOf(stream), left);
          if (stream.outgoing !== undefined) assert.ok(left <= 0 || total === whole, "it waits for nothing");
        }
        assert.deepEqual([told, connection.sender.window.left], [["ready"], whole - total]);
      }),
      { numRuns: 300 },
    );
  });

  it("a window above 2³¹−1 is found, and one that only was there is not", () => {
    const { server, request, told } = pair();
    const [a, b] = [request({ end: false }), request({ end: false })];
    server.send(settings(0), frame.windowUpdate(a.id, 0x7fff_ffff), frame.reset(a.id, ErrorCode.cancel));
    server.send(settings(0x7fff_ffff));
    assert.deepEqual(told, ["ready"]);
    server.send(settings(0x7fff_fff0), frame.windowUpdate(b.id, 0xf));
    server.send(settings(0x7fff_fff0));
    assert.deepEqual(told, ["ready"]);
    server.send(settings(0x7fff_fff1));
    assert.match(told.at(-1)!, /window overflow/);
  });
});

describe("SETTINGS and GOAWAY have a rate", () => {
  it("which SETTINGS that have all waiting streams send a byte reach sooner", async () => {
    const { server, streams, connection, told } = loaded(0, 0x7fff_ffff - 65_535);
    let frames = 0;
    while (told.length === 1 && frames < 1_000) server.send(settings(++frames));
    assert.match(told.at(-1)!, /floods the connection with SETTINGS/);
    assert.ok(frames < 65, `${frames} frames for ${STREAMS} streams`);
    assert.ok(connection.sender.crumbs <= 55_000 && streams.every(({ error }) => error !== undefined));
  });

  it("but not WINDOW_UPDATE, which has one stream send a byte", () => {
    const { server, streams, told } = loaded(0, 0x7fff_ffff - 65_535);
    for (let i = 0; i < 60; i++) {
      server.send(...streams.map(({ id }) => frame.windowUpdate(id, 1)), settings(0));
    }
    assert.deepEqual([told, 60_000 - streams[0]!.outgoingBytes], [["ready"], 60]);
  });

  it("nor SETTINGS that let each stream send a frame worth its header", () => {
    const { server, streams, told } = loaded(0, 0x7fff_ffff - 65_535);
    for (let i = 1; i <= 58; i++) server.send(settings(1_024 * i));
    assert.deepEqual([told, 60_000 - streams[0]!.outgoingBytes], [["ready"], 59_392]);
  });

  it("SETTINGS for which all streams have to be looked at reach it sooner, too", async () => {
    const { server, request, told } = pair({ clock: new ManualClock() });
    const stream = request({ body: new Uint8Array(200_000) });
    server.send(frame.windowUpdate(stream.id, 0x7fff_ffff));
    let frames = 0;
    for (let i = 1; told.length === 1 && i < 5_000; i++, frames++) {
      server.send(frame.windowUpdate(0, 1), settings(65_535 + i));
    }
    assert.match(told.at(-1)!, /floods the connection with SETTINGS/);
    assert.ok(frames < 1_000, `${frames} frames`);
  });

  for (const [name, bytes] of [["SETTINGS", settings(70_000)], ["GOAWAY", frame.goaway(0x7fff_ffff)]] as const) {
    it(`which ${name} reach although useful DATA comes with each`, async () => {
      const clock = new ManualClock();
      const { server, request, connection } = pair({ clock });
      const stream = request();
      server.send(frame.headers(stream.id, OK));
      const both = concat(frame.data(stream.id, new Uint8Array(1)), frame.data(stream.id, new Uint8Array(1)), bytes);
      let sent = 0;
      for (; sent < 20_000 && connection.state !== "lost"; sent++) {
        server.send(both);
        if (sent % 1_000 === 0) await flushed();
      }
      assert.equal(sent, 10_000);
      assert.equal(stream.error?.code, ErrorCode.enhanceYourCalm);
    });
  }

  it("which servers that measure the bandwidth never reach", async () => {
    const clock = new ManualClock();
    const { server, request, told } = pair({ clock });
    const stream = request();
    server.send(frame.headers(stream.id, OK));
    for (let i = 0; i < 150; i++) {
      for (let k = 0; k < 90; k++) server.send(settings(70_000 + k), frame.data(stream.id, new Uint8Array(1)));
      await flushed();
      await clock.advance(100);
    }
    assert.deepEqual(told, ["ready"]);
  });
});
