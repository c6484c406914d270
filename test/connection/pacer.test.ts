import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Pacer } from "../../src/connection/pacer.ts";
import { ManualClock } from "../support/manual-clock.ts";

function setUp(during: (pacer: Pacer, run: number) => void = () => {}) {
  const clock = new ManualClock();
  const ranAt: number[] = [];
  const pacer: Pacer = new Pacer(clock, () => {
    ranAt.push(clock.now());
    during(pacer, ranAt.length);
  });
  return { clock, ranAt, pacer };
}

describe("Pacer", () => {
  it("runs at once for the first change, then once for those of each 20 ms", async () => {
    const { clock, ranAt, pacer } = setUp();
    pacer.request();
    assert.deepEqual(ranAt, [0]);
    for (let i = 0; i < 30; i++) {
      pacer.request();
      await clock.advance(1);
    }
    assert.deepEqual(ranAt, [0, 20]);
    await clock.advance(100);
    assert.deepEqual(ranAt, [0, 20, 40]);
    assert.deepEqual(clock.pending, []);
  });

  it("runs at once again after 20 ms without a change", async () => {
    const { clock, ranAt, pacer } = setUp();
    pacer.request();
    await clock.advance(20);
    pacer.request();
    assert.deepEqual(ranAt, [0, 20]);
  });

  it("runs at once for an urgent change, in place of the run that waits, and counts the 20 ms from there", async () => {
    const { clock, ranAt, pacer } = setUp();
    pacer.request();
    await clock.advance(5);
    pacer.request();
    pacer.requestUrgently();
    assert.deepEqual([ranAt, clock.pending], [[0, 5], []]);
    pacer.request();
    await clock.advance(19);
    assert.deepEqual(ranAt, [0, 5]);
    await clock.advance(1);
    assert.deepEqual(ranAt, [0, 5, 25]);
  });

  it("does what was requested during a run after it, never within it, and no sooner than after 20 ms", async () => {
    let within = false;
    const { clock, ranAt, pacer } = setUp((pacer, run) => {
      assert.equal(within, false);
      within = true;
      if (run < 3) pacer.request();
      within = false;
    });
    pacer.request();
    await clock.advance(100);
    assert.deepEqual(ranAt, [0, 20, 40]);
  });

  it("never runs within a run, however long that takes", () => {
    const clock = new ManualClock();
    let nowMs = 0, depth = 0, runs = 0;
    const pacer: Pacer = new Pacer({ now: () => nowMs, timer: clock.timer.bind(clock) }, () => {
      assert.equal(++depth, 1);
      nowMs += 30;
      if (++runs < 3) pacer.request();
      depth--;
    });
    pacer.request();
    assert.deepEqual([runs, clock.pending], [3, []]);
  });

  it("does at once what was requested urgently during a run", async () => {
    const { clock, ranAt, pacer } = setUp((pacer, run) => {
      if (run > 1) return;
      pacer.requestUrgently();
      pacer.request();
    });
    pacer.request();
    assert.deepEqual(ranAt, [0, 0]);
    await clock.advance(100);
    assert.deepEqual(ranAt, [0, 0]);
  });

  it("runs no more once it is stopped, not even what waits or was requested during the run", async () => {
    const { clock, ranAt, pacer } = setUp((pacer, run) => {
      if (run < 3) return;
      pacer.requestUrgently();
      pacer.stop();
    });
    pacer.request();
    pacer.request();
    await clock.advance(20);
    pacer.request();
    pacer.requestUrgently();
    pacer.request();
    pacer.requestUrgently();
    await clock.advance(100);
    assert.deepEqual([ranAt, clock.pending], [[0, 20, 20], []]);
  });

  it("starts over when it is restarted: the first change is not held up by what ran before", async () => {
    const { clock, ranAt, pacer } = setUp();
    pacer.request();
    pacer.request();
    pacer.stop();
    pacer.restart();
    assert.deepEqual(clock.pending, []);
    pacer.request();
    await clock.advance(100);
    assert.deepEqual(ranAt, [0, 0]);
  });

  it("goes on after a run that throws", async () => {
    const { clock, ranAt, pacer } = setUp((pacer, run) => {
      if (run > 1) return;
      pacer.requestUrgently();
      throw new Error("a bug of the listener");
    });
    assert.throws(() => pacer.request(), /a bug of the listener/);
    pacer.request();
    await clock.advance(100);
    assert.deepEqual(ranAt, [0, 20]);
  });
});
