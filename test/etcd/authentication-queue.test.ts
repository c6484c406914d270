import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inTurn, queueName } from "../../src/etcd/client/authentication-queue.ts";
import { countListeners } from "../support/count-listeners.ts";
import { settled } from "../support/manual-clock.ts";

/** Work that a test ends. */
function work(story: string[], name: string) {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const run = () => {
    story.push(name);
    return promise;
  };
  return { run, end: () => resolve(name), fail: () => reject(new Error(name)) };
}

const { signal } = new AbortController();

describe("authentications", () => {
  it("of one user at one etcd take turns, whatever the order of its endpoints; others don't wait", () => {
    const [a, b] = [{ address: "a:1" }, { address: "b:1" }];
    assert.equal(queueName([a, b], "u"), queueName([b, a], "u"));
    assert.notEqual(queueName([a, b], "u"), queueName([a, b], "v"));
    assert.notEqual(queueName([a, b], "u"), queueName([a], "u"));
  });

  it("run one after another, also when one fails", async () => {
    const story: string[] = [];
    const [first, second, third] = [work(story, "1"), work(story, "2"), work(story, "3")];
    const ended = [first, second, third].map(({ run }) =>
      inTurn("q", signal, run).catch((error: Error) => error.message)
    );
    await settled();
    assert.deepEqual(story, ["1"]);
    first.fail();
    await settled();
    assert.deepEqual(story, ["1", "2"]);
    second.end();
    await settled();
    third.end();
    assert.deepEqual(await Promise.all(ended), ["1", "2", "3"]);
    assert.equal(await inTurn("q", signal, () => Promise.resolve("next")), "next", "the queue is empty");
  });

  it("are not made for callers who have gone while they waited", async () => {
    const story: string[] = [];
    const [first, second, third] = [work(story, "1"), work(story, "2"), work(story, "3")];
    const abort = new AbortController();
    const listeners = countListeners(abort.signal);
    const ended = inTurn("q", abort.signal, first.run);
    const left = inTurn("q", abort.signal, second.run);
    const last = inTurn("q", signal, third.run);
    assert.equal(listeners(), 1);
    const reason = new Error("left");
    abort.abort(reason);
    await assert.rejects(left, reason);
    await assert.rejects(inTurn("q", abort.signal, second.run), reason);
    first.end();
    await ended;
    await settled();
    assert.deepEqual(story, ["1", "3"]);
    third.end();
    assert.equal(await last, "3");
  });

  it("leave no listener behind once it is their turn", async () => {
    const story: string[] = [];
    const first = work(story, "1");
    const { signal } = new AbortController();
    const listeners = countListeners(signal);
    const ended = inTurn("q", signal, first.run);
    const next = inTurn("q", signal, () => Promise.resolve("2"));
    assert.equal(listeners(), 1);
    first.end();
    await Promise.all([ended, next]);
    assert.equal(listeners(), 0);
  });
});
