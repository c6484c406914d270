import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { Resolution, Resolver } from "../../src/resolver/resolver.ts";
import { watchResolver } from "../../src/resolver/watch.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { manualResolver } from "../support/manual-resolver.ts";

function watch(t: TestContext, resolver: Resolver) {
  const clock = new ManualClock();
  const abort = new AbortController();
  const told: Resolution[] = [], skipped: string[] = [];
  /** Why an endpoint of each set was left out. */
  const leftOut: (string | undefined)[] = [];
  const watching = watchResolver(resolver, {
    resolved(resolution, cause) {
      told.push(resolution);
      leftOut.push(cause?.message);
    },
    skipped: (_, cause) => void skipped.push(cause.message),
  }, { clock, random: () => 0.5, signal: abort.signal });
  t.after(() => abort.abort());
  return { clock, abort, told, leftOut, skipped, watching };
}

describe("watchResolver", () => {
  it("is over when its signal aborts, and leaves no timer", async (t) => {
    const resolver = manualResolver();
    const { clock, abort, watching } = watch(t, resolver);
    resolver.tell({ endpoints: [] });
    await settled();
    abort.abort();
    await watching;
    assert.deepEqual(clock.pending, []);
  });

  it("is over when its signal aborts, although the resolver ignores it and keeps yielding", async (t) => {
    let yields = 0;
    const { clock, abort, told, watching } = watch(t, {
      async *resolve() {
        for (;;) yield { endpoints: [{ address: `a:${++yields}` }] };
      },
    });
    await clock.advance(20);
    abort.abort();
    await watching;
    assert.equal(told.length, 2);
  });

  it("starts a resolver again that throws or ends, after 1 s × 1.6, and keeps the set as stale since then", async (t) => {
    let starts = 0;
    const { clock, told } = watch(t, {
      async *resolve() {
        if (starts++ === 0) yield { endpoints: [{ address: "a:1" }] };
        else if (starts === 2) throw new Error("away");
      },
    });
    await clock.advance(20);
    assert.equal(told.at(-1)?.stale?.cause.message, "the resolver ended");
    const since = told.at(-1)?.stale?.sinceMs;
    await clock.advance(1_000);
    assert.equal(starts, 2);
    assert.equal(told.at(-1)?.stale?.cause.message, "away");
    assert.equal(told.at(-1)?.stale?.sinceMs, since);
    assert.deepEqual(told.at(-1)?.endpoints, [{ address: "a:1" }]);
    await clock.advance(1_599);
    assert.equal(starts, 2);
    await clock.advance(1);
    assert.equal(starts, 3);
  });

  it("waits no longer than 30 s before it starts one again, and starts over after a fresh set, not after a stale one", async (t) => {
    const startedAt: number[] = [];
    let next: Resolution | undefined;
    const { clock } = watch(t, {
      async *resolve() {
        startedAt.push(clock.now());
        if (next !== undefined) yield next;
        next = undefined;
      },
    });
    /** The last `count` times between two starts, after `ms` more. */
    const waits = async (ms: number, count: number) => {
      await clock.advance(ms);
      return startedAt.slice(-count - 1).map((atMs, i, all) => Math.round(all[i + 1]! - atMs)).slice(0, count);
    };
    assert.deepEqual(await waits(150_000, 2), [30_000, 30_000]);
    next = { endpoints: [], stale: { sinceMs: 0, cause: new Error("away") } };
    assert.deepEqual(await waits(60_020, 2), [30_000, 30_020]);
    next = { endpoints: [] };
    assert.deepEqual(await waits(13_000, 3), [30_000, 1_020, 1_600]);
  });

  it("says what was thrown when that is not an error, and since when nothing is known", async (t) => {
    const { clock, told } = watch(t, {
      // deno-lint-ignore require-yield -- it fails before
      async *resolve() {
        await settled();
        await new Promise<void>((resolve) => clock.timer(70, resolve));
        throw "away";
      },
    });
    await settled();
    await clock.advance(70);
    const { stale } = told[0]!;
    assert.ok(stale?.cause instanceof Error);
    assert.deepEqual([stale.cause.message, stale.sinceMs], ["away", 70]);
  });

  it("says what nothing is known because of", async (t) => {
    const { told } = watch(t, {
      // deno-lint-ignore require-yield -- it fails before
      async *resolve() {
        throw new Error("etcd is away");
      },
    });
    await settled();
    assert.deepEqual(told.map(({ endpoints, stale }) => [endpoints, stale?.cause.message]), [[
      undefined,
      "etcd is away",
    ]]);
  });

  for (
    const [what, garbage, why] of [
      ["undefined", undefined, /the resolver yielded undefined: expected \{ endpoints, stale\? \}/],
      ["a set that is no array", { endpoints: "a:1" }, /the resolver yielded endpoints "a:1": expected an array/],
      ["null for a set", { endpoints: null }, /the resolver yielded endpoints null: expected an array/],
      ["staleness without a cause", { endpoints: [], stale: true }, /the resolver yielded stale true: expected/],
      ["null for staleness", { endpoints: [], stale: null }, /the resolver yielded stale null: expected/],
    ] as const
  ) {
    it(`takes ${what} as the resolver's failure, and keeps the set`, async (t) => {
      const resolver = manualResolver();
      const { clock, told } = watch(t, resolver);
      resolver.tell({ endpoints: [{ address: "a:1" }] });
      await clock.advance(40);
      resolver.tell(garbage as unknown as Resolution);
      await clock.advance(40);
      assert.deepEqual(told.at(-1)?.endpoints, [{ address: "a:1" }]);
      assert.match(told.at(-1)?.stale?.cause.message ?? "", why);
      await clock.advance(2_000);
      resolver.tell({ endpoints: [{ address: "b:1" }] });
      await clock.advance(40);
      assert.deepEqual(told.at(-1), { endpoints: [{ address: "b:1" }] });
    });
  }

  it("skips invalid endpoints, says which and why, and goes on with the others", async (t) => {
    const resolver = manualResolver();
    const { told, leftOut, skipped } = watch(t, resolver);
    resolver.tell({
      endpoints: [
        null,
        "a:1",
        { address: "http://a:1" },
        { address: "a:99999" },
        { address: "a:1", weight: Number.NaN },
        { address: "a:1", secure: "yes" },
        { address: "a:1", authority: "evil\r\nhost" },
        { address: "b:1" },
      ],
    });
    await settled();
    assert.deepEqual(told.at(-1)?.endpoints, [{ address: "b:1" }]);
    assert.equal(skipped.length, 7);
    assert.match(skipped[2]!, /address "http:\/\/a:1" is a URL/);
    assert.equal(leftOut[0], skipped.at(-1));
  });

  it("reports an endpoint that it leaves out once, however many sets hold it", async (t) => {
    const resolver = manualResolver();
    const { clock, told, leftOut, skipped } = watch(t, resolver);
    const [good, bad] = [{ address: "a:1" }, { address: "b" }];
    for (let i = 0; i < 3; i++) {
      resolver.tell({ endpoints: [good, bad] });
      await clock.advance(20);
    }
    assert.deepEqual(told, [{ endpoints: [good] }, { endpoints: [good] }, { endpoints: [good] }]);
    assert.equal(skipped.length, 1);
    assert.deepEqual(leftOut, [skipped[0], skipped[0], skipped[0]]);
    resolver.tell({ endpoints: [good] });
    await clock.advance(20);
    assert.equal(leftOut.at(-1), undefined);
  });
});
