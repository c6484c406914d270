import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { type RetryOptions, RetryPolicy } from "../../src/call/retry.ts";

const { route: idempotent, routeServerStream: unmarked } = Simple.method;
const unavailable = new ConnectError("try later", Code.Unavailable);
const pushback = (value: string) => new ConnectError("later", Code.Unavailable, { "grpc-retry-pushback-ms": value });
const policy = (options: RetryOptions = {}) => new RetryPolicy(options, () => 0.5);

describe("RetryPolicy", () => {
  it("repeats idempotent methods after Unavailable, with growing pauses, four attempts in all", () => {
    const retry = policy();
    const pauses = [1, 2, 3, 4].map((number) => retry.next(idempotent, number, "answered", unavailable));
    assert.deepEqual(pauses, [50, 100, 200, undefined]);
  });

  it("asks another endpoint at once when a connection was lost", () => {
    assert.equal(policy().next(idempotent, 1, "maybe-processed", unavailable), 0);
    assert.equal(policy().next(idempotent, 2, "maybe-processed", unavailable), 100);
  });

  it("repeats no other method, unless the user lists it", () => {
    assert.equal(policy().next(unmarked, 1, "answered", unavailable), undefined);
    for (const name of ["proto.Simple", "proto.Simple/RouteServerStream"]) {
      assert.equal(policy({ methods: [name] }).next(unmarked, 1, "answered", unavailable), 50);
    }
  });

  it("repeats after the codes that the user lists alone", () => {
    const aborted = new ConnectError("conflict", Code.Aborted);
    assert.equal(policy().next(idempotent, 1, "answered", aborted), undefined);
    const retry = policy({ codes: [Code.Aborted] });
    assert.equal(retry.next(idempotent, 1, "answered", aborted), 50);
    assert.equal(retry.next(idempotent, 1, "answered", unavailable), undefined);
  });

  it("waits as long as the server says, and not at all when it says no or nothing readable", () => {
    assert.equal(policy().next(idempotent, 1, "answered", pushback("1234")), 1234);
    assert.equal(policy().next(idempotent, 1, "answered", pushback("0")), 0);
    for (const no of ["-1", "soon", ""]) {
      assert.equal(policy().next(idempotent, 1, "answered", pushback(no)), undefined);
    }
  });

  it("stops when half of the budget is gone, and goes on when successes have filled it again", () => {
    const retry = policy({ budget: { maxTokens: 10, tokenRatio: 0.5 } });
    const next = () => retry.next(idempotent, 1, "answered", unavailable) !== undefined;
    assert.deepEqual([next(), next(), next(), next(), next()], [true, true, true, true, false]);
    for (let i = 0; i < 3; i++) retry.succeeded();
    assert.equal(next(), true);
    assert.equal(next(), false);
  });
});
