import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createContextValues } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { type AttemptedCall, CallAttempt } from "../../src/call/attempt.ts";
import type { ObservedCall } from "../../src/call/observed-call.ts";
import type { Attempt, AttemptStart } from "../../src/call/observer.ts";
import type { Connection, Outcome } from "../../src/connection/connection.ts";
import type { EndpointConnection } from "../../src/connection/endpoint-connection.ts";
import type { Picker } from "../../src/policy/policy.ts";
import { newCounter } from "../../src/snapshot.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** An attempt on a connection that notes what it is told. */
function setUp(
  options: {
    retried?: number;
    grpc?: boolean;
    env?: object;
    done?: boolean;
    header?: Headers;
    observed?: Partial<ObservedCall>;
  } = {},
) {
  const clock = new ManualClock();
  const told: string[] = [], rooms: unknown[] = [], outcomes: Outcome[] = [];
  let count = 0;
  const connection = {
    endpoint: { address: "a:1" },
    grpc: options.grpc ?? true,
    promised: 0,
    begin: () => void told.push("begin"),
    answered: () => void told.push("answered"),
    end: (how: string) => void told.push(`end ${how}`),
    takeBack: () => void told.push("take back"),
  };
  const call = {
    method: Simple.method.route,
    header: new Headers(),
    contextValues: createContextValues(),
    excluded: () => false,
    env: {
      clock,
      settings: { throttle: undefined },
      balancer: { hasRoom: (one: unknown) => void rooms.push(one) },
      calls: newCounter(),
      ...options.env,
    },
    settings: undefined,
    observed: options.observed,
    headerInit: { a: "1" },
    retried: options.retried ?? 0,
    count: () => ++count,
    uncount: () => void count--,
    attemptFailed: () => assert.fail(),
  } as unknown as AttemptedCall<unknown>;
  const picker: Picker = {
    pick: () => "wait",
    ...options.done !== false && { done: (_: Connection, outcome: Outcome) => void outcomes.push(outcome) },
  };
  const made = connection as unknown as EndpointConnection;
  const attempt = new CallAttempt(call, picker, made, { connection: made, given: made, header: options.header });
  return { attempt, call, clock, connection, told, rooms, outcomes };
}

describe("an attempt", () => {
  it("sends what the caller and the picker gave, and to gRPC servers how many attempts there were before", () => {
    const sent = (options: Parameters<typeof setUp>[0]) =>
      Object.fromEntries(new Headers(setUp(options).attempt.headerInit));
    assert.deepEqual(sent({}), { a: "1" });
    const first = setUp();
    assert.equal(first.attempt.headerInit, first.call.headerInit, "as it was given, without a copy");
    assert.deepEqual(sent({ header: new Headers({ token: "x" }) }), { a: "1", token: "x" });
    assert.deepEqual(sent({ retried: 1 }), { a: "1", "grpc-previous-rpc-attempts": "1" });
    assert.deepEqual(sent({ retried: 2 }), { a: "1", "grpc-previous-rpc-attempts": "2" });
    assert.deepEqual(sent({ retried: 2, grpc: false }), { a: "1" });
    const { attempt } = setUp();
    assert.deepEqual(Object.fromEntries(attempt.header), { a: "1" }, "the first one says nothing");
  });

  it("is counted by its connection until it ends, and told to its picker", async () => {
    const { attempt, clock, told, outcomes } = setUp();
    attempt.take().begin();
    assert.equal(attempt.number, 1);
    await clock.advance(30);
    attempt.ended("answered", undefined, undefined);
    assert.deepEqual(told, ["begin", "end answered"]);
    assert.deepEqual(outcomes.map(({ end, latencyMs, headerMs }) => [end, latencyMs, headerMs]), [[
      "answered",
      30,
      30,
    ]]);
  });

  it("says when a stream's headers came, and nothing of headers that never did", async () => {
    const stream = setUp();
    stream.attempt.take().begin();
    await stream.clock.advance(10);
    stream.attempt.answering();
    await stream.clock.advance(20);
    stream.attempt.ended("answered", undefined, undefined);
    assert.deepEqual(stream.told, ["begin", "answered", "end answered"]);
    assert.deepEqual(stream.outcomes.map(({ latencyMs, headerMs }) => [latencyMs, headerMs]), [[30, 10]]);
    const failed = setUp();
    failed.attempt.take().begin();
    await failed.clock.advance(10);
    failed.attempt.ended("maybe-processed", new Error("reset"), undefined);
    assert.deepEqual(failed.outcomes.map(({ latencyMs, headerMs }) => [latencyMs, headerMs]), [[10, undefined]]);
  });

  it("is recorded only where someone asks how it ends", () => {
    const { attempt } = setUp({ done: false });
    attempt.take().begin();
    assert.deepEqual([attempt.number, attempt.hedge, attempt.startedMs], [0, false, NaN]);
    attempt.ended("answered", undefined, undefined);
    const observed = setUp({ done: false, env: { onAttempt() {} } });
    observed.attempt.take().begin();
    assert.equal(observed.attempt.number, 1);
  });

  it("shows its call to observers, and that it was not made when there was no room", () => {
    const seen: AttemptStart[] = [], ends: unknown[] = [];
    const observers = [{
      attemptStarted(attempt: AttemptStart) {
        seen.push(attempt);
        return { attemptEnded: (end: unknown) => void ends.push(end) };
      },
    }];
    const { attempt, call, told, outcomes } = setUp({ env: { observers } });
    attempt.take().begin();
    assert.equal(seen[0]?.contextValues, call.contextValues);
    assert.equal(seen[0]?.method, call.method);
    attempt.takeBack(new Error("full"));
    assert.deepEqual(told, ["begin", "take back"]);
    assert.deepEqual(outcomes.map(({ end, latencyMs, headerMs }) => [end, latencyMs, headerMs]), [
      ["not-sent", 0, undefined],
    ]);
  });

  it("began with its call if it is the first one and the call did not wait, else when it is sent", async () => {
    for (const [earlier, waits, startedMs] of [[0, false, 5], [0, true, 30], [1, false, 30]] as const) {
      const begun: number[] = [];
      const attemptStarted = (attempt: AttemptStart) => void begun.push(attempt.startedMs);
      const { attempt, call, clock } = setUp({ observed: { startedMs: 5, waits, attemptStarted } });
      await clock.advance(30);
      for (let i = 0; i < earlier; i++) call.count();
      attempt.take().begin();
      assert.deepEqual(begun, [startedMs]);
    }
  });

  it("tells observers of its messages if one of them wants to hear of them", () => {
    for (const hearsMessages of [true, false]) {
      const heard: unknown[] = [];
      const { attempt } = setUp({
        observed: {
          hearsMessages,
          attemptStarted() {},
          message: (event, { attempt: of, bytes, uncompressedBytes }) =>
            void heard.push([event, of === attempt, bytes, uncompressedBytes]),
        },
      });
      attempt.take().begin();
      attempt.messageSent(10, 20);
      attempt.messageReceived(30, 40);
      assert.deepEqual(heard, hearsMessages ? [["messageSent", true, 10, 20], ["messageReceived", true, 30, 40]] : []);
    }
  });

  it("says how many bytes its messages had, whether or not it failed, and nothing where its link reports none", () => {
    for (const error of [undefined, new Error("reset")]) {
      const ends: Attempt[] = [];
      const begun = () => {
        const observed = { attemptStarted() {}, attemptEnded: (end: Attempt) => void ends.push(end) };
        const { attempt } = setUp({ observed });
        attempt.take().begin();
        return attempt;
      };
      const silent = begun(), reporting = begun();
      for (const bytes of [10, 5]) reporting.messageSent(bytes, bytes);
      for (const bytes of [3, 4]) reporting.messageReceived(bytes, bytes);
      for (const attempt of [silent, reporting]) attempt.ended("answered", error, undefined);
      assert.deepEqual(ends.map(({ sentBytes, receivedBytes }) => [sentBytes, receivedBytes]), [
        [undefined, undefined],
        [15, 7],
      ]);
      assert.equal("sentBytes" in ends[0]!, false);
    }
  });

  it("gives back the room that was reserved for it as it begins, once", () => {
    const { attempt, connection, rooms } = setUp();
    attempt.takePromised();
    assert.deepEqual([connection.promised, rooms], [1, []]);
    attempt.begin();
    assert.deepEqual([connection.promised, rooms], [0, [connection]]);
    attempt.begin();
    assert.deepEqual([connection.promised, rooms.length], [0, 1]);
  });
});
