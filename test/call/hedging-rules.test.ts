// What the attempts of a hedged call tell its policy, the guard and each other, with a call that is made of parts.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { FailedAttempts } from "../../src/call/failed-attempts.ts";
import { HedgedAttempts, type HedgingPolicy } from "../../src/call/hedged-attempts.ts";
import type { HedgedAttempt, HedgedCall } from "../../src/call/hedging.ts";
import type { Connection } from "../../src/connection/connection.ts";
import type { UnaryEndListener } from "../../src/connection/end-reporting.ts";
import { markAttempt } from "../../src/connection/mark.ts";
import { newCounter } from "../../src/snapshot.ts";
import { failureOf } from "../support/balanced.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

interface Sent {
  readonly hedged: HedgedAttempt<string>;
  readonly signal: AbortSignal;
  answer(text: string): void;
  fail(error: unknown): void;
  /** What the sending itself rejects with, after it was answered. */
  reject(error: unknown): void;
}

interface SetUp {
  /** Between two attempts; null: there is one only. Defaults to 100. */
  readonly delayMs?: number | null;
  /** What the call says when an attempt fails beside others. */
  readonly beside?: number;
  readonly signal?: AbortSignal;
}

/** A call whose attempts are named a, b, c … */
function setUp({ delayMs = 100, beside, signal }: SetUp = {}) {
  const clock = new ManualClock();
  const told: string[] = [];
  const sent: Sent[] = [];
  const full = new Set<string>();
  let named = 0, next: string | Error = "none", allows = true, refused: Error | undefined;
  const make = (name: string) => {
    const connection = { name } as unknown as Connection;
    return {
      connection,
      abandon: () => void told.push(`${name} abandoned`),
      partArrived: () => void told.push(`${name} part`),
      messageSent: (...bytes: number[]) => void told.push(`${name} sent ${bytes}`),
      messageReceived: (...bytes: number[]) => void told.push(`${name} received ${bytes}`),
      ended: (end: string, error: unknown) => {
        const how = error === undefined ? "" : ` ${error instanceof ConnectError ? Code[error.code] : error}`;
        told.push(`${name} ${end}${how}`);
      },
    };
  };
  const name = () => String.fromCharCode(97 + named++);
  const nameOf = (connection: Connection) => (connection as unknown as { name: string }).name;
  const guard = {
    allows: (connection: Connection) => !full.has(nameOf(connection)),
    cancelled: (connection: Connection) => void told.push(`${nameOf(connection)} cancelled`),
  };
  const call = {
    method: Simple.method.route,
    env: { clock, balancer: { panic: false }, calls: newCounter() },
    tried: new FailedAttempts(),
    excluded: () => false,
    checkTime() {},
    over() {},
    send(_: unknown, signal: AbortSignal, hedged: HedgedAttempt<string>) {
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      sent.push({
        hedged,
        signal,
        reject,
        answer(text) {
          hedged.answered(text);
          resolve(text);
        },
        fail: (error) => resolve(hedged.failed(error)),
      });
      signal.addEventListener("abort", () => resolve(hedged.failed(signal.reason)));
      return promise;
    },
    attemptNow(allows: (connection: Connection) => boolean) {
      const attempt = make(name());
      return allows(attempt.connection) ? attempt : undefined;
    },
    afterFailure: () => next instanceof Error ? Promise.reject(next) : Promise.resolve(make(next)),
    failedBeside() {
      if (refused !== undefined) throw refused;
      return beside;
    },
  } as unknown as HedgedCall<string>;
  const policy: HedgingPolicy = {
    maxAttempts: 3,
    guard,
    begin: () => delayMs ?? undefined,
    get allows() {
      return allows;
    },
    sent: () => void told.push("sent"),
    raced: (won) => void told.push(`raced ${won}`),
    took: (_, ms) => void told.push(`took ${ms}`),
  };
  const attempts = new HedgedAttempts(call, policy, signal);
  return {
    clock,
    told,
    sent,
    full,
    call,
    start: () => attempts.start(make(name()) as never),
    /** What follows when the only attempt has failed. */
    then: (what: string | Error) => void (next = what),
    /** A failed attempt ends the call although others are in flight. */
    refuse: (error: Error) => void (refused = error),
    allow: (on: boolean) => void (allows = on),
  };
}

const unavailable = new ConnectError("later", Code.Unavailable);
const late = new ConnectError("late", Code.DeadlineExceeded);

describe("a hedged call", () => {
  it("tells its policy how long its first attempt took, and of a race only if there was one", async () => {
    const { clock, sent, start, told } = setUp();
    const call = start();
    await clock.advance(40);
    sent[0]!.answer("x");
    assert.equal(await call, "x");
    assert.deepEqual(told, ["a answered", "took 40"]);
    assert.deepEqual(clock.pending, []);
  });

  it("gives the links of attempts that failed its own answer, as they have to return one", async () => {
    const { clock, sent, start } = setUp({ beside: 0 });
    const call = start();
    await clock.advance(130);
    const failed = sent[0]!.hedged.failed(unavailable);
    sent[1]!.answer("x");
    assert.deepEqual(await Promise.all([call, failed]), ["x", "x"]);
  });

  it("tells it which attempt won, and cancels the other", async () => {
    for (const winner of [0, 1]) {
      const { clock, sent, start, told } = setUp();
      const call = start();
      await clock.advance(130);
      sent[winner]!.answer("x");
      assert.equal(await call, "x");
      const [won, lost] = winner === 0 ? ["a", "b"] : ["b", "a"];
      assert.deepEqual(told, [
        "sent",
        `${won} answered`,
        `raced ${winner === 1}`,
        "took 130",
        `${lost} cancelled`,
        `${lost} abandoned`,
        `${lost} maybe-processed Canceled`,
      ]);
      assert.match(String(sent[1 - winner]!.signal.reason), /another attempt of the call was faster/);
      await clock.advance(1_000);
      assert.equal(sent.length, 2);
    }
  });

  it("tells it nothing of a first attempt that failed", async () => {
    const { clock, sent, start, then, told } = setUp();
    const call = start();
    await clock.advance(40);
    then("x");
    sent[0]!.fail(unavailable);
    await clock.advance(40);
    sent[1]!.answer("y");
    assert.equal(await call, "y");
    assert.deepEqual(told, ["x answered"]);
    const beside = setUp({ beside: 20 });
    const other = beside.start();
    await beside.clock.advance(100);
    beside.sent[0]!.fail(unavailable);
    beside.sent[1]!.answer("z");
    assert.equal(await other, "z");
    assert.deepEqual(beside.told, ["sent", "b answered"]);
  });

  it("tells it when a deadline passed, whose attempts say something about their servers", async () => {
    const { clock, refuse, sent, start, told } = setUp();
    const call = failureOf(start());
    await clock.advance(150);
    refuse(late);
    sent[0]!.fail(late);
    assert.equal(await call, late);
    assert.deepEqual(told, ["sent", "took 150", "b cancelled", "b maybe-processed DeadlineExceeded"]);
    const alone = setUp();
    const other = failureOf(alone.start());
    await alone.clock.advance(50);
    alone.then(late);
    alone.sent[0]!.fail(late);
    assert.equal(await other, late);
    assert.deepEqual(alone.told, ["took 50"]);
  });

  it("fails with the error that ends it, and abandons the other attempts", async () => {
    const { clock, refuse, sent, start, told } = setUp();
    const call = failureOf(start());
    await clock.advance(150);
    refuse(unavailable);
    sent[1]!.fail(new Error("mine"));
    assert.equal(await call, unavailable);
    assert.deepEqual(told, ["sent", "a cancelled", "a abandoned", "a maybe-processed Canceled"]);
    await clock.advance(1_000);
    assert.equal(sent.length, 2);
  });

  it("does not call an attempt abandoned whose server had answered with an error", async () => {
    const { clock, sent, start, told } = setUp();
    const call = start();
    await clock.advance(100);
    const { signal } = sent[0]!;
    const answered = markAttempt(new ConnectError("no", Code.NotFound), "answered");
    Object.defineProperty(signal, "reason", { get: () => answered });
    sent[1]!.answer("x");
    await call;
    assert.deepEqual(told.at(-1), "a answered NotFound");
  });

  it("makes hedges at its delay, and after a failure when the call says so, then at its delay again", async () => {
    const { clock, sent, start } = setUp({ beside: 30 });
    const call = start();
    await clock.advance(100);
    sent[0]!.fail(unavailable);
    await clock.advance(29);
    assert.equal(sent.length, 2);
    await clock.advance(1);
    assert.equal(sent.length, 3);
    sent[2]!.answer("x");
    assert.equal(await call, "x");
  });

  it("waits for its delay, as short as it may be", async () => {
    const { clock, sent, start } = setUp({ delayMs: 1 });
    const call = start();
    assert.equal(sent.length, 1);
    await clock.advance(1);
    assert.equal(sent.length, 2);
    sent[1]!.answer("x");
    assert.equal(await call, "x");
  });

  it("makes no more hedges after a failure if the call says that", async () => {
    const { clock, sent, start } = setUp();
    const call = start();
    await clock.advance(100);
    sent[0]!.fail(unavailable);
    await clock.advance(1_000);
    assert.equal(sent.length, 2);
    sent[1]!.answer("x");
    assert.equal(await call, "x");
  });

  it("makes none beyond its policy's number, failed attempts included", async () => {
    const { call, clock, sent, start } = setUp({ beside: 0 });
    const answer = start();
    await clock.advance(100);
    call.tried.retried = 1;
    sent[0]!.fail(unavailable);
    assert.equal(sent.length, 3);
    await clock.advance(1_000);
    assert.equal(sent.length, 3);
    sent[2]!.answer("x");
    await answer;
  });

  it("makes none without a delay, while its policy does not allow it, or while a connection cancelled too much", async () => {
    const none = setUp({ delayMs: null });
    const first = none.start();
    await none.clock.advance(1_000);
    assert.equal(none.sent.length, 1);
    none.sent[0]!.answer("x");
    await first;
    const { allow, clock, full, sent, start } = setUp();
    const call = start();
    allow(false);
    await clock.advance(100);
    allow(true);
    full.add("a");
    await clock.advance(200);
    assert.equal(sent.length, 1);
    full.delete("a");
    full.add("b");
    await clock.advance(400);
    assert.equal(sent.length, 1, "the one that would be used");
    await clock.advance(800);
    assert.equal(sent.length, 2);
    sent[0]!.answer("x");
    await call;
  });

  it("excludes the connections it uses, and counts the attempts in flight before each", async () => {
    const { call, clock, sent, start } = setUp();
    const answer = start();
    assert.equal(call.tried.beside, 0);
    await clock.advance(200);
    assert.equal(call.tried.beside, 2);
    sent[0]!.answer("x");
    await answer;
    const alone = setUp();
    alone.then("x");
    const other = alone.start();
    alone.sent[0]!.fail(unavailable);
    await settled();
    assert.equal(alone.call.tried.beside, 0);
    alone.sent[1]!.answer("y");
    await other;
  });

  it("ends all attempts with its signal, and listens to that no longer than it lasts", async () => {
    const abort = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = abort.signal;
    Object.assign(abort.signal, {
      addEventListener(...args: Parameters<typeof addEventListener>) {
        listeners++;
        addEventListener.apply(abort.signal, args);
      },
      removeEventListener(...args: Parameters<typeof removeEventListener>) {
        listeners--;
        removeEventListener.apply(abort.signal, args);
      },
    });
    const answered = setUp({ signal: abort.signal });
    const call = answered.start();
    assert.equal(listeners, 1);
    answered.sent[0]!.answer("x");
    await call;
    assert.equal(listeners, 0);
    const { clock, refuse, sent, start } = setUp({ signal: abort.signal });
    const failure = failureOf(start());
    await clock.advance(100);
    const reason = new Error("left");
    refuse(reason);
    abort.abort(reason);
    assert.equal(await failure, reason);
    assert.equal(sent[0]!.signal.reason, reason);
    assert.ok(sent[1]!.signal.aborted);
    assert.equal(listeners, 0);
  });

  it("ends as the attempt that won does, whatever becomes of the sending of another", async () => {
    const { clock, sent, start } = setUp();
    const call = start();
    await clock.advance(100);
    sent[0]!.reject(unavailable);
    await settled();
    sent[1]!.answer("x");
    assert.equal(await call, "x");
  });

  it("plans no hedge while it waits for its next attempt after a failure, nor sooner after that", async () => {
    const { call, clock, sent, start, then } = setUp();
    const { promise, resolve } = Promise.withResolvers<void>();
    const { afterFailure } = call;
    then("b");
    call.afterFailure = (...failed) => promise.then(() => afterFailure.call(call, ...failed));
    const answered = start();
    await clock.advance(60);
    sent[0]!.fail(unavailable);
    await clock.advance(30);
    resolve();
    await clock.advance(99);
    assert.equal(sent.length, 2);
    await clock.advance(1);
    assert.equal(sent.length, 3);
    sent[1]!.answer("x");
    assert.equal(await answered, "x");
    assert.deepEqual(clock.pending, []);
  });

  it("passes on what its links report of an attempt's messages", () => {
    const { sent, start, told } = setUp();
    void start();
    const { hedged } = sent[0]! as unknown as { readonly hedged: Required<UnaryEndListener<string>> };
    hedged.messageSent(5, 50);
    hedged.partArrived();
    hedged.messageReceived(7, 70);
    assert.deepEqual(told, ["a sent 5,50", "a part", "a received 7,70"]);
  });

  it("fails if the attempt that won can't be used after all", async () => {
    const { sent, start } = setUp();
    const call = failureOf(start());
    assert.equal(sent[0]!.hedged.wins(), true);
    sent[0]!.reject(unavailable);
    assert.equal(await call, unavailable);
  });

  it("follows a signal after it has won", () => {
    const { sent, start } = setUp();
    void start();
    const { hedged, signal } = sent[0]!;
    assert.equal(hedged.wins(), true);
    assert.equal(hedged.wins(), false);
    const abort = new AbortController();
    hedged.follow(abort.signal);
    assert.equal(signal.aborted, false);
    abort.abort(unavailable);
    assert.equal(signal.reason, unavailable);
    const other = setUp();
    void other.start();
    other.sent[0]!.hedged.wins();
    other.sent[0]!.hedged.follow(abort.signal);
    assert.equal(other.sent[0]!.signal.reason, unavailable);
  });
});
