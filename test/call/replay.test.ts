import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ReplayBuffer } from "../../src/call/replay.ts";
import { settled } from "../support/manual-clock.ts";

async function take<T>(messages: AsyncIterable<T>, count = Infinity): Promise<T[]> {
  const taken: T[] = [];
  const iterator = messages[Symbol.asyncIterator]();
  while (taken.length < count) {
    const result = await iterator.next();
    if (result.done === true) break;
    taken.push(result.value);
  }
  return taken;
}

function numbers(count: number) {
  const seen = { taken: 0, ended: 0 };
  async function* generate() {
    try {
      for (let i = 0; i < count; i++) {
        seen.taken++;
        yield i;
      }
    } finally {
      seen.ended++;
    }
  }
  return { messages: generate(), seen };
}

describe("ReplayBuffer", () => {
  it("gives every view all messages, from the first on, and takes each from the caller once", async () => {
    const { messages, seen } = numbers(5);
    const replay = new ReplayBuffer(messages);
    assert.deepEqual(await take(replay.view(), 3), [0, 1, 2]);
    assert.deepEqual(await take(replay.view()), [0, 1, 2, 3, 4]);
    assert.deepEqual(await take(replay.view()), [0, 1, 2, 3, 4]);
    assert.equal(seen.taken, 5);
  });

  it("gives several views at a time, of which one goes on when the call is committed to it", async () => {
    for (const chosen of [0, 1]) {
      const replay = new ReplayBuffer(numbers(5).messages);
      const views = [replay.view(), replay.view()];
      assert.deepEqual(await take(views[0]!, 3), [0, 1, 2]);
      assert.deepEqual(await take(views[1]!, 1), [0]);
      replay.commit(views[chosen]);
      assert.equal(views[1]!.closed, chosen === 0);
      assert.deepEqual(await take(views[1 - chosen]!), []);
      assert.deepEqual(await take(views[chosen]!), chosen === 0 ? [3, 4] : [1, 2, 3, 4]);
    }
  });

  it("does not pass return() and throw() of a view on to the caller's iterable", async () => {
    const { messages, seen } = numbers(5);
    const replay = new ReplayBuffer(messages);
    for (const end of ["return", "throw"] as const) {
      const view = replay.view()[Symbol.asyncIterator]();
      assert.deepEqual(await view.next(), { done: false, value: 0 });
      await view[end]?.();
      assert.equal((await view.next()).done, true);
    }
    assert.equal(seen.ended, 0);
    assert.deepEqual(await take(replay.view()), [0, 1, 2, 3, 4]);
  });

  it("hands a message that an ended view was waiting for to the next one", async () => {
    let release = (_: string) => {};
    const message = new Promise<string>((resolve) => release = resolve);
    const replay = new ReplayBuffer((async function* () {
      yield await message;
    })());
    const ended = replay.view(), first = ended.next();
    ended.close();
    const second = replay.view().next();
    release("late");
    assert.equal((await first).done, true);
    assert.deepEqual(await second, { done: false, value: "late" });
  });

  it("is committed when more than 16 messages are held, and loses none", async () => {
    const { messages } = numbers(40);
    const replay = new ReplayBuffer(messages);
    const view = replay.view()[Symbol.asyncIterator]();
    const all: number[] = [];
    for (let i = 0; i < 16; i++) all.push((await view.next()).value!);
    assert.equal(replay.replayable, true);
    for (let i = 16; i < 40; i++) all.push((await view.next()).value!);
    assert.equal(replay.replayable, false);
    assert.deepEqual(all, Array.from({ length: 40 }, (_, i) => i));
    assert.equal((await view.next()).done, true);
  });

  it("ends the caller's iterable once, when the call ends", async () => {
    const { messages, seen } = numbers(5);
    const replay = new ReplayBuffer(messages);
    await take(replay.view(), 2);
    replay.end();
    replay.end();
    await settled();
    assert.equal(seen.ended, 1);
  });

  it("passes on what the caller's iterable throws, and then is not replayable", async () => {
    const replay = new ReplayBuffer((async function* () {
      yield 1;
      throw new Error("mine");
    })());
    await assert.rejects(take(replay.view()), { message: "mine" });
    assert.equal(replay.replayable, false);
  });

  it("takes iterables whose iterators have next() alone", async () => {
    let i = 0;
    const replay = new ReplayBuffer<number>({
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.resolve(i < 2 ? { done: false, value: i++ } : { done: true, value: undefined }),
      }),
    });
    assert.deepEqual(await take(replay.view()), [0, 1]);
    replay.end();
  });

  it("gives messages in order to pulls that do not wait for each other, before and after it is committed", async () => {
    const { messages } = numbers(40);
    const replay = new ReplayBuffer(messages);
    const view = replay.view()[Symbol.asyncIterator]();
    const first = Array.from({ length: 10 }, () => view.next());
    assert.deepEqual((await Promise.all(first)).map(({ value }) => value), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const middle = Array.from({ length: 5 }, () => view.next());
    replay.commit();
    const last = Array.from({ length: 5 }, () => view.next());
    const rest = await Promise.all([...middle, ...last]);
    assert.deepEqual(rest.map(({ value }) => value), [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
    replay.end();
  });

  it("is not replayable once it is committed, and goes on where its reader is", async () => {
    const { messages } = numbers(6);
    const replay = new ReplayBuffer(messages);
    const view = replay.view()[Symbol.asyncIterator]();
    for (let i = 0; i < 2; i++) await view.next();
    replay.commit();
    assert.equal(replay.replayable, false);
    const rest: unknown[] = [];
    for (let i = 0; i < 6; i++) rest.push((await view.next()).value);
    assert.deepEqual(rest, [2, 3, 4, 5, undefined, undefined]);
  });

  it("loses no message when it is committed before the first is read", async () => {
    const { messages } = numbers(3);
    const replay = new ReplayBuffer(messages);
    replay.commit();
    assert.deepEqual(await take(replay.view()), [0, 1, 2]);
  });

  it("asks an iterable that has ended, or thrown, for nothing more", async () => {
    for (const failing of [false, true]) {
      let asked = 0, ended = 0;
      const replay = new ReplayBuffer<number>({
        [Symbol.asyncIterator]: () => ({
          next() {
            asked++;
            if (asked < 3) return Promise.resolve({ done: false, value: asked });
            return failing ? Promise.reject(new Error("mine")) : Promise.resolve({ done: true, value: undefined });
          },
          return() {
            ended++;
            return Promise.resolve({ done: true, value: undefined });
          },
        }),
      });
      const view = replay.view()[Symbol.asyncIterator]();
      await view.next();
      replay.commit();
      await view.next();
      for (let i = 0; i < 2; i++) {
        if (failing) await assert.rejects(view.next(), { message: "mine" });
        else assert.equal((await view.next()).done, true);
      }
      replay.end();
      assert.deepEqual([asked, ended], [3, 0]);
    }
  });

  it("loses no message when it is committed while a view is behind those that others have read", async () => {
    const { messages } = numbers(8);
    const replay = new ReplayBuffer(messages);
    await take(replay.view(), 6);
    const view = replay.view()[Symbol.asyncIterator]();
    assert.deepEqual(await view.next(), { done: false, value: 0 });
    replay.commit();
    const rest: unknown[] = [];
    for (let i = 0; i < 8; i++) rest.push((await view.next()).value);
    assert.deepEqual(rest, [1, 2, 3, 4, 5, 6, 7, undefined]);
  });

  it("passes pulls straight on once it is committed, and one at a time before", async () => {
    let asked = 0;
    const replay = new ReplayBuffer<number>({
      [Symbol.asyncIterator]: () => ({
        next: () => asked++ === 0 ? Promise.resolve({ value: 1 }) : new Promise(() => {}),
      }),
    });
    const view = replay.view()[Symbol.asyncIterator]();
    await view.next();
    for (let i = 0; i < 3; i++) void view.next();
    assert.equal(asked, 2);
    const other = new ReplayBuffer<number>({
      [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ value: asked++ }) }),
    });
    const passing = other.view()[Symbol.asyncIterator]();
    await passing.next();
    other.commit();
    asked = 0;
    for (let i = 0; i < 3; i++) void passing.next();
    assert.equal(asked, 3);
  });

  it("keeps what an attempt read that has failed, even if the message after the 16th arrives only then", async () => {
    const later = Promise.withResolvers<void>();
    const replay = new ReplayBuffer((async function* () {
      for (let i = 0; i < 18; i++) {
        if (i === 16) await later.promise;
        yield i;
      }
    })());
    const failed = replay.view(), iterator = failed[Symbol.asyncIterator]();
    assert.equal((await take(failed, 16)).length, 16);
    const waiting = iterator.next();
    failed.close();
    assert.equal(replay.replayable, true);
    later.resolve();
    assert.equal((await waiting).done, true);
    assert.deepEqual(await take(replay.view()), Array.from({ length: 18 }, (_, i) => i));
    assert.equal(replay.replayable, false);
  });

  it("keeps no more than 16 for an attempt beside one that has failed", async () => {
    const replay = new ReplayBuffer(numbers(40).messages);
    const first = replay.view(), second = replay.view();
    await take(second, 1);
    second.close();
    assert.equal((await take(first)).length, 40);
    assert.equal(replay.replayable, false);
  });

  it("ends an iterable whose return() has no effect once, however often the call ends", async () => {
    let ended = 0;
    const replay = new ReplayBuffer<number>({
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.resolve({ value: 1 }),
        return: () => Promise.resolve({ done: false, value: ++ended }),
      }),
    });
    await take(replay.view(), 1);
    replay.end();
    replay.end();
    assert.equal(ended, 1);
  });

  it("does not end an iterable that threw before it was committed", async () => {
    let ended = 0;
    const replay = new ReplayBuffer<number>({
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.reject(new Error("mine")),
        return: () => Promise.resolve({ done: true, value: ++ended }),
      }),
    });
    await assert.rejects(take(replay.view()), { message: "mine" });
    replay.end();
    assert.equal(ended, 0);
  });

  it("gives a view no message that is still kept once the call is over", async () => {
    const { messages } = numbers(3);
    const replay = new ReplayBuffer(messages);
    await take(replay.view());
    const view = replay.view()[Symbol.asyncIterator]();
    assert.deepEqual(await view.next(), { done: false, value: 0 });
    replay.end();
    assert.equal((await view.next()).done, true);
  });

  it("ends the views, and is not replayable, once the call is over", async () => {
    const { messages } = numbers(3);
    const replay = new ReplayBuffer(messages);
    const view = replay.view()[Symbol.asyncIterator]();
    await view.next();
    replay.end();
    assert.equal((await view.next()).done, true);
    assert.equal(replay.replayable, false);
  });

  it("says that it is over to every pull behind the last message", async () => {
    const { messages } = numbers(2);
    const view = new ReplayBuffer(messages).view()[Symbol.asyncIterator]();
    const results = await Promise.all([view.next(), view.next(), view.next(), view.next()]);
    assert.deepEqual(results.map(({ done }) => done), [false, false, true, true]);
  });
});
