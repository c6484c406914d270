// Who may call an endpoint of etcd's JSON gateway that has not answered, on a clock that the test turns.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readMark } from "../../src/connection/mark.ts";
import { GatewayError } from "../../src/etcd/driver/gateway/gateway-error.ts";
import { type Probe, Probes } from "../../src/etcd/driver/gateway/probes.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

const never = new AbortController().signal;
const refused = () => new GatewayError("refused", undefined, new Error("ECONNREFUSED"));

function setUp(random = () => 0.5) {
  const clock = new ManualClock(), probes = new Probes(clock, random);
  /** A call that begins, and whether it may be made yet. */
  const begin = async (signal = never, neededByMs?: number) => {
    const call: { probe?: Probe | undefined; made: boolean; error?: unknown } = { made: false };
    probes.begin(signal, neededByMs).then((probe) => Object.assign(call, { probe, made: true }), (error) => {
      call.error = error;
    });
    await settled();
    return call;
  };
  return { clock, probes, begin };
}

describe("a probe of an endpoint that has not answered", () => {
  it("is the first call; the others look for its end after 10 ms, then after twice as long, up to 160 ms", async () => {
    const { clock, begin } = setUp();
    const first = await begin(), second = await begin();
    assert.deepEqual([first.made, second.made, first.probe === undefined], [true, false, false]);
    for (const lookMs of [10, 20, 40, 80, 160, 160, 160, 160, 160]) {
      assert.deepEqual(clock.pending, [lookMs]);
      await clock.advance(lookMs);
    }
    assert.deepEqual([clock.now(), second.made, clock.pending], [950, false, [50]]);
    await clock.advance(50);
    assert.deepEqual([second.made, second.probe === first.probe, clock.pending], [true, false, []]);
  });

  it("is over with the first answer: everybody may call, and no call is a probe", async () => {
    const { clock, probes, begin } = setUp();
    await begin();
    const second = await begin();
    probes.answered();
    await clock.advance(10);
    const third = await begin();
    assert.deepEqual([second.made, second.probe, third.made, third.probe], [true, undefined, true, undefined]);
  });

  it("whose caller leaves makes room for the next, unless a newer one is in flight or etcd has answered", async () => {
    const { clock, probes, begin } = setUp();
    const first = await begin();
    await clock.advance(1_000);
    const second = await begin();
    probes.left(first.probe!);
    assert.equal((await begin()).made, false, "the second is still in flight");
    probes.left(second.probe!);
    const third = await begin();
    assert.equal(third.made, true);
    probes.answered();
    probes.lost();
    const fourth = await begin();
    probes.left(third.probe!);
    assert.deepEqual([fourth.made, (await begin()).made], [true, false], "the fourth is still in flight");
  });

  it("that fails begins a backoff, which those who wait hear of, and later ones wait for", async () => {
    const { clock, probes, begin } = setUp(() => 0);
    const first = await begin(), waiting = await begin();
    probes.failed(first.probe!, refused());
    const later = await begin();
    assert.equal(probes.backoffMs(), 800);
    await clock.advance(10);
    assert.match(String(waiting.error), /^GatewayError: refused$/);
    assert.equal(readMark(waiting.error), "not-sent");
    await clock.advance(789);
    assert.deepEqual([later.made, later.error], [false, undefined], "that failure was before its time");
    await clock.advance(1);
    assert.equal(later.made, true);
  });

  it("fails those who wait for it each time, also when an earlier one has failed before", async () => {
    const { clock, probes, begin } = setUp();
    for (let failures = 1; failures <= 3; failures++) {
      await clock.advance(2_000);
      const { probe } = await begin(), waiting = await begin();
      probes.failed(probe!, refused());
      await clock.advance(10);
      assert.match(String(waiting.error), /refused/, `failure ${failures}`);
    }
  });

  it("says nothing about the endpoint if it ends after a newer one began, or after an answer", async () => {
    const { clock, probes, begin } = setUp();
    const first = await begin();
    await clock.advance(1_000);
    const second = await begin();
    probes.failed(first.probe!, refused());
    assert.equal(probes.backoffMs(), 0);
    probes.answered();
    probes.failed(second.probe!, refused());
    assert.deepEqual([probes.backoffMs(), probes.answers], [0, true]);
    probes.lost();
    const third = await begin();
    probes.failed(second.probe!, refused());
    assert.deepEqual([third.made, probes.backoffMs(), probes.answers], [true, 0, false]);
  });

  it("fails for the first delay again after an answer, which ends the backoff at once", async () => {
    const { clock, probes, begin } = setUp();
    for (const delayMs of [1_000, 1_600]) {
      probes.failed((await begin()).probe!, refused());
      assert.equal(probes.backoffMs(), delayMs);
      await clock.advance(delayMs);
    }
    probes.failed((await begin()).probe!, refused());
    probes.answered();
    probes.lost();
    assert.equal(probes.backoffMs(), 0);
    probes.failed((await begin()).probe!, refused());
    assert.equal(probes.backoffMs(), 1_000);
  });

  it("keeps nobody waiting who leaves, or whose answer would come too late", async () => {
    const { clock, probes, begin } = setUp();
    const { probe } = await begin();
    const caller = new AbortController(), reason = new Error("left");
    const waiting = await begin(caller.signal);
    caller.abort(reason);
    await settled();
    assert.deepEqual([waiting.error, clock.pending], [reason, []]);
    assert.equal((await begin(never, 1_999)).made, true);
    probes.failed(probe!, refused());
    assert.equal(probes.backoffMs(), 0, "another probe is in flight");
  });
});
