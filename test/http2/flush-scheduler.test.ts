import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FlushScheduler } from "../../src/http2/flush-scheduler.ts";

function setUp() {
  const ends: (() => void)[] = [], ran: string[] = [];
  const time = { ms: 0, read: 0 };
  const now = () => {
    time.read++;
    return time.ms;
  };
  const scheduler = new FlushScheduler(now, (end) => ends.push(end));
  const schedule = (name: string, flush = flushes[name] ??= () => ran.push(name)) => scheduler.schedule(flush);
  const flushes: Record<string, () => void> = {};
  return { ends, ran, time, schedule };
}

describe("a flush scheduler", () => {
  it("runs each flush once at the turn's end, in the order in which they came", () => {
    const { ends, ran, schedule } = setUp();
    for (const name of ["a", "b", "a", "b"]) schedule(name);
    assert.deepEqual([ends.length, ran], [1, []]);
    ends[0]!();
    assert.deepEqual(ran, ["a", "b"]);
    schedule("a");
    assert.equal(ends.length, 2);
    ends[1]!();
    assert.deepEqual(ran, ["a", "b", "a"]);
  });

  it("lets nothing that was buffered wait longer than a millisecond or so where a turn takes long", () => {
    const { ends, ran, time, schedule } = setUp();
    schedule("a");
    time.ms = 1;
    schedule("a");
    assert.deepEqual(ran, []);
    time.ms = 3;
    schedule("b");
    assert.deepEqual(ran, ["a"]);
    for (const end of ends) end();
    assert.deepEqual(ran, ["a", "b"]);
  });

  it("reads the clock rarely where calls come quickly, and each time where they don't", () => {
    const { time, schedule, ran } = setUp();
    for (let i = 0; i < 91; i++) schedule("a");
    assert.equal(time.read, 1 + 10);
    // What took long shows within eight calls.
    time.ms = 0.9;
    schedule("a");
    const { read } = time;
    time.ms = 1;
    schedule("a");
    assert.deepEqual([time.read, ran], [read + 1, []]);
    time.ms = 2;
    schedule("b");
    assert.deepEqual(ran, ["a"]);
  });
});
