import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Endpoint } from "../../src/endpoint.ts";
import { failover, groupShares } from "../../src/policy/failover.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import {
  callExcluding,
  type FakeConnection,
  fakeConnection,
  fakeEnvironment,
  picksOf,
} from "../support/fake-connections.ts";

const priority = ({ zone }: Endpoint) => Number(zone);

function servers(...counts: readonly number[]): FakeConnection[] {
  return counts.flatMap((count, zone) =>
    Array.from({ length: count }, (_, i) => fakeConnection({ address: `g${zone}-${i}:80`, zone: `${zone}` }))
  );
}

const FAILING = { state: "transient_failure", available: false, failure: new Error("no answer") } as const;

describe("the shares of groups", () => {
  /** A group of 100 of which so many are usable. */
  const group = (usable: number) => Array.from({ length: 100 }, (_, i) => i < usable);
  const percent = (...usable: readonly number[]) =>
    groupShares(usable.map(group)).map((share) => Math.round(100 * share));

  it("leave all to the first as long as it can carry them", () => {
    assert.deepEqual(percent(100, 100), [100, 0]);
    assert.deepEqual(percent(72, 100), [100, 0]);
  });

  it("are at most what each can carry", () => {
    assert.deepEqual(percent(100, 100, 100), [100, 0, 0]);
    assert.deepEqual(groupShares([[true], [true]]), [1, 0]);
    assert.deepEqual(percent(40, 100, 100), [56, 44, 0]);
  });

  it("take what the first can't carry to the next", () => {
    assert.deepEqual(percent(71, 100), [99, 1]);
    assert.deepEqual(percent(50, 100), [70, 30]);
    assert.deepEqual(percent(25, 100), [35, 65]);
    assert.deepEqual(percent(0, 100), [0, 100]);
    assert.deepEqual(percent(25, 25, 100), [35, 35, 30]);
  });

  it("follow what each can carry if they can't carry all", () => {
    assert.deepEqual(percent(25, 25), [50, 50]);
    assert.deepEqual(percent(5, 65), [7, 93]);
    assert.deepEqual(percent(0, 0), [100, 0]);
  });
});

describe("failover", () => {
  it("uses the group with the lowest number first, in whichever order they come", () => {
    const all = servers(1, 1, 1), env = fakeEnvironment();
    for (const numbers of [[1, 0, 2], [2, 1, 0], [0, 2, 1], [2, 0, 1], [-1, -2, 0]]) {
      const byNumber = ({ zone }: Endpoint) => numbers[Number(zone)]!;
      const first = numbers.indexOf(Math.min(...numbers));
      const picks = picksOf(failover({ priority: byNumber }, roundRobin())(all, undefined, env), all, 30);
      assert.deepEqual(picks, all.map((_, i) => i === first ? 30 : 0), numbers.join());
    }
  });

  it("uses the first group, and opens no other", () => {
    const all = servers(3, 3);
    for (const each of all) Object.assign(each, { state: "idle", available: false });
    const env = fakeEnvironment(), policy = failover({ priority }, roundRobin());
    const picker = policy(all, undefined, env);
    assert.deepEqual(all.map(({ state }) => state).join(), "connecting,connecting,connecting,idle,idle,idle");
    assert.equal(picker.pick(callExcluding()), "wait");
    for (const each of all.slice(0, 3)) Object.assign(each, { state: "ready", available: true });
    assert.deepEqual(picksOf(policy(all, picker, env), all, 300), [100, 100, 100, 0, 0, 0]);
  });

  it("goes by the numbers, whatever the order of addresses", () => {
    const all = servers(2, 2), policy = failover({ priority: ({ zone }) => -Number(zone) });
    assert.deepEqual(picksOf(policy(all, undefined, fakeEnvironment()), all, 10), [0, 0, 5, 5]);
  });

  it("takes a share to the backup when half of the first is lost, and back when that returns", () => {
    const all = servers(4, 4), env = fakeEnvironment(), policy = failover({ priority });
    let picker = policy(all, undefined, env);
    for (const each of all.slice(0, 2)) Object.assign(each, FAILING);
    picker = policy(all, picker, env);
    const picks = picksOf(picker, all, 100_000);
    const first = picks.slice(0, 4).reduce((sum, n) => sum + n, 0);
    assert.ok(Math.abs(first / 70_000 - 1) < 0.02, `${first}`);
    for (const each of all.slice(0, 2)) Object.assign(each, { state: "ready", available: true, failure: undefined });
    assert.deepEqual(picksOf(policy(all, picker, env), all, 400), [100, 100, 100, 100, 0, 0, 0, 0]);
  });

  it("asks the backup for a call that the first has no connection for, once it is connected", () => {
    const all = servers(2, 2), env = fakeEnvironment(), policy = failover({ priority });
    for (const each of all.slice(0, 2)) Object.assign(each, FAILING);
    const down = policy(all, undefined, env);
    assert.deepEqual(picksOf(down, all, 10), [0, 0, 5, 5]);
    for (const each of all.slice(0, 2)) Object.assign(each, { state: "ready", available: true, failure: undefined });
    const up = policy(all, down, env);
    assert.deepEqual(picksOf(up, all, 10, callExcluding(...all.slice(0, 2))), [0, 0, 5, 5]);
  });

  it("fails when all groups do, and without endpoints", () => {
    const all = servers(2, 2), policy = failover({ priority });
    for (const each of all) Object.assign(each, FAILING);
    const picked = policy(all, undefined, fakeEnvironment()).pick(callExcluding());
    assert.equal((picked as Error).message, "every endpoint is failing");
    const none = policy([], undefined, fakeEnvironment()).pick(callExcluding());
    assert.equal((none as Error).message, "there are no endpoints");
  });

  it("closes the picker of a group that is gone, and the last ones with the transport", () => {
    const all = servers(1, 1), closed: string[] = [], env = fakeEnvironment();
    Object.assign(all[0]!, FAILING);
    const policy = failover({ priority }, (connections) => ({
      pick: () => connections[0]!,
      close: () => void closed.push(connections[0]!.endpoint.address),
    }));
    const both = policy(all, undefined, env);
    const second = policy(all.slice(1), both, env);
    assert.deepEqual(closed, ["g0-0:80"]);
    second.close!();
    assert.deepEqual(closed, ["g0-0:80", "g1-0:80"]);
  });

  it("throws for invalid options, and for a priority that is no number", () => {
    assert.throws(() => failover({} as never), { name: "TypeError", message: /option priority/ });
    assert.throws(() => failover({ priority }, "x" as never), { name: "TypeError", message: /option policy/ });
    const policy = failover({ priority: () => "first" as never });
    assert.throws(
      () => policy(servers(1), undefined, fakeEnvironment()),
      /priority of failover\(\) returned first for/,
    );
  });
});
