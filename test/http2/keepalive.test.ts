import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KeepaliveSettings } from "../../src/http2/keepalive.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { FrameType, type RawFrame, Setting } from "../support/raw-http2/frame.ts";
import { END_HEADERS_STREAM, flushed, frame, OK, type Pair, pair, type TestStream } from "./memory.ts";

interface Watched extends Pair {
  readonly clock: ManualClock;
  /** What the client sent since the last look: `PING`, `HEADERS 1`. */
  sent(): string[];
  /** The whole response of a request, if it was sent. */
  answer(stream: TestStream): void;
}

function watched(keepalive: KeepaliveSettings): Watched {
  const clock = new ManualClock();
  const made = pair({ clock, keepalive });
  made.server.frames();
  const name = ({ type, streamId }: RawFrame) =>
    type === FrameType.ping ? ["PING"] : type === FrameType.headers ? [`HEADERS ${streamId}`] : [];
  return {
    ...made,
    clock,
    sent: () => made.server.frames().flatMap(name),
    answer: (stream) => made.server.send(frame.headers(stream.id, OK, END_HEADERS_STREAM)),
  };
}

describe("keepalive", () => {
  it("pings a silent connection with requests in flight, and takes anything for an answer", async () => {
    const { server, request, told, clock, sent, answer } = watched({ intervalMs: 1_000, timeoutMs: 100 });
    const stream = request();
    await clock.advance(900);
    server.send(frame.settings());
    await clock.advance(900);
    assert.deepEqual(sent(), ["HEADERS 1"], "none while something comes");
    await clock.advance(100);
    assert.deepEqual(sent(), ["PING"]);
    server.send(frame.windowUpdate(0, 1));
    await clock.advance(999);
    assert.deepEqual(sent(), [], "the next after an interval");
    await clock.advance(1);
    assert.deepEqual(sent(), ["PING"]);
    answer(stream);
    await clock.advance(5_000);
    assert.deepEqual([sent(), told, clock.pending], [[], ["ready"], []], "none while nothing is in flight");
  });

  it("counts silence from what came last, also for requests that come later", async () => {
    const { request, clock, sent, answer } = watched({ intervalMs: 1_000 });
    const first = request();
    await clock.advance(500);
    answer(first);
    await clock.advance(400);
    request();
    await clock.advance(599);
    assert.deepEqual(sent(), ["HEADERS 1", "HEADERS 3"]);
    await clock.advance(1);
    assert.deepEqual(sent(), ["PING"]);
  });

  it("ends a connection that doesn't answer", async () => {
    const { request, told, clock } = watched({});
    const stream = request();
    await clock.advance(39_999);
    assert.ok(!stream.closed);
    await clock.advance(1);
    assert.deepEqual([stream.error?.processed, stream.error?.by], ["maybe", "connection"]);
    assert.equal(told.at(-1), "lost: no answer to a keepalive ping within 10000 ms");
    assert.deepEqual(clock.pending, []);
  });

  it("notices a dead path within interval + timeout, although calls are short and leave gaps between them", async () => {
    const { request, told, clock } = watched({ intervalMs: 1_000, timeoutMs: 500 });
    for (let ms = 0; ms < 1_500; ms += 500) {
      assert.deepEqual(told, ["ready"], `after ${ms} ms`);
      const call = request();
      await clock.advance(300);
      call.cancel();
      await clock.advance(200);
    }
    assert.deepEqual(told, ["ready", "lost: no answer to a keepalive ping within 500 ms"]);
  });

  it("lets the first request after a long silence wait for a ping's answer, and those behind it", async () => {
    const { server, request, clock, sent } = watched({ intervalMs: 1_000, timeoutMs: 100 });
    await clock.advance(1_000);
    const requests = [request({ body: new Uint8Array(3) }), request()];
    await flushed();
    assert.deepEqual([sent(), requests.map(({ id }) => id)], [["PING"], [0, 0]]);
    server.send(frame.ping(true));
    await clock.advance(1);
    assert.deepEqual(sent(), ["HEADERS 1", "HEADERS 3"]);
    request();
    await flushed();
    assert.deepEqual(sent(), ["HEADERS 5"], "later ones go at once");
  });

  it("has sent nothing of requests that waited for an answer which didn't come", async () => {
    const { request, clock, sent, told } = watched({ intervalMs: 1_000, timeoutMs: 100 });
    await clock.advance(60_000);
    const [one, other] = [request(), request()];
    await clock.advance(100);
    assert.deepEqual([one.error?.processed, other.error?.processed], ["not-sent", "not-sent"]);
    assert.deepEqual([sent(), told.at(-1)], [["PING"], "lost: no answer to a keepalive ping within 100 ms"]);
  });

  it("goes on waiting for the answer when the request that waited was given up", async () => {
    const { request, clock, sent, told, server } = watched({ intervalMs: 1_000, timeoutMs: 100 });
    await clock.advance(1_000);
    request().cancel();
    assert.equal(server.held, false, "and doesn't hold the process");
    await clock.advance(60);
    const next = request();
    assert.equal(next.id, 0);
    await clock.advance(40);
    assert.deepEqual([sent(), told.at(-1)], [["PING"], "lost: no answer to a keepalive ping within 100 ms"]);
  });

  it("sends one ping an interval at most, however many calls come after silences", async () => {
    const { server, request, clock, sent, answer } = watched({ intervalMs: 1_000, timeoutMs: 100 });
    let pings = 0;
    for (let i = 0; i < 30; i++) {
      await clock.advance(400);
      const call = request();
      await flushed();
      const frames = sent();
      if (frames.includes("PING")) {
        pings++;
        server.send(frame.ping(true));
      }
      if (i % 3 === 2) answer(call);
      else call.cancel();
    }
    assert.ok(pings <= 12, `${pings} pings in 12 intervals`);
  });

  it("takes an answer that came while the process stood still", async () => {
    const { server, request, clock, told } = watched({ intervalMs: 1_000, timeoutMs: 100 });
    request();
    await clock.advance(1_000);
    // The timers run first when a process goes on, and then its sockets are read.
    const timer = clock.timer.bind(clock);
    clock.timer = (delayMs, callback, hold) => {
      if (delayMs === 0) queueMicrotask(() => server.send(frame.ping(true)));
      return timer(delayMs, callback, hold);
    };
    await clock.advance(100);
    clock.timer = timer;
    await clock.advance(500);
    assert.deepEqual(told, ["ready"]);
  });

  it("begins nothing on a connection that drains meanwhile", async () => {
    const { server, request, clock, sent } = watched({ intervalMs: 1_000, timeoutMs: 100 });
    await clock.advance(1_000);
    const stream = request();
    server.send(frame.goaway(0), frame.ping(true));
    await flushed();
    assert.deepEqual([sent(), stream.error?.processed], [["PING"], "not-sent"]);
  });

  it("respects the server's MAX_CONCURRENT_STREAMS after the answer", async () => {
    const { server, request, clock, sent } = watched({ intervalMs: 1_000, timeoutMs: 100 });
    server.send(frame.settings([Setting.maxConcurrentStreams, 1]));
    await clock.advance(1_000);
    request();
    request();
    server.send(frame.ping(true));
    await flushed();
    assert.deepEqual(sent(), ["PING", "HEADERS 1"]);
  });

  it("pings without calls when configured to, and notices a dead path without them", async () => {
    const { server, clock, sent, told } = watched({ intervalMs: 1_000, timeoutMs: 100, withoutCalls: true });
    for (let i = 0; i < 3; i++) {
      await clock.advance(1_000);
      assert.deepEqual(sent(), ["PING"]);
      server.send(frame.ping(true));
    }
    assert.equal(clock.held, 0);
    await clock.advance(1_100);
    assert.deepEqual(told, ["ready", "lost: no answer to a keepalive ping within 100 ms"]);
    assert.deepEqual(clock.pending, []);
  });

  it("pings only with requests open where the server wants that, and counts from the first unanswered one", async () => {
    const { request, clock, sent, told } = watched({
      intervalMs: 1_000,
      timeoutMs: 500,
      withoutCalls: true,
      pingsNeedCalls: true,
    });
    await clock.advance(60_000);
    for (let ms = 0; ms < 1_000; ms += 500) {
      const call = request();
      await clock.advance(300);
      call.cancel();
      await clock.advance(200);
    }
    assert.deepEqual(sent(), ["HEADERS 1", "HEADERS 3"]);
    request();
    await clock.advance(0);
    assert.deepEqual(sent(), ["HEADERS 5", "PING"]);
    await clock.advance(500);
    assert.deepEqual(told, ["ready", "lost: no answer to a keepalive ping within 500 ms"]);
  });
});
