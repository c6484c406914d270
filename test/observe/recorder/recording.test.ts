import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { Simple } from "../../../gen/simple_pb.ts";
import type { Attempt, AttemptStart, CallEnd, CallStart } from "../../../src/call/observer.ts";
import type { AttemptEnd } from "../../../src/connection/mark.ts";
import { note } from "../../../src/connection/note.ts";
import { CallRing } from "../../../src/observe/recorder/call-ring.ts";
import { readRecording } from "../../../src/observe/recorder/read-recording.ts";
import { Recording } from "../../../src/observe/recorder/recording.ts";
import { SlowestCalls } from "../../../src/observe/recorder/slowest-calls.ts";

/** A recording of a call that began at 1,000, and what it hears. */
function setUp(kind: "route" | "routeServerStream" = "route") {
  let nowMs = 1_000;
  const freed: Recording[] = [];
  const recording = new Recording({ keep() {}, free: (recording) => void freed.push(recording) });
  const clock = { now: () => nowMs, timer: () => ({ cancel() {} }) };
  const begin = () =>
    recording.begin({
      clock,
      method: Simple.method[kind],
      startedMs: nowMs,
      target: "t",
      timeoutMs: undefined,
    } as unknown as CallStart);
  begin();
  const starts = new Map<number, number>();
  return {
    recording,
    freed,
    begin,
    skip: (ms: number) => void (nowMs += ms),
    wait: (why: "resolution" | "backoff") => recording.waiting(why),
    start(number: number, hedge = false) {
      starts.set(number, nowMs);
      const endpoint = { address: `a:${number}` };
      recording.attemptStarted({ endpoint, hedge, number, startedMs: nowMs } as AttemptStart);
    },
    answering: (number: number) =>
      recording.attemptAnswering({ number, startedMs: starts.get(number) } as AttemptStart),
    end(number: number, end: AttemptEnd, error?: Error) {
      const latencyMs = nowMs - starts.get(number)!;
      recording.attemptEnded({ number, end, latencyMs, ...error && { code: Code.Unavailable, error } } as Attempt);
    },
    over(latencyMs: number) {
      recording.ended({ attempts: starts.size, code: undefined, error: undefined, latencyMs } as CallEnd);
      return readRecording(recording);
    },
  };
}

describe("a recording", () => {
  it("says of attempts how long there had been none in flight", () => {
    const { end, over, skip, start } = setUp();
    skip(5);
    start(1);
    skip(100);
    start(2, true);
    skip(10);
    end(1, "refused", new Error("no"));
    skip(10);
    start(3, true);
    end(3, "refused", new Error("no"));
    end(2, "refused", new Error("no"));
    skip(7);
    start(4);
    assert.deepEqual(over(140).attempts.map(({ waitMs }) => waitMs), [5, 0, 0, 7]);
  });

  it("takes ends for those of the attempts that they are of, in whichever order", () => {
    const { answering, end, over, skip, start } = setUp();
    start(1);
    start(2, true);
    skip(3);
    answering(1);
    skip(4);
    end(1, "answered");
    skip(5);
    end(2, "maybe-processed", new Error("lost"));
    assert.deepEqual(
      over(12).attempts.map(({ firstByteMs, latencyMs, end, error }) => [firstByteMs, latencyMs, end, error]),
      [[3, 7, "answered", undefined], [undefined, 12, "maybe-processed", "lost"]],
    );
  });

  it("ignores what becomes of an attempt that is not kept", () => {
    const { answering, end, over, start } = setUp();
    for (let number = 1; number <= 6; number++) start(number, number > 1);
    answering(4);
    end(4, "answered");
    end(5, "refused", note(new Error("full"), "full"));
    end(6, "answered");
    const { attempts, moreAttempts } = over(0);
    assert.deepEqual(attempts.map(({ number, end }) => [number, end]), [
      [1, undefined],
      [2, undefined],
      [3, undefined],
      [6, "answered"],
    ]);
    assert.equal(moreAttempts, 2);
  });

  it("leaves out only attempts that were never made", () => {
    const { end, over, start } = setUp();
    start(1);
    end(1, "not-sent", new Error("refused by the host"));
    start(2);
    end(2, "not-sent", note(new ConnectError("full", Code.Unavailable), "full"));
    start(2);
    end(2, "answered");
    assert.deepEqual(over(0).attempts.map(({ number, end }) => [number, end]), [[1, "not-sent"], [2, "answered"]]);
  });

  it("has nothing of the call before it", () => {
    const { answering, begin, end, over, recording, skip, start, wait } = setUp();
    start(1);
    skip(2);
    answering(1);
    end(1, "refused", new Error("no"));
    wait("backoff");
    skip(3);
    assert.deepEqual(over(5).waited, { resolutionMs: 0, connectionMs: 0, roomMs: 0, backoffMs: 3 });
    wait("resolution");
    begin();
    const { uses } = recording;
    skip(20);
    start(1);
    end(1, "answered");
    const { waited, attempts, error } = over(20);
    assert.deepEqual(waited, { resolutionMs: 0, connectionMs: 0, roomMs: 0, backoffMs: 0 });
    assert.deepEqual(attempts, [{
      endpoint: "a:1",
      number: 1,
      hedge: false,
      startedMs: 20,
      waitMs: 20,
      latencyMs: 0,
      end: "answered",
      code: "OK",
    }]);
    assert.equal(error, undefined);
    begin();
    assert.ok(recording.uses > uses);
  });

  it("is as slow as its call, or as a stream's response was to begin", () => {
    const unary = setUp();
    unary.skip(10);
    unary.start(1);
    unary.skip(5);
    unary.answering(1);
    unary.end(1, "answered");
    unary.over(40);
    assert.equal(unary.recording.slownessMs, 40);
    const stream = setUp("routeServerStream");
    stream.over(30);
    assert.equal(stream.recording.slownessMs, 30);
    stream.begin();
    stream.skip(10);
    stream.start(1);
    stream.over(50);
    assert.equal(stream.recording.slownessMs, 50);
    stream.begin();
    stream.skip(10);
    stream.start(1);
    stream.skip(5);
    stream.answering(1);
    stream.over(60);
    assert.equal(stream.recording.slownessMs, 15);
  });

  it("is free when nobody holds it, and no attempt of its call may end any more", () => {
    const { begin, end, freed, over, recording, start } = setUp();
    start(1);
    recording.hold();
    over(0);
    recording.release();
    assert.deepEqual(freed, []);
    begin();
    start(1);
    end(1, "answered");
    recording.hold();
    recording.hold();
    over(0);
    recording.release();
    assert.deepEqual(freed, []);
    recording.release();
    assert.deepEqual(freed, [recording]);
  });
});

/** A recording that counts who holds it. */
function held(slownessMs: number) {
  const recording = { slownessMs, holders: 0, hold: () => recording.holders++, release: () => recording.holders-- };
  return recording as unknown as Recording & { readonly holders: number };
}

describe("the rings", () => {
  it("hold the newest calls, and let go of the others", () => {
    const ring = new CallRing(3), all = [1, 2, 3, 4, 5].map(held);
    for (const recording of all) ring.add(recording);
    assert.deepEqual(all.map(({ holders }) => holders), [0, 0, 1, 1, 1]);
    assert.deepEqual(ring.newest(2), [all[4], all[3]]);
    assert.deepEqual(ring.newest(9), [all[4], all[3], all[2]]);
  });

  it("hold the slowest calls of two periods, and let go of the others", () => {
    const slowest = new SlowestCalls(3, 100);
    const of = (all: readonly Recording[]) => all.map(({ slownessMs }) => slownessMs);
    const first = [5, 9, 1, 7, 1, 7, 2, 8].map(held);
    for (const recording of first) slowest.add(recording, 50);
    assert.deepEqual(of(slowest.slowest(9)), [9, 8, 7]);
    assert.deepEqual(first.map(({ holders }) => holders), [0, 1, 0, 1, 0, 0, 0, 1]);
    const second = [2, 6, 8, 3].map(held);
    for (const recording of second) slowest.add(recording, 150);
    assert.deepEqual(of(slowest.slowest(9)), [9, 8, 8]);
    assert.deepEqual(of(slowest.slowest(1)), [9]);
    const third = held(1);
    slowest.add(third, 250);
    assert.deepEqual(of(slowest.slowest(9)), [8, 6, 3]);
    assert.deepEqual([...first, ...second].map(({ holders }) => holders), [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1]);
    const fourth = held(2);
    slowest.add(fourth, 450);
    assert.deepEqual(of(slowest.slowest(9)), [2]);
    assert.equal(third.holders, 0);
    for (const ms of [4, 3, 5, 1]) slowest.add(held(ms), 450);
    assert.deepEqual(of(slowest.slowest(9)), [5, 4, 3]);
  });
});
