import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code } from "@connectrpc/connect";
import { Simple } from "../../../gen/simple_pb.ts";
import type { FailedAttempt } from "../../../src/call/failed-attempts.ts";
import type { AttemptEnd } from "../../../src/connection/mark.ts";
import { adviceFor } from "../../../src/observe/recorder/advice.ts";

/** What is advised after attempts that ended in these ways; of a method that may not be repeated, unless `repeatable`. */
function advised(code: Code, text: string, ends: readonly AttemptEnd[] = [], repeatable = false): string[] {
  const attempts: FailedAttempt[] = ends.map((end) => ({ address: "a:1", end, error: undefined }));
  const method = { ...Simple.method.route, idempotency: repeatable ? 2 : 0 } as typeof Simple.method.route;
  const call = { method, attempts, balancer: { target: "t", describe: () => "" } };
  return adviceFor({ code, text, call, record: undefined });
}

const LOST = "The connection was lost with the call in flight: did its server crash, or restart without a drain?";

describe("the advice on a failed call", () => {
  it("says so if nothing more is known than the error's text", () => {
    assert.deepEqual(advised(Code.Unknown, "x"), ["Nothing more is known than its text says."]);
  });

  it("names what the text says besides: a stale set, ejections, a panic", () => {
    const [unreachable, stale, ...more] = advised(Code.Unavailable, "every endpoint is failing: …; stale for 3.0 s: …");
    assert.match(unreachable!, /^No server can be reached/);
    assert.equal(stale, "The registry can't be reached, so the endpoints of t may be out of date.");
    assert.deepEqual(more, []);
    const ejected = ["Endpoints were ejected because their calls failed: look at what those servers answer."];
    assert.deepEqual(advised(Code.Unavailable, "x; 1 of 3 connected endpoints is ejected"), ejected);
    assert.deepEqual(advised(Code.Unavailable, "x; panic: 1 of 3 connected endpoints pass health checks"), ejected);
  });

  it("says that a call was not repeated only if it wasn't, and might have been", () => {
    assert.deepEqual(advised(Code.Unavailable, "x", ["maybe-processed"], true), [LOST]);
    assert.deepEqual(advised(Code.Unavailable, "x", ["maybe-processed", "maybe-processed"]), [LOST]);
    assert.deepEqual(advised(Code.Unavailable, "x", ["answered", "refused", "maybe-processed"]), [LOST]);
    for (const ends of [["maybe-processed"], ["refused", "not-sent", "maybe-processed"]] as const) {
      const [lost, how] = advised(Code.Unavailable, "x", ends);
      assert.equal(lost, LOST);
      assert.match(how!, /^It was not repeated/);
    }
  });

  it("doesn't take a deadline for a lost connection", () => {
    const late = [
      "Its server did not answer in time: see whether it is slow, or whether the timeout is too short for " +
      "the method.",
    ];
    assert.deepEqual(advised(Code.DeadlineExceeded, "no time left: after 1 attempt", ["maybe-processed"]), late);
  });
});
