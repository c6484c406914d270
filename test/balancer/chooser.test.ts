import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Chooser } from "../../src/balancer/chooser.ts";
import { SharedConnections } from "../../src/balancer/shared-connections.ts";
import type { Connection } from "../../src/connection/connection.ts";
import type { EndpointConnection } from "../../src/connection/endpoint-connection.ts";
import type { Policy } from "../../src/policy/policy.ts";
import { fakeConnection } from "../support/fake-connections.ts";
import { ManualClock } from "../support/manual-clock.ts";

function fakes(...states: Connection["state"][]): EndpointConnection[] {
  return states.map((state, i) => {
    const fake = fakeConnection(`${i}:1`, { state });
    return Object.assign(fake, { wantedBy() {}, unwantedBy() {} }) as unknown as EndpointConnection;
  });
}

/** A policy that notes what it is given. */
function noting(before: (connections: readonly Connection[]) => void = () => {}) {
  const given: (readonly Connection[])[] = [];
  const policy: Policy = (connections) => {
    given.push(connections);
    before(connections);
    return { pick: () => "wait" };
  };
  return { given, policy };
}

function chooserOf(policy: Policy) {
  const failures: string[] = [];
  const chooser = new Chooser({
    policy,
    clock: new ManualClock(),
    random: () => 0,
    shares: true,
    onUpdate() {},
    onFailed: ({ message }) => void failures.push(message),
  });
  return { chooser, failures };
}

describe("a chooser", () => {
  it("gives its policy another list only when the set is another", () => {
    const { given, policy } = noting(), { chooser } = chooserOf(policy), set = fakes("ready", "ready");
    for (const each of [set, set, [...set]]) chooser.build(each);
    assert.equal(given[0], given[1]);
    assert.notEqual(given[1], given[2]);
    assert.equal(given[1]![0], given[2]![0], "with the same views");
  });

  it("goes on with its policy when that is to choose again, before another has taken over", () => {
    const previous: boolean[] = [];
    const policy: Policy = (_, before) => {
      previous.push(before !== undefined);
      return { pick: () => "wait" };
    };
    const second = noting((connections) => connections.forEach((one) => one.connect()));
    const { chooser } = chooserOf(policy), set = fakes("connecting");
    chooser.build(set);
    chooser.use(second.policy);
    chooser.build(set);
    chooser.use(policy);
    Object.assign(set[0]!, { state: "ready" });
    chooser.build(set);
    assert.deepEqual([previous, second.given.length], [[false, true, true], 1]);
  });

  it("asks one policy at a time, and both only while the next one opens connections", () => {
    const first = noting(), second = noting((connections) => connections.forEach((one) => one.connect()));
    const { chooser } = chooserOf(first.policy), set = fakes("connecting", "connecting");
    chooser.build(set);
    chooser.use(second.policy);
    chooser.build(set);
    chooser.build(set);
    assert.deepEqual([first.given.length, second.given.length], [3, 2]);
    Object.assign(set[0]!, { state: "ready" });
    chooser.build(set);
    chooser.build(set);
    assert.deepEqual([first.given.length, second.given.length], [3, 4]);
  });

  it("goes on with the policy that is to be next when it is told so again", () => {
    const first = noting(), second = noting((connections) => connections.forEach((one) => one.connect()));
    const { chooser } = chooserOf(first.policy), set = fakes("connecting");
    chooser.build(set);
    for (let i = 0; i < 2; i++) {
      chooser.use(second.policy);
      chooser.build(set);
    }
    assert.equal(second.given[0], second.given[1], "it is given the same list, so it was not started again");
  });

  it("asks the policy in use in the same turn when the next one fails", () => {
    const first = noting(), { chooser, failures } = chooserOf(first.policy), set = fakes("ready");
    chooser.build(set);
    chooser.use(() => {
      throw new Error("no idea");
    });
    chooser.build(set);
    chooser.build(set);
    assert.equal(first.given.length, 3);
    assert.deepEqual(failures, ["the policy failed: no idea"]);
  });

  it("asks nobody after its end, and has no picker", () => {
    for (const end of ["close", "release"] as const) {
      const first = noting(), second = noting(), { chooser } = chooserOf(first.policy), set = fakes("ready");
      chooser.build(set);
      chooser[end]();
      chooser.use(second.policy);
      chooser.build(set);
      assert.deepEqual([first.given.length, second.given.length, chooser.picker], [1, 0, undefined]);
    }
  });
});

describe("shared connections", () => {
  it("are opening as long as one that is wanted is, and none is ready", () => {
    const shared = new SharedConnections(), set = fakes("connecting", "ready");
    const [connecting, ready] = shared.show(set);
    assert.equal(shared.opening, false);
    connecting!.connect();
    assert.equal(shared.opening, true);
    ready!.connect();
    assert.equal(shared.opening, false);
    ready!.disconnect();
    assert.equal(shared.opening, true);
    connecting!.disconnect();
    assert.equal(shared.opening, false);
  });
});
