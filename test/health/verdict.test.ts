import assert from "node:assert/strict";
import { it } from "node:test";
import { Code } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { Outcome } from "../../src/connection/connection.ts";
import { verdictOf } from "../../src/health/verdict.ts";

const codes = new Set([Code.Unavailable, Code.DeadlineExceeded]);
const outcome = (more: Partial<Outcome>): Outcome => ({
  method: Simple.method.route,
  timeoutMs: 100,
  end: "answered",
  code: undefined,
  abandoned: false,
  latencyMs: 10,
  headerMs: 10,
  trailer: new Headers(),
  ...more,
});

it("an outcome is a success, a failure, the loss of a connection, or says nothing", () => {
  const of = (more: Partial<Outcome>, usualMs?: number) => verdictOf(outcome(more), codes, usualMs);
  const lost = { code: Code.Unavailable, end: "maybe-processed", headerMs: undefined } as const;
  const late = { ...lost, code: Code.DeadlineExceeded };
  assert.deepEqual([of({}), of({ code: Code.NotFound })], ["success", "success"]);
  assert.deepEqual([of({ code: Code.Unavailable }), of(lost)], ["failure", "lost"]);
  assert.deepEqual([of(late, 50), of(late, 51), of(late)], ["failure", undefined, undefined]);
  assert.deepEqual([of({ ...late, timeoutMs: undefined }, 1e9), of({ ...late, headerMs: 5 }, 1)], [
    "failure",
    undefined,
  ]);
  for (const more of [{ abandoned: true }, { end: "refused" }, { end: "not-sent" }] as const) {
    assert.equal(of({ ...lost, ...more }), undefined);
  }
  assert.equal(of({ code: Code.Internal }), undefined);
});
