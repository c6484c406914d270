import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { type FailedAttempt, FailedAttempts } from "../../src/call/failed-attempts.ts";
import { attemptsCause, callFailure, lastAttemptText } from "../../src/call/failure.ts";
import { AttemptRecord } from "../../src/call/record.ts";
import { reportToPicker } from "../../src/call/report.ts";
import { RetryThrottle } from "../../src/call/retry-throttle.ts";
import type { Connection } from "../../src/connection/connection.ts";
import { note } from "../../src/connection/note.ts";
import type { Picker } from "../../src/policy/policy.ts";

const attempt = (end: FailedAttempt["end"], error: unknown = new Error("why")): FailedAttempt => ({
  address: "a:1",
  end,
  error,
});

describe("the error of a call", () => {
  it("says how its last attempt ended", () => {
    assert.equal(lastAttemptText([attempt("maybe-processed")]), "the attempt, on a:1, failed: why");
    assert.equal(lastAttemptText([attempt("refused")]), "the attempt, on a:1, was refused: why");
    const two = [attempt("refused"), attempt("not-sent")];
    assert.equal(lastAttemptText(two), "the last of 2 attempts, on a:1, was not sent: why");
    const fatal = note(new ConnectError("gone", Code.Unavailable), "final");
    assert.match(lastAttemptText([attempt("maybe-processed", fatal)]), /, failed: gone; no other server is tried, /);
  });

  it("has the errors of all attempts as its cause, and the metadata of the last", () => {
    const last = new ConnectError("busy", Code.Unavailable, { a: "1" });
    const attempts = [attempt("refused"), attempt("maybe-processed", last)];
    const cause = attemptsCause(attempts);
    assert.equal(cause.message, "attempts: 1. a:1 refused, 2. a:1 maybe-processed");
    assert.equal(cause.errors[1], last);
    const error = callFailure("no", attempts, Code.Unavailable);
    assert.equal(error.metadata.get("a"), "1");
    assert.ok(error.cause instanceof AggregateError);
    assert.deepEqual([...callFailure("no", [attempt("refused")], Code.Unavailable).metadata], []);
    assert.equal(callFailure("no", [], Code.Unavailable, last).cause, last);
  });
});

describe("what is told of an attempt", () => {
  const { route } = Simple.method;
  const of = (error: unknown, response?: { trailer: Headers }) => {
    const record = new AttemptRecord(1, route, 40, 100);
    record.ended("answered", 105, error, response);
    return record;
  };

  it("is how it ended, with the trailers of its response or the metadata of its error", () => {
    const trailer = new Headers({ load: "1" });
    const good = of(undefined, { trailer });
    assert.deepEqual([good.method, good.timeoutMs, good.end, good.code], [route, 40, "answered", undefined]);
    assert.deepEqual([good.latencyMs, good.headerMs, good.abandoned], [5, 5, false]);
    assert.equal(good.trailer, trailer);
    assert.deepEqual([...of(undefined).trailer], []);
    const error = new ConnectError("no", Code.NotFound, { load: "2" });
    const failed = of(error, { trailer });
    assert.deepEqual([failed.code, failed.trailer.get("load")], [Code.NotFound, "2"]);
    const other = of(new Error("x"), { trailer });
    assert.deepEqual([other.code, [...other.trailer]], [Code.Unknown, []]);
  });

  it("says of an attempt that ended its connection that the request is to blame", () => {
    assert.equal(of(new ConnectError("lost", Code.Unavailable)).code, Code.Unavailable);
    assert.equal(of(note(new ConnectError("lost", Code.Unavailable), "final")).code, Code.Internal);
  });

  it("goes to the picker that asks for it", () => {
    const seen: unknown[] = [];
    const picker: Picker = { pick: () => "wait", done: (...args) => void seen.push(args) };
    const connection = {} as Connection, call = {} as never, outcome = of(undefined);
    for (const one of [undefined, { pick: picker.pick }, picker]) reportToPicker(one, connection, outcome, call);
    assert.deepEqual(seen, [[connection, outcome, call]]);
  });
});

describe("failed attempts", () => {
  it("exclude the connections that they were made on, until all are", () => {
    const failures = new FailedAttempts();
    const [a, b] = [{} as Connection, {} as Connection];
    assert.deepEqual([failures.skips(a), failures.skipped], [false, false]);
    failures.exclude(a);
    assert.deepEqual([failures.skips(b), failures.skipped], [false, false]);
    assert.deepEqual([failures.skips(a), failures.skipped], [true, true]);
    failures.readmit();
    assert.equal(failures.skips(a), false);
  });

  it("pause a call that every endpoint refused for at most 10 ms at first, and for at most 1 s later", () => {
    const failures = new FailedAttempts();
    assert.deepEqual(Array.from({ length: 9 }, () => failures.pauseMs(() => 1)), [
      10,
      20,
      40,
      80,
      160,
      320,
      640,
      1_000,
      1_000,
    ]);
  });
});

describe("retry throttling", () => {
  const failUntilRefused = (throttle: RetryThrottle) => {
    for (let failures = 1;; failures++) {
      throttle.failed();
      if (!throttle.allows) return failures;
    }
  };

  it("has 1,000 tokens by default, of which half may be spent", () => {
    assert.equal(failUntilRefused(new RetryThrottle({})), 500);
    assert.equal(failUntilRefused(new RetryThrottle({ maxTokens: 10 })), 5);
  });

  it("regains a share of a token with each success, and never more than it had", () => {
    const throttle = new RetryThrottle({ maxTokens: 4, tokenRatio: 0.5 });
    for (let i = 0; i < 20; i++) throttle.succeeded();
    assert.equal(failUntilRefused(throttle), 2);
    throttle.succeeded();
    assert.equal(throttle.allows, true);
    // It is never in debt, however many fail.
    for (let i = 0; i < 50; i++) throttle.failed();
    for (let i = 0; i < 4; i++) throttle.succeeded();
    assert.equal(throttle.allows, false);
    throttle.succeeded();
    assert.equal(throttle.allows, true);
  });
});
