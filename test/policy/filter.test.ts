import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { filter } from "../../src/policy/filter.ts";
import { leastRequest } from "../../src/policy/least-request.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import type { CallInfo } from "../../src/policy/policy.ts";
import { callExcluding, fakeConnection, fakeEnvironment, picksOf } from "../support/fake-connections.ts";

const isCanary = (call: CallInfo) => (call as { canary?: boolean }).canary === true;
const canaries = () => filter(({ metadata }, call) => metadata === (isCanary(call) ? "new" : "old"), roundRobin());
const canaryCall = { excluded: () => false, canary: true } as unknown as CallInfo;

const servers = () =>
  ["old", "old", "old", "new", "new"].map((metadata, i) => fakeConnection({ address: `10.0.0.${i}:80`, metadata }));

describe("filter", () => {
  it("sends each call to endpoints that it may go to, each in turn", () => {
    const all = servers(), picker = canaries()(all, undefined, fakeEnvironment());
    assert.deepEqual(picksOf(picker, all, 30, canaryCall), [0, 0, 0, 15, 15]);
    assert.deepEqual(picksOf(picker, all, 30).slice(3), [0, 0]);
  });

  it("works with policies that draw at random", () => {
    const all = servers(), policy = filter(({ metadata }) => metadata === "new", leastRequest());
    const picks = picksOf(policy(all, undefined, fakeEnvironment()), all, 1_000);
    assert.deepEqual(picks.slice(0, 3), [0, 0, 0]);
    assert.ok(Math.abs(picks[3]! - 500) < 80, `${picks}`);
  });

  it("says that the only endpoint of a call is failing, and not that there is none", () => {
    const all = servers().slice(0, 4), env = fakeEnvironment();
    Object.assign(all[3]!, { state: "transient_failure", available: false, failure: new Error("no answer") });
    assert.match(String(canaries()(all, undefined, env).pick(canaryCall)), /every endpoint is failing/);
    assert.match(
      String(canaries()(all.slice(0, 3), undefined, env).pick(canaryCall)),
      /the filter accepts no endpoint/,
    );
  });

  it("skips endpoints that the call has tried", () => {
    const all = servers(), picker = filter(({ metadata }) => metadata === "new")(all, undefined, fakeEnvironment());
    assert.deepEqual(picksOf(picker, all, 10, callExcluding(all[3]!)), [0, 0, 0, 0, 10]);
  });

  it("fails a call that may go nowhere, and one whose endpoints are all failing, and waits for those that connect", () => {
    const all = servers(), env = fakeEnvironment();
    for (const each of all.slice(3)) {
      Object.assign(each, { state: "transient_failure", available: false, failure: new Error("no answer") });
    }
    const failing = canaries()(all, undefined, env).pick(canaryCall);
    assert.equal((failing as Error).message, "every endpoint is failing");
    Object.assign(all[3]!, { state: "connecting", failure: undefined });
    assert.equal(canaries()(all, undefined, env).pick(canaryCall), "wait");
    const none = filter(() => false)(all, undefined, env).pick(callExcluding());
    assert.match((none as Error).message, /the filter accepts no endpoint/);
  });

  it("passes on what its policy is told and says", () => {
    const all = servers(), heard: string[] = [], env = fakeEnvironment();
    const policy = filter(() => true, (_, previous) => {
      heard.push(previous === undefined ? "first" : "again");
      return {
        pick: () => all[0]!,
        done: () => void heard.push("done"),
        describe: () => ({ weight: 2 }),
        exitIdle: () => void heard.push("exitIdle"),
        close: () => void heard.push("close"),
      };
    });
    const picker = policy(all, policy(all, undefined, env), env);
    picker.done!(all[0]!, { end: "answered" } as never, callExcluding());
    picker.exitIdle!();
    picker.close!();
    assert.deepEqual(picker.describe!(all[0]!), { weight: 2 });
    assert.deepEqual(heard, ["first", "again", "done", "exitIdle", "close"]);
  });

  it("throws for invalid arguments", () => {
    assert.throws(() => filter({} as never), { name: "TypeError", message: /option accepts/ });
    assert.throws(() => filter(() => true, {} as never), { name: "TypeError", message: /option policy/ });
  });
});
