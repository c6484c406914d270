import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ServiceConfigSource, ServiceConfigText } from "../../src/resolver/config-source.ts";
import { watchConfig } from "../../src/service-config/watch-config.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

/** A source that is read step by step: each step is a text, an error that it throws, or its end. */
function setUp() {
  const clock = new ManualClock(), stop = new AbortController(), texts: ServiceConfigText[] = [];
  const waiting: ((step: IteratorResult<ServiceConfigText> | Promise<never>) => void)[] = [];
  const state = { watches: 0 };
  const source: ServiceConfigSource = {
    watch() {
      state.watches++;
      const next = () => new Promise<IteratorResult<ServiceConfigText>>((resolve) => waiting.push(resolve));
      return { [Symbol.asyncIterator]: () => ({ next }) };
    },
  };
  const watched = watchConfig(source, { clock, signal: stop.signal }, (text) => void texts.push(text));
  return {
    clock,
    stop,
    texts,
    state,
    waiting,
    watched,
    yields: (value: ServiceConfigText) => waiting.shift()!({ done: false, value }),
    throws: (error: unknown) => waiting.shift()!(Promise.reject(error)),
    ends: () => waiting.shift()!({ done: true, value: undefined }),
  };
}

describe("the watch of a service config", () => {
  it("reads no faster than every 20 ms", async () => {
    const { clock, stop, texts, waiting, watched, yields } = setUp();
    yields("1");
    await clock.advance(19);
    assert.deepEqual([texts, waiting.length], [["1"], 0]);
    await clock.advance(1);
    assert.equal(waiting.length, 1);
    stop.abort();
    yields("2");
    await watched;
    assert.deepEqual(texts, ["1"], "nothing is heard after the end");
    assert.deepEqual(clock.pending, []);
  });

  it("says nothing of an error that comes with its end", async () => {
    for (const how of ["throws", "ends"] as const) {
      const { clock, state, stop, texts, watched, ...steps } = setUp();
      stop.abort();
      steps[how](new Error("aborted"));
      await watched;
      assert.deepEqual([texts, state.watches, clock.pending], [[], 1, []]);
    }
  });

  it("begins again after a backoff that grows, and that starts over once there was a text", async () => {
    const { clock, state, stop, texts, throws, watched, yields } = setUp();
    const delays: number[] = [];
    const fail = async () => {
      throws(new Error("away"));
      await settled();
      const [delayMs] = clock.pending;
      delays.push(delayMs!);
      await clock.advance(delayMs!);
    };
    for (let i = 0; i < 8; i++) await fail();
    assert.ok(delays[7]! > 4 * delays[0]!, delays.join());
    assert.equal(state.watches, 9);
    yields("1");
    await clock.advance(20);
    await fail();
    assert.ok(delays[8]! < 2 * delays[0]! && delays[8]! < delays[7]! / 2, delays.join());
    assert.deepEqual(texts.map(String), [
      "Error: the service config can't be read: away",
      "1",
      "Error: the service config can't be read: away",
    ]);
    assert.equal(((texts[0] as Error).cause as Error).message, "away");
    stop.abort();
    throws(new Error("aborted"));
    await watched;
  });
});
