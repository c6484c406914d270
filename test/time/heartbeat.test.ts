import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Clock } from "../../src/time/clock.ts";
import { Heartbeat } from "../../src/time/heartbeat.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** A heartbeat on a clock whose timers can be made never to fire, as when a Worker's request has ended. */
function started() {
  const clock = new ManualClock();
  let over = false;
  const ofRequest: Clock = {
    now: () => clock.now(),
    timer: (ms, callback) => clock.timer(ms, () => over || callback()),
  };
  const heartbeat = new Heartbeat(ofRequest);
  heartbeat.start();
  return { clock, heartbeat, endRequest: () => void (over = true) };
}

describe("a heartbeat", () => {
  it("misses no beat while its request lasts", async () => {
    const { clock, heartbeat } = started();
    for (let i = 0; i < 20; i++) {
      await clock.advance(700);
      assert.equal(heartbeat.missing(), false);
    }
    heartbeat.stop();
    assert.deepEqual(clock.pending, []);
  });

  it("misses a beat once its request has ended, and says so once, at the second look", async () => {
    const { clock, heartbeat, endRequest } = started();
    endRequest();
    await clock.advance(2_999);
    assert.equal(heartbeat.missing(), false);
    await clock.advance(1);
    assert.deepEqual([heartbeat.missing(), heartbeat.missing()], [false, false]);
    await clock.advance(100);
    assert.deepEqual([heartbeat.missing(), heartbeat.missing()], [true, false]);
    await clock.advance(60_000);
    assert.equal(heartbeat.missing(), false);
    heartbeat.start();
    await clock.advance(3_000);
    assert.equal(heartbeat.missing(), false);
    await clock.advance(100);
    assert.equal(heartbeat.missing(), true);
  });

  it("misses no beat that is merely late", () => {
    let now = 0, due: (() => void) | undefined;
    const heartbeat = new Heartbeat({ now: () => now, timer: (_, callback) => (due = callback, { cancel() {} }) });
    heartbeat.start();
    // A computation holds up the beat, and the first call comes before it.
    now = 10_000;
    assert.equal(heartbeat.missing(), false);
    due?.();
    now += 200;
    assert.equal(heartbeat.missing(), false);
  });
});
