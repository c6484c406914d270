// When a stream of watches is probed, and when it is dead, on a clock that the test turns.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type EtcdError, WatchTimeout } from "../../src/etcd/driver/failure.ts";
import { WatchLiveness } from "../../src/etcd/watch/watch-liveness.ts";
import { ManualClock } from "../support/manual-clock.ts";

function setUp({ requestTimeoutMs = 3_000, probed = true, onAsk = () => {} } = {}) {
  const clock = new ManualClock(), asked: number[] = [], causes: EtcdError[] = [];
  const ask = (times: number) => {
    asked.push(times);
    onAsk();
  };
  const liveness = new WatchLiveness({
    clock,
    address: "e1:1",
    requestTimeoutMs,
    ask: probed ? ask : undefined,
    dead: (cause) => causes.push(cause),
  });
  return { clock, liveness, asked, causes, texts: () => causes.map(({ message }) => message) };
}

describe("a quiet stream of watches", () => {
  it("is probed every 2.5 s once a watch is open, and is dead when two probes were not answered", async () => {
    const { clock, liveness, asked, texts } = setUp();
    await clock.advance(10_000);
    assert.deepEqual([asked, clock.pending], [[], []]);
    liveness.begin();
    liveness.begin();
    assert.deepEqual(clock.pending, [2_500]);
    await clock.advance(2_500);
    assert.deepEqual(asked, [1]);
    await clock.advance(4_999);
    assert.deepEqual([asked, texts()], [[1, 2], []]);
    await clock.advance(1);
    assert.deepEqual([asked, clock.pending], [[1, 2], []]);
    assert.deepEqual(texts(), ["etcd at e1:1: the watch reported no progress for 5000 ms"]);
  });

  it("lives as long as it answers", async () => {
    const { clock, liveness, asked, texts } = setUp();
    liveness.begin();
    for (let n = 0; n < 5; n++) {
      await clock.advance(5_000);
      liveness.heard();
    }
    assert.deepEqual([asked, texts()], [[1, 2, 1, 2, 1, 2, 1, 2, 1, 2], []]);
  });

  it("of an etcd that may take long is probed every half of that", async () => {
    const { clock, liveness, texts } = setUp({ requestTimeoutMs: 8_000 });
    liveness.begin();
    assert.deepEqual(clock.pending, [4_000]);
    await clock.advance(12_000);
    assert.deepEqual(texts(), ["etcd at e1:1: the watch reported no progress for 8000 ms"]);
  });

  it("is probed at once if that is wanted, but not while an answer is due, nor before a watch is open", async () => {
    const { clock, liveness, asked } = setUp();
    liveness.ask();
    assert.deepEqual(asked, []);
    liveness.begin();
    await clock.advance(1_000);
    liveness.ask();
    liveness.ask();
    assert.deepEqual([asked, clock.pending], [[1], [2_500]]);
    liveness.heard();
    liveness.ask();
    assert.deepEqual(asked, [1, 1]);
  });

  it("is never probed where it can't be", async () => {
    const { clock, liveness, asked, causes } = setUp({ probed: false });
    liveness.begin();
    liveness.ask();
    await clock.advance(60_000);
    assert.deepEqual([asked, causes, clock.pending], [[], [], []]);
  });

  it("is not probed any more once it is stopped, also by a probe", async () => {
    const one = setUp();
    one.liveness.begin();
    one.liveness.stop();
    one.liveness.begin();
    one.liveness.ask();
    one.liveness.awaitsCreation();
    assert.deepEqual([one.asked, one.clock.pending], [[], []]);
    const other = setUp({ onAsk: () => other.liveness.stop() });
    other.liveness.begin();
    await other.clock.advance(2_500);
    assert.deepEqual([other.asked, other.clock.pending], [[1], []]);
  });
});

describe("a stream whose watch is not created", () => {
  it("is dead after requestTimeoutMs, counted from the first one that waits", async () => {
    const { clock, liveness, causes } = setUp();
    liveness.awaitsCreation();
    await clock.advance(2_000);
    liveness.awaitsCreation();
    await clock.advance(999);
    assert.equal(causes.length, 0);
    await clock.advance(1);
    assert.deepEqual(causes.map((cause) => [cause instanceof WatchTimeout, cause.message]), [
      [true, "etcd at e1:1: the watch was not created within 3000 ms"],
    ]);
  });

  it("has that time again for the next one when one was created", async () => {
    const { clock, liveness, causes } = setUp();
    liveness.awaitsCreation();
    await clock.advance(2_000);
    liveness.created();
    assert.deepEqual(clock.pending, []);
    liveness.awaitsCreation();
    await clock.advance(2_999);
    assert.deepEqual(causes, []);
    await clock.advance(1);
    assert.equal(causes.length, 1);
  });

  it("has that time again with each event of another, but not longer than ten times as long", async () => {
    const { clock, liveness, causes } = setUp();
    await clock.advance(7_000);
    liveness.events();
    assert.deepEqual(clock.pending, []);
    liveness.awaitsCreation();
    for (let n = 0; n < 11; n++) {
      await clock.advance(2_720);
      liveness.events();
      assert.deepEqual(clock.pending, [3_000]);
    }
    await clock.advance(79);
    liveness.events();
    assert.deepEqual(clock.pending, [3_000], "29,999 ms after it was requested");
    await clock.advance(1);
    liveness.events();
    assert.deepEqual(clock.pending, [2_999], "30,000 ms after");
    await clock.advance(2_999);
    assert.equal(causes.length, 1);
  });

  it("leaves no timer behind when it is stopped", () => {
    const { clock, liveness } = setUp();
    liveness.begin();
    liveness.awaitsCreation();
    assert.deepEqual(clock.pending, [2_500, 3_000]);
    liveness.stop();
    assert.deepEqual(clock.pending, []);
  });
});
