import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Policy } from "../../src/policy/policy.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { slowStart, type SlowStartOptions } from "../../src/policy/slow-start.ts";
import {
  callExcluding,
  type FakeConnection,
  fakeConnection,
  fakeEnvironment,
  picksOf,
} from "../support/fake-connections.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** Three servers, and a fourth that joins when they are old. */
function joined(options: SlowStartOptions) {
  const clock = new ManualClock(), env = fakeEnvironment(clock), policy = slowStart(options, roundRobin());
  const all = ["a", "b", "c", "d"].map((name) => fakeConnection(`${name}:80`));
  const old = policy(all.slice(0, 3), undefined, env);
  clock.skip(1_000_000);
  return { clock, env, policy, all, picker: policy(all, old, env) };
}

describe("slowStart", () => {
  for (
    const [aggression, shares] of [[1, [0.1, 0.25, 0.5, 0.75]], [2, [0.316, 0.5, 0.707, 0.866]]] as const
  ) {
    it(`gives a new endpoint a growing share (aggression ${aggression})`, () => {
      const { clock, all, picker } = joined({ aggression });
      let at = 0;
      for (const [i, seconds] of [6, 15, 30, 45].entries()) {
        clock.skip(1_000 * seconds - at);
        at = 1_000 * seconds;
        assert.ok(Math.abs((picker.describe!(all[3]!)?.["slowStartShare"] as number) - shares[i]!) < 0.001);
        const picks = picksOf(picker, all, 40_000);
        assert.ok(Math.abs(picks[3]! / picks[0]! - shares[i]!) < 0.02, `${seconds} s: ${picks}`);
        assert.ok(Math.abs(picks[1]! / picks[0]! - 1) < 0.02, `${picks}`);
        assert.deepEqual(picker.describe!(all[0]!), { slowStartShare: 1 });
      }
      clock.skip(15_000);
      assert.deepEqual(picksOf(picker, all, 400), [100, 100, 100, 100]);
      assert.equal(picker.describe!(all[3]!), undefined);
    });
  }

  it("has a share of all of it exactly when the window ends, and of none before its picker is rebuilt", () => {
    const { clock, all, picker } = joined({ windowMs: 10_000 });
    const late = fakeConnection("e:80");
    assert.equal(picker.describe!(late), undefined, "one that it doesn't know");
    clock.skip(9_999);
    assert.deepEqual(picker.describe!(all[3]!), { slowStartShare: 0.9999 });
    picker.pick(callExcluding());
    assert.deepEqual(picker.describe!(all[3]!), { slowStartShare: 0.9999 });
    clock.skip(1);
    picker.pick(callExcluding());
    assert.equal(picker.describe!(all[3]!), undefined);
  });

  it("takes a minute from a tenth, in proportion to the time, unless told otherwise", () => {
    const { clock, all, picker } = joined({});
    const shares = [0, 6_000, 9_000, 44_999].map((ms) => {
      clock.skip(ms);
      return (picker.describe!(all[3]!) as { slowStartShare: number }).slowStartShare;
    });
    assert.deepEqual(shares, [0.1, 0.1, 0.25, 59_999 / 60_000]);
  });

  it("draws again twice at most, then takes the first", () => {
    const clock = new ManualClock(), all = ["a", "b", "c", "d", "e"].map((name) => fakeConnection(`${name}:80`));
    let draws = 0;
    const env = fakeEnvironment(clock, () => {
      draws++;
      return 0.999;
    });
    const policy = slowStart({}, roundRobin()), old = policy(all.slice(0, 1), undefined, env);
    clock.skip(1_000_000);
    const picker = policy(all, old, env);
    draws = 0;
    assert.equal(picker.pick(callExcluding(all[0]!)), all[4], "the start of the round is drawn, too");
    assert.equal(draws, 3);
    all[0]!.available = false;
    draws = 0;
    const first = picker.pick(callExcluding());
    assert.ok(all.slice(1).includes(first as FakeConnection));
    assert.equal(draws, 3);
  });

  /** Always the first that the call may go to, with a header or without. */
  const firstOf = (header?: HeadersInit): Policy => (connections) => ({
    pick(call) {
      const first = connections.find((connection) => !call.excluded(connection));
      if (first === undefined) return "wait";
      return header === undefined ? first : { connection: first, header };
    },
  });

  for (const [what, header] of [["connections", undefined], ["picks with metadata", { "x-a": "1" }]] as const) {
    it(`passes over all that are new, of ${what}, for one that is old`, () => {
      const clock = new ManualClock(), env = fakeEnvironment(clock, () => 0.999);
      const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => fakeConnection(`${name}:80`));
      const policy = slowStart({}, firstOf(header)), old = policy([c!, d!], undefined, env);
      clock.skip(1_000_000);
      const picker = policy([a!, b!, c!, d!], old, env);
      assert.deepEqual(picker.pick(callExcluding()), header === undefined ? c : { connection: c, header });
      const rest = callExcluding(b!, c!, d!);
      assert.deepEqual(picker.pick(rest), header === undefined ? a : { connection: a, header }, "the only one");
    });
  }

  it("holds an endpoint back if the number that is drawn is not below its share", () => {
    for (const [random, expected] of [[0.1, 1], [0.099_999, 0]] as const) {
      const clock = new ManualClock(), env = fakeEnvironment(clock, () => random);
      const all = ["a", "b"].map((name) => fakeConnection(`${name}:80`));
      const policy = slowStart({}, firstOf()), old = policy(all.slice(1), undefined, env);
      clock.skip(1_000_000);
      assert.equal(policy(all, old, env).pick(callExcluding()), all[expected]);
    }
  });

  it("takes nothing over from another policy's picker", () => {
    const all = [fakeConnection("a:80")], env = fakeEnvironment();
    const picker = slowStart({}, roundRobin())(all, roundRobin()(all, undefined, env), env);
    assert.equal(picker.pick(callExcluding()), all[0]);
  });

  it("begins with the smallest share", () => {
    const { all, picker } = joined({ minShare: 0.02, windowMs: 10_000 });
    const picks = picksOf(picker, all, 40_000);
    assert.ok(picks[3]! > 100 && picks[3]! < 900, `${picks}`);
  });

  it("changes nothing if all endpoints are new", () => {
    const all = ["a", "b", "c"].map((name) => fakeConnection(`${name}:80`));
    const picker = slowStart({}, roundRobin())(all, undefined, fakeEnvironment());
    assert.deepEqual(picksOf(picker, all, 300), [100, 100, 100]);
  });

  it("picks a new endpoint if there is no other", () => {
    const { all, picker } = joined({});
    assert.equal(picksOf(picker, all, 50, callExcluding(...all.slice(0, 3)))[3], 50);
  });

  it("begins anew when a connection was lost, not when a picker is rebuilt", () => {
    const { clock, env, policy, all, picker } = joined({});
    const shareOf = (of: typeof picker, connection: FakeConnection) => of.describe!(connection)?.["slowStartShare"];
    clock.skip(30_000);
    const rebuilt = policy(all, picker, env);
    assert.equal(shareOf(rebuilt, all[3]!), 0.5);
    Object.assign(all[3]!, { state: "idle", available: false });
    const lost = policy(all, rebuilt, env);
    Object.assign(all[3]!, { state: "ready", available: true });
    assert.equal(shareOf(policy(all, lost, env), all[3]!), 0.1);
  });

  it("passes on what its policy is told and says", () => {
    const heard: string[] = [], all = [fakeConnection("a:80")];
    const picker = slowStart({}, () => ({
      pick: () => ({ connection: all[0]!, header: { "x-a": "1" } }),
      done: () => void heard.push("done"),
      describe: () => ({ weight: 2 }),
      exitIdle: () => void heard.push("exitIdle"),
      close: () => void heard.push("close"),
    }))(all, undefined, fakeEnvironment());
    assert.deepEqual(picker.pick(callExcluding()), { connection: all[0]!, header: { "x-a": "1" } });
    picker.done!(all[0]!, { end: "answered" } as never, callExcluding());
    picker.exitIdle!();
    picker.close!();
    assert.deepEqual(picker.describe!(all[0]!), { weight: 2 });
    assert.deepEqual(heard, ["done", "exitIdle", "close"]);
  });

  it("throws for invalid options", () => {
    assert.throws(() => slowStart({ windowMs: 0 }), RangeError);
    assert.throws(() => slowStart({ minShare: 1 }), RangeError);
    assert.throws(() => slowStart({ minShare: 0 }), RangeError);
    assert.throws(() => slowStart({ aggression: 0 }), RangeError);
    assert.throws(() => slowStart({ aggression: Infinity }), RangeError);
    assert.throws(() => slowStart({}, 5 as never), { name: "TypeError", message: /option policy/ });
  });
});
