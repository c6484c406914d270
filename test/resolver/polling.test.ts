import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Endpoint } from "../../src/endpoint.ts";
import { type PolledSet, pollingResolver, type PollingResolverOptions } from "../../src/resolver/polling.ts";
import type { Resolution } from "../../src/resolver/resolver.ts";
import { countListeners } from "../support/count-listeners.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

type Answer = readonly (string | Endpoint)[] | Error | undefined;

/** A polled source whose answer a test sets; undefined: it hangs. */
function open(options: Partial<PollingResolverOptions> = {}) {
  const clock = new ManualClock();
  const source = { answer: [] as Answer, polledAt: [] as number[], signals: [] as AbortSignal[] };
  const resolver = pollingResolver({
    target: "users",
    poll(signal) {
      source.polledAt.push(clock.now());
      source.signals.push(signal);
      const { answer } = source;
      if (answer === undefined) return new Promise(() => {});
      if (answer instanceof Error) return Promise.reject(answer);
      return Promise.resolve({ endpoints: answer.map((one) => (typeof one === "string" ? { address: one } : one)) });
    },
    clock,
    random: () => 0.5,
    ...options,
  });
  const follow = () => {
    const stop = new AbortController();
    const seen: Resolution[] = [];
    const ended = (async () => {
      for await (const resolution of resolver.resolve(stop.signal)) seen.push(resolution);
    })();
    const end = () => {
      stop.abort();
      return ended;
    };
    return { seen, end, addresses: () => seen.at(-1)?.endpoints?.map(({ address }) => address) };
  };
  return { clock, source, resolver, follow };
}

describe("pollingResolver", () => {
  it("polls nothing until it is consumed, and nothing once its last consumer has left", async () => {
    const { clock, source, resolver, follow } = open();
    resolver.refresh!();
    await clock.advance(60_000);
    assert.deepEqual([source.polledAt, clock.pending], [[], []]);
    const [first, second] = [follow(), follow()];
    await clock.advance(0);
    await first.end();
    await clock.advance(30_000);
    assert.deepEqual(source.polledAt, [60_000, 90_000]);
    await second.end();
    await settled();
    assert.deepEqual(clock.pending, []);
    await clock.advance(60_000);
    assert.deepEqual([source.polledAt.length, clock.pending], [2, []]);
  });

  it("yields only sets that differ, whatever their order, and each endpoint once", async () => {
    const { clock, source, follow } = open({ intervalMs: 10_000 });
    source.answer = ["b:1", "a:1", "b:1"];
    const { seen, end } = follow();
    await clock.advance(0);
    source.answer = ["a:1", "b:1"];
    await clock.advance(10_000);
    assert.deepEqual(seen, [{ endpoints: [{ address: "a:1" }, { address: "b:1" }] }]);
    source.answer = [{ address: "a:1", weight: 2 }, "b:1"];
    await clock.advance(10_000);
    assert.deepEqual(seen[1], { endpoints: [{ address: "a:1", weight: 2 }, { address: "b:1" }] });
    source.answer = [];
    await clock.advance(10_000);
    assert.deepEqual([seen[2], seen.length], [{ endpoints: [] }, 3]);
    await end();
  });

  it("takes metadata that JSON can't say", async () => {
    const { clock, source, follow } = open({ intervalMs: 10_000 });
    source.answer = [{ address: "a:1", metadata: 1n }];
    const { seen, end } = follow();
    await clock.advance(20_000);
    assert.deepEqual(seen.at(-1), { endpoints: [{ address: "a:1", metadata: 1n }] });
    await end();
  });

  it("polls at once when asked to refresh, but never twice within the least time", async () => {
    const { clock, source, resolver, follow } = open({ intervalMs: 20_000, minIntervalMs: 3_000 });
    const { end } = follow();
    await clock.advance(7_000);
    resolver.refresh!();
    await clock.advance(0);
    assert.deepEqual(source.polledAt, [0, 7_000]);
    resolver.refresh!();
    resolver.refresh!();
    await clock.advance(2_999);
    assert.equal(source.polledAt.length, 2);
    await clock.advance(1);
    assert.deepEqual(source.polledAt, [0, 7_000, 10_000]);
    await end();
  });

  it("polls at once for its first consumer", async () => {
    const { source, follow } = open();
    const { end } = follow();
    await settled();
    assert.deepEqual(source.polledAt, [0]);
    await end();
  });

  it("keeps to the least time to the fraction of a millisecond", async () => {
    const { clock, source, resolver, follow } = open({ intervalMs: 20_000, minIntervalMs: 3_000 });
    const { end } = follow();
    await clock.advance(2_999.5);
    resolver.refresh!();
    await settled();
    assert.deepEqual(source.polledAt, [0]);
    await clock.advance(0.5);
    assert.deepEqual(source.polledAt, [0, 3_000]);
    await end();
  });

  it("does not count a poll that its last consumer didn't wait for", async () => {
    const { clock, source, resolver, follow } = open();
    const first = follow();
    await clock.advance(1_000);
    resolver.refresh!();
    await settled();
    await first.end();
    await settled();
    const second = follow();
    await clock.advance(4_000);
    assert.deepEqual(source.polledAt, [0, 5_000]);
    await second.end();
  });

  it("gives a new consumer what is known at once, and polls no sooner for it", async () => {
    const { clock, source, follow } = open();
    source.answer = ["a:1"];
    const first = follow();
    await clock.advance(1_000);
    await first.end();
    const second = follow();
    await settled();
    assert.deepEqual([second.addresses(), source.polledAt], [["a:1"], [0]]);
    await clock.advance(4_000);
    assert.deepEqual(source.polledAt, [0, 5_000]);
    await second.end();
  });

  it("keeps the last set as stale while polls fail, and backs off from the least time to the interval", async () => {
    const { clock, source, follow } = open({ intervalMs: 10_000, minIntervalMs: 4_000 });
    source.answer = ["a:1"];
    const { seen, end } = follow();
    await clock.advance(0);
    const cause = new Error("503");
    source.answer = cause;
    await clock.advance(50_000);
    const { endpoints, stale } = seen.at(-1)!;
    assert.deepEqual([endpoints, stale?.sinceMs], [[{ address: "a:1" }], 10_000]);
    assert.equal(stale?.cause.message, "the poll of users failed: 503");
    assert.equal(stale?.cause.cause, cause);
    const waits = source.polledAt.map((atMs, i) => Math.round(atMs - (source.polledAt[i - 1] ?? 0)));
    assert.deepEqual(waits, [0, 10_000, 4_000, 6_400, 10_000, 10_000]);
    source.answer = ["a:1"];
    await clock.advance(10_000);
    assert.deepEqual(seen.at(-1), { endpoints: [{ address: "a:1" }] });
    // The next failure waits as long as a first one.
    source.answer = cause;
    source.polledAt.length = 0;
    await clock.advance(15_000);
    assert.equal(source.polledAt[1]! - source.polledAt[0]!, 4_000);
    await end();
  });

  it("says that nothing is known, and why, when the first poll fails", async () => {
    const { clock, source, follow } = open({ label: "the list of pods" });
    source.answer = new Error("forbidden");
    const { seen, end } = follow();
    await clock.advance(0);
    assert.equal(seen[0]?.endpoints, undefined);
    assert.equal(seen[0]?.stale?.cause.message, "the list of pods failed: forbidden");
    await end();
  });

  it("gives a poll that hangs up in time, and aborts its signal", async () => {
    const { clock, source, follow } = open({ timeoutMs: 2_000 });
    source.answer = undefined;
    const { seen, end } = follow();
    await clock.advance(1_999);
    assert.deepEqual([seen.length, source.signals[0]?.aborted], [0, false]);
    await clock.advance(1);
    assert.equal(seen[0]?.stale?.cause.message, "the poll of users failed: no answer within 2000 ms");
    assert.equal(source.signals[0]?.aborted, true);
    await end();
  });

  it("gives a poll 10 s by default", async () => {
    const { clock, source, follow } = open();
    source.answer = undefined;
    const { seen, end } = follow();
    await clock.advance(10_000);
    assert.equal(seen[0]?.stale?.cause.message, "the poll of users failed: no answer within 10000 ms");
    await end();
  });

  it("aborts the poll that is going on when its last consumer leaves", async () => {
    const { clock, source, follow } = open();
    source.answer = undefined;
    const { seen, end } = follow();
    await clock.advance(100);
    await end();
    await settled();
    assert.deepEqual([source.signals[0]?.aborted, clock.pending, seen], [true, [], []]);
    // It says nothing about the source.
    source.answer = ["a:1"];
    const next = follow();
    await clock.advance(5_000);
    assert.deepEqual(next.seen, [{ endpoints: [{ address: "a:1" }] }]);
    await next.end();
  });

  it("leaves no timer behind, even if its last consumer leaves in the very moment in which a poll is answered", async () => {
    for (let turns = 0; turns < 12; turns++) {
      let answer = (_: PolledSet) => {};
      const { clock, follow } = open({ poll: () => new Promise((resolve) => answer = resolve) });
      const { end } = follow();
      await settled();
      answer({ endpoints: [] });
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      await end();
      await settled();
      assert.deepEqual(clock.pending, [], `after ${turns} turns`);
    }
  });

  it("lists once without a consumer, and leaves no timer behind", async () => {
    const { clock, source, resolver } = open();
    const stop = new AbortController();
    const listeners = countListeners(stop.signal);
    source.answer = ["b:1", "a:1"];
    assert.deepEqual(await resolver.list!(stop.signal), { endpoints: [{ address: "a:1" }, { address: "b:1" }] });
    source.answer = new Error("503");
    await assert.rejects(resolver.list!(stop.signal), /^Error: the poll of users failed: 503$/);
    assert.equal(listeners(), 0);
    source.answer = undefined;
    const left = resolver.list!(stop.signal);
    stop.abort(new Error("left"));
    await assert.rejects(left, /^Error: left$/);
    assert.equal(source.signals.at(-1)?.aborted, true);
    await assert.rejects(resolver.list!(stop.signal), /^Error: left$/);
    assert.deepEqual([source.signals.length, clock.pending], [3, []]);
  });

  it("counts anything but a set as a failed poll, and passes on what else a poll returns", async () => {
    for (const wrong of [undefined, null, ["a:1"], { endpoints: "a:1" }]) {
      const { resolver } = open({ poll: () => wrong as unknown as Promise<PolledSet> });
      await assert.rejects(
        resolver.list!(new AbortController().signal),
        /^Error: the poll of users failed: poll\(\) returned .*: expected \{ endpoints \}/,
      );
    }
    const set = { endpoints: [null, { address: "a:1" }], version: 7 } as unknown as PolledSet;
    const { resolver } = open({ poll: () => Promise.resolve(set) });
    assert.deepEqual(await resolver.list!(new AbortController().signal), {
      endpoints: [{ address: "a:1" }, null],
      version: 7,
    });
  });

  it("counts a poll that throws at once as failed", async () => {
    const { resolver } = open({
      poll() {
        throw "no such file";
      },
    });
    await assert.rejects(
      resolver.list!(new AbortController().signal),
      /^Error: the poll of users failed: no such file$/,
    );
  });

  it("refuses options that are wrong", () => {
    const refuses = (message: RegExp, options: unknown) =>
      assert.throws(() => open(options as PollingResolverOptions), message);
    refuses(/option target is "": expected non-empty text/, { target: "" });
    refuses(/option poll is 1: expected a function/, { poll: 1 });
    refuses(/option intervalMs is Infinity: expected milliseconds above 0/, { intervalMs: Infinity });
    for (const name of ["intervalMs", "minIntervalMs"]) {
      const refusal = new RegExp(`option ${name} is .*: expected milliseconds above 0`);
      for (const wrong of [0, -1, Infinity]) refuses(refusal, { [name]: wrong });
    }
    refuses(/^RangeError: option intervalMs is 4999: expected milliseconds, at least minIntervalMs \(5000\)/, {
      intervalMs: 4_999,
    });
    refuses(/option timeoutMs is 0/, { timeoutMs: 0 });
    refuses(/no option "interval": did you mean intervalMs/, { interval: 1 });
    assert.doesNotThrow(() => open({ intervalMs: 1, minIntervalMs: 1 }));
  });
});
