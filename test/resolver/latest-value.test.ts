import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LatestValue } from "../../src/resolver/latest-value.ts";
import { countListeners } from "../support/count-listeners.ts";
import { settled } from "../support/manual-clock.ts";

function open() {
  const state = { value: 0, consumers: [] as number[] };
  const latest = new LatestValue(() => state.value, (count) => void state.consumers.push(count));
  const follow = (signal = new AbortController().signal) => {
    const seen: (number | "end")[] = [];
    void (async () => {
      for await (const value of latest.consume(signal)) seen.push(value);
      seen.push("end");
    })();
    return seen;
  };
  const set = (value: number) => {
    state.value = value;
    latest.changed();
  };
  return { latest, state, follow, set };
}

describe("LatestValue", () => {
  it("gives each consumer the newest value, and leaves out what came in between", async () => {
    const { state, follow, set } = open();
    const first = follow();
    await settled();
    assert.deepEqual(first, []);
    for (const value of [1, 2]) set(value);
    const second = follow();
    await settled();
    set(3);
    await settled();
    assert.deepEqual([first, second, state.consumers], [[2, 3], [2, 3], [1, 2]]);
  });

  it("ends all consumers, those that wait and those that have not had the newest value yet", async () => {
    const { latest, state, follow, set } = open();
    set(1);
    const waiting = follow();
    await settled();
    set(2);
    latest.end();
    await settled();
    const late = follow();
    await settled();
    assert.deepEqual([waiting, late, state.consumers], [[1, 2, "end"], [2, "end"], [1, 0, 1, 0]]);
  });

  it("ends a consumer that waits", async () => {
    const { latest, follow } = open();
    const waiting = follow();
    await settled();
    latest.end();
    await settled();
    assert.deepEqual(waiting, ["end"]);
  });

  it("listens to a consumer's signal once, and only while it waits, however often the value changes", async () => {
    const { follow, set } = open();
    const abort = new AbortController();
    const listeners = countListeners(abort.signal);
    const seen = follow(abort.signal);
    for (const value of [1, 2, 3]) {
      set(value);
      await settled();
      assert.equal(listeners(), 1);
    }
    abort.abort();
    await settled();
    assert.deepEqual([seen, listeners()], [[1, 2, 3, "end"], 0]);
  });
});
