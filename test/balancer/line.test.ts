import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Line } from "../../src/balancer/line.ts";
import type { PendingCall } from "../../src/balancer/picker-source.ts";

const callOf = (): PendingCall => ({ returned: false, wantsConnection: true, retry() {} });

describe("calls in line", () => {
  it("are visited in the order of their arrival, and no more once they have left, however many come and go", () => {
    const line = new Line();
    const waiting: PendingCall[] = [];
    for (let i = 0; i < 1_000; i++) {
      const call = callOf();
      line.add(call);
      waiting.push(call);
      // Now and then from the middle, else from the front; from time to time all but a few.
      const leaving = i % 400 === 399 ? waiting.length - 3 : i % 3 === 0 ? 1 : 0;
      for (let left = 0; left < leaving; left++) {
        const [gone] = waiting.splice(i % 5 === 0 ? waiting.length >> 1 : 0, 1);
        line.delete(gone!);
        assert.equal(line.has(gone!), false);
      }
      assert.equal(line.size, waiting.length);
      assert.ok([...line].every((call, at) => call === waiting[at]), `after ${i}`);
      assert.equal([...line].length, waiting.length);
    }
    assert.equal(line.has(waiting[0]!), true);
  });

  it("keep their places when those behind them leave", () => {
    const line = new Line();
    const waiting = Array.from({ length: 200 }, callOf);
    for (const call of waiting) line.add(call);
    while (waiting.length > 0) {
      line.delete(waiting.pop()!);
      assert.deepEqual([...line], waiting);
    }
  });

  it("that arrive during a visit are visited last, and those that leave during it are not", () => {
    const line = new Line();
    const [a, b, c, d] = [callOf(), callOf(), callOf(), callOf()];
    for (const call of [a, b, c]) line.add(call);
    const seen: PendingCall[] = [];
    for (const call of line) {
      seen.push(call);
      if (call !== a) continue;
      line.delete(b);
      line.add(d);
    }
    assert.deepEqual(seen, [a, c, d]);
  });
});
