import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connectionFailed } from "../../src/connection/failure.ts";
import { markAttempt, readMark } from "../../src/connection/mark.ts";
import { isNoted, note } from "../../src/connection/note.ts";

/** An error below as many others, each the cause of the next. */
function below(error: Error, others: number): Error {
  return others === 0 ? error : below(new Error("outer", { cause: error }), others - 1);
}

describe("a mark on an error", () => {
  it("is read from the error or its causes; the outermost wins", () => {
    const error = markAttempt(new Error("inner"), "not-sent");
    assert.deepEqual([0, 1, 15].map((others) => readMark(below(error, others))), Array(3).fill("not-sent"));
    assert.equal(readMark(markAttempt(below(error, 1), "refused")), "refused");
    for (const unmarked of [new Error("x"), below(new Error("x"), 1), "x", null, undefined]) {
      assert.equal(readMark(unmarked), undefined);
    }
  });

  it("is not searched for endlessly", () => {
    assert.equal(readMark(below(markAttempt(new Error("inner"), "not-sent"), 16)), undefined);
    const loop = new Error("loop");
    loop.cause = loop;
    assert.equal(readMark(loop), undefined);
  });

  it("can be made on an error alone, and only as one of the four", () => {
    const mark = (error: unknown, end: unknown) => () => markAttempt(error as object, end as never);
    assert.throws(mark(null, "refused"), /^TypeError: markAttempt takes an error object, not null$/);
    assert.throws(mark("x", "refused"), /^TypeError: markAttempt takes an error object, not string$/);
    assert.throws(mark(new Error("x"), "lost"), /^TypeError: attempt end "lost": expected answered, not-sent, /);
  });
});

describe("a note on an error", () => {
  it("is found on the error or its causes", () => {
    const error = note(new Error("inner"), "full");
    assert.deepEqual([0, 1, 15, 16].map((others) => isNoted(below(error, others), "full")), [true, true, true, false]);
    assert.equal(isNoted(note(below(error, 1), "final"), "full"), true);
    assert.equal(isNoted(error, "suspect"), false);
    assert.equal(isNoted(undefined, "full"), false);
  });
});

describe("a connection that failed", () => {
  it("says what its causes say, eight deep: they may be a loop", () => {
    const chain = (words: readonly string[]): Error | undefined =>
      words.length === 0 ? undefined : new Error(words[0], { cause: chain(words.slice(1)) });
    const words = Array.from("abcdefghij", (letter) => letter.repeat(3));
    const { rawMessage } = connectionFailed("10.0.0.5:80", chain(words), "not-sent");
    assert.equal(rawMessage, `the connection to 10.0.0.5:80 failed: ${words.slice(0, 8).join(": ")}`);
  });
});
