import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, type ConnectError, createContextValues } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { BoundedCall } from "../../src/call/bounded-call.ts";
import type { CallEnvironment } from "../../src/call/environment.ts";
import { FailedAttempts } from "../../src/call/failed-attempts.ts";
import { failedCallOf, rememberFailure } from "../../src/call/failed-call.ts";
import type { MethodSettings } from "../../src/call/settings.ts";
import type { Connection } from "../../src/connection/connection.ts";
import { MAX_DELAY_MS } from "../../src/time/clock.ts";
import { newClientCounter } from "../../src/snapshot.ts";
import { ManualClock } from "../support/manual-clock.ts";

const method = Simple.method.route;

/** An environment whose methods have these settings. */
function setUp(settings: Partial<MethodSettings> = {}) {
  const clock = new ManualClock();
  const balancer = { config: undefined, closed: false, describe: () => "users has no endpoints" };
  const of = () => ({ maxTimeoutMs: Infinity, ...settings }) as MethodSettings;
  const env = { clock, balancer, settings: { of }, calls: newClientCounter() } as unknown as CallEnvironment;
  const make = (timeoutMs?: number | null, signal?: AbortSignal) =>
    new BoundedCall(env, method, signal, timeoutMs as number | undefined, { a: "1" }, undefined);
  return { clock, balancer, env, make };
}

const codeOf = (code: Code) => (error: unknown) => (error as ConnectError).code === code;

describe("the bounds of a call", () => {
  it("refuse one that is over before it begins", () => {
    const { make } = setUp();
    const reason = new Error("left");
    assert.throws(() => make(1_000, AbortSignal.abort(reason)), codeOf(Code.Canceled));
    for (const timeoutMs of [0, -1]) assert.throws(() => make(timeoutMs), codeOf(Code.DeadlineExceeded));
    for (const timeoutMs of [NaN, "5"]) assert.throws(() => make(timeoutMs as number), codeOf(Code.InvalidArgument));
    assert.equal(make(null).timeoutMs, undefined);
  });

  it("are the shorter of its own timeout and its method's, in whole milliseconds", () => {
    for (
      const [own, settings, expected] of [
        [undefined, {}, undefined],
        [undefined, { timeoutMs: 50 }, 50],
        [0.4, {}, 1],
        [100, { maxTimeoutMs: 60 }, 60],
        [50, { maxTimeoutMs: 60 }, 50],
        [1e12, {}, MAX_DELAY_MS],
      ] as const
    ) assert.equal(setUp(settings).make(own).timeoutMs, expected);
  });

  it("leave it the time that has not passed, until there is none", async () => {
    const { clock, make } = setUp();
    const call = make(100);
    await clock.advance(40);
    assert.equal(call.timeoutMs, 100, "at its last check");
    assert.equal(call.timeLeft(), 60);
    await clock.advance(59);
    assert.equal(call.timeLeft(), 1);
    await clock.advance(1);
    assert.throws(() => call.timeLeft(), (error: ConnectError) => {
      assert.equal(error.rawMessage, "proto.Simple/Route: no time left: users has no endpoints");
      return error.code === Code.DeadlineExceeded;
    });
    assert.equal(make().timeLeft(), undefined);
  });

  it("end it when its caller leaves, or the transport is closed", () => {
    const { balancer, make } = setUp();
    const abort = new AbortController();
    const call = make(undefined, abort.signal);
    assert.equal(call.timeLeft(), undefined);
    abort.abort(new Error("left"));
    assert.throws(() => call.timeLeft(), codeOf(Code.Canceled));
    const other = make();
    balancer.closed = true;
    assert.throws(() => other.timeLeft(), codeOf(Code.FailedPrecondition));
  });

  it("show its headers and context values, and make those that the caller did not give, once", () => {
    const { env, make } = setUp();
    const call = make();
    assert.equal(call.header.get("a"), "1");
    assert.equal(call.header, call.header);
    assert.equal(typeof call.contextValues.get, "function");
    assert.equal(call.contextValues, call.contextValues);
    const given = createContextValues();
    assert.equal(new BoundedCall(env, method, undefined, undefined, undefined, given).contextValues, given);
  });
});

/** A call that shows what its subclasses see. */
class OpenCall extends BoundedCall {
  override configured(): boolean {
    return super.configured();
  }

  /** The error of a call whose time is over after so many attempts, those on `addresses` among them. */
  late(attempts: number, addresses: readonly string[]): string {
    this.number = attempts;
    if (addresses.length > 0) this.failures = new FailedAttempts();
    for (const address of addresses) {
      this.failures!.add({ endpoint: { address } } as unknown as Connection, "refused", new Error("no"));
    }
    return this.deadlineExceeded().rawMessage;
  }
}

describe("a call whose time is over", () => {
  it("says how many attempts it made, and where the last one failed", () => {
    const { env } = setUp();
    const late = (attempts: number, ...addresses: string[]) =>
      new OpenCall(env, method, undefined, undefined, undefined, undefined).late(attempts, addresses);
    const text = (tried: string) => `proto.Simple/Route: no time left: ${tried}users has no endpoints`;
    assert.equal(late(0), text(""));
    assert.equal(late(1), text("after 1 attempt, "));
    assert.equal(late(1, "a:1"), text("after 1 attempt, the last on a:1, "));
    assert.equal(late(2, "a:1", "b:1"), text("after 2 attempts, the last on b:1, "));
  });
});

describe("a call that failed", () => {
  it("is remembered with how long it might take, and who said so", () => {
    const limitOf = (ownMs?: number, settings?: Partial<MethodSettings>) => {
      const error = new Error("no");
      setUp(settings).make(ownMs).over(error);
      return failedCallOf(error)!.limit;
    };
    const from = "the service config";
    assert.equal(limitOf(), undefined);
    assert.deepEqual(limitOf(undefined, { timeoutMs: 50, timeoutFrom: from, maxTimeoutMs: 50 }), { ms: 50, from });
    assert.deepEqual(limitOf(60, { timeoutMs: 50, timeoutFrom: from, maxTimeoutMs: 50 }), { ms: 50, from });
    for (const ownMs of [50, 40, 39.5]) {
      const limit = limitOf(ownMs, { timeoutMs: 50, timeoutFrom: from, maxTimeoutMs: 50 });
      assert.deepEqual(limit, { ms: Math.ceil(ownMs), from: "the call" });
    }
    assert.deepEqual(limitOf(60), { ms: 60, from: "the call" });
  });

  it("is counted once, however many hands its error passes through", () => {
    const { env, make } = setUp();
    const failed = make(), abort = new AbortController(), abandoned = make(undefined, abort.signal);
    abort.abort();
    for (const call of [failed, abandoned, failed, abandoned]) call.over(new Error("no"));
    assert.deepEqual([env.calls.failed, env.calls.abandoned], [1, 1]);
  });

  it("is not remembered by an error that is no object", () => {
    const { balancer } = setUp();
    const call = { method, attempts: [], balancer: { ...balancer, target: "users", scheme: undefined } };
    for (const error of ["text", 5, null, undefined, Symbol("no")]) rememberFailure(error, call);
    const error = {};
    rememberFailure(error, call);
    assert.equal(failedCallOf(error), call);
  });
});

describe("the bounds of a call that began before the config was known", () => {
  /** A call with a timeout of 50 ms by default, and what its method's settings are from then on. */
  function begun(timeoutMs?: number) {
    const clock = new ManualClock();
    let settings = { timeoutMs: 50, maxTimeoutMs: Infinity } as MethodSettings;
    const balancer: { config: object | "unknown"; closed: boolean } = { config: "unknown", closed: false };
    const env = {
      clock,
      balancer,
      settings: { of: () => settings },
      calls: newClientCounter(),
    } as unknown as CallEnvironment;
    const call = new OpenCall(env, method, undefined, timeoutMs, undefined, undefined);
    const configure = (next?: Partial<MethodSettings>) => {
      balancer.config = {};
      if (next !== undefined) settings = next as MethodSettings;
      return call.configured();
    };
    return { call, clock, configure };
  }

  it("change once: a later config is for later calls", async () => {
    const { call, clock, configure } = begun();
    assert.equal(call.configured(), false);
    await clock.advance(10);
    assert.equal(configure({ timeoutMs: 100, maxTimeoutMs: 100 }), true);
    assert.equal(call.timeLeft(), 90);
    assert.equal(configure({ timeoutMs: 20, maxTimeoutMs: 20 }), false);
    assert.equal(call.timeLeft(), 90);
  });

  it("have not changed when the config leaves its settings as they are", async () => {
    const { call, clock, configure } = begun();
    await clock.advance(10);
    assert.equal(configure(), false);
    assert.equal(call.timeLeft(), 40);
  });

  it("are gone when the config sets none", async () => {
    const { call, clock, configure } = begun();
    assert.equal(configure({ timeoutMs: undefined, maxTimeoutMs: Infinity }), true);
    await clock.advance(1_000);
    assert.equal(call.timeLeft(), undefined);
  });
});
