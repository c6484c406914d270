import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SimulatedClock } from "../../bench/fleet/model/clock.ts";
import { Latencies } from "../../bench/fleet/model/latencies.ts";
import { Processor } from "../../bench/fleet/model/processor.ts";
import { Random } from "../../bench/fleet/model/random.ts";
import type { Contender, Shape } from "../../bench/fleet/model/shape.ts";
import { simulate } from "../../bench/fleet/model/simulate.ts";
import { roundRobin } from "../../src/index.ts";

const shape: Shape = {
  name: "small",
  title: "a small fleet",
  servers: 3,
  clients: 4,
  load: 0.7,
  warmUpSeconds: 1,
  seconds: 3,
};
const ROUND_ROBIN: Contender = { name: "round robin", options: () => ({ policy: roundRobin() }) };

describe("the simulation of a fleet", () => {
  it("gives the same result for the same seed, and another for another", async () => {
    const first = await simulate(shape, ROUND_ROBIN, 1);
    assert.deepEqual(await simulate(shape, ROUND_ROBIN, 1), first);
    assert.notDeepEqual(await simulate(shape, ROUND_ROBIN, 2), first);
  });

  it("accounts for every call, also when servers fail, vanish and return", async () => {
    const result = await simulate(
      {
        ...shape,
        timeoutMs: 200,
        idempotent: false,
        script({ servers, clock }) {
          servers[0]!.failing = { share: 0.5, workMs: 0.1 };
          clock.timer(2_000, () => servers[1]!.interrupt("down"));
          clock.timer(2_500, () => servers[1]!.restore());
          clock.timer(3_000, () => servers[2]!.interrupt("unreachable"));
        },
      },
      // So that all servers get their share whatever happens.
      { name: "no ejection", options: () => ({ policy: roundRobin(), ejectOutliers: false }) },
      1,
    );
    assert.equal(result.succeeded + result.failed + result.unfinished, result.calls);
    assert.equal(result.unfinished, 0);
    assert.ok(result.failed > 0.1 * result.calls, `${result.failed} of ${result.calls} failed`);
    assert.ok(result.succeeded > 0.3 * result.calls, `${result.succeeded} of ${result.calls} succeeded`);
  });

  it("has the mean latency that queueing theory gives for one server: S ÷ (1 − load)", async () => {
    const { meanMs, calls } = await simulate(
      {
        ...shape,
        servers: 1,
        clients: 1,
        cores: 1,
        rttMs: 0,
        load: 0.5,
        seconds: 100,
        work: (random) => random.exponential(10),
        meanWorkMs: 10,
      },
      ROUND_ROBIN,
      1,
    );
    assert.ok(Math.abs(calls - 5_000) < 250, `${calls} calls`);
    assert.ok(Math.abs(meanMs - 20) < 1.5, `${meanMs} ms`);
  });

  it("counts a round trip for each call", async () => {
    const { p50Ms } = await simulate(
      { ...shape, load: 0.01, seconds: 20, rttMs: 8, work: () => 10, meanWorkMs: 10 },
      ROUND_ROBIN,
      1,
    );
    assert.equal(Math.round(p50Ms * 1e6) / 1e6, 18);
  });
});

describe("a simulated processor", () => {
  const at = async (start: (processor: Processor, clock: SimulatedClock, done: () => void) => void) => {
    const clock = new SimulatedClock(), ends: number[] = [];
    start(new Processor(clock.model, 2, 1), clock, () => ends.push(Math.round(clock.now() * 1e6) / 1e6));
    await clock.run(1_000);
    return ends;
  };

  it("gives each job a core as long as there are enough, and equal shares otherwise", async () => {
    const jobs = (count: number) =>
      at((processor, _, done) => {
        for (let i = 0; i < count; i++) processor.start(10, done);
      });
    assert.deepEqual(await jobs(2), [10, 10]);
    assert.deepEqual(await jobs(4), [20, 20, 20, 20]);
  });

  it("goes on with its jobs when its speed changes, when it stood still, and when some are cancelled", async () => {
    const ends = await at((processor, clock, done) => {
      processor.start(10, done);
      clock.timer(5, () => processor.share = 0);
      clock.timer(20, () => processor.share = 1);
      clock.timer(20, () => processor.speed = 0.5);
    });
    assert.deepEqual(ends, [30]);
    const others = await at((processor, clock, done) => {
      for (let i = 0; i < 3; i++) processor.start(10, done);
      const cancelled = processor.start(1, done);
      clock.timer(0, () => processor.cancel(cancelled));
    });
    assert.deepEqual(others, [15, 15, 15]);
  });

  it("counts the time for which its cores work", async () => {
    let busyMs = 0;
    await at((processor, clock, done) => {
      processor.start(10, done);
      processor.start(20, done);
      clock.timer(500, () => busyMs = processor.busyMs);
    });
    assert.equal(Math.round(busyMs), 30);
  });
});

describe("a simulated clock", () => {
  it("runs events in the order of their times, and those of one time in the order in which they were scheduled", async () => {
    const clock = new SimulatedClock(), random = new Random(1), ran: number[][] = [];
    for (let i = 0; i < 500; i++) {
      const ms = random.below(100);
      const timer = clock.model.timer(ms, () => ran.push([ms, i]));
      if (i % 7 === 0) timer.cancel();
    }
    await clock.run(100);
    assert.equal(ran.length, 500 - 72);
    assert.deepEqual(ran, [...ran].sort(([a, i], [b, j]) => a! - b! || i! - j!));
  });

  it("lets promises settle before the next event", async () => {
    const clock = new SimulatedClock(), seen: string[] = [];
    clock.timer(1, async () => {
      for (let i = 0; i < 50; i++) await Promise.resolve();
      seen.push("settled");
    });
    clock.timer(1, () => seen.push("next"));
    await clock.run(1);
    assert.deepEqual(seen, ["settled", "next"]);
  });
});

describe("latencies", () => {
  it("have exact quantiles", () => {
    const latencies = new Latencies();
    for (let i = 3_000; i > 0; i--) latencies.add(i);
    assert.deepEqual([0.5, 0.99, 0.999].map((share) => latencies.quantile(share)), [1_501, 2_971, 2_998]);
    assert.equal(latencies.mean, 1_500.5);
  });
});
