// A driver's sessions, and the streams that they leave to their ends.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EndingStreams } from "../../src/etcd/driver/ending-streams.ts";
import { type SessionEvents, Sessions } from "../../src/etcd/driver/sessions.ts";
import { settled } from "../support/manual-clock.ts";

const [e1, e2] = [{ address: "e1:1" }, { address: "e2:1" }];

/** Sessions that note what is done to them, and retire when the test says so. */
function setUp() {
  const created: { address: string; events: SessionEvents; done: string[]; retired(): void }[] = [];
  const sessions = new Sessions(({ address }, events) => {
    const done: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const session = {
      retire: () => (done.push("retire"), promise),
      close: async () => void done.push("close"),
    };
    created.push({ address, events, done, retired: resolve });
    return session;
  });
  return { sessions, created };
}

describe("a driver's sessions", () => {
  it("are one for each endpoint, and another after a reset", () => {
    const { sessions, created } = setUp();
    const first = sessions.session(e1);
    assert.equal(sessions.session(e1), first);
    assert.notEqual(sessions.session(e2), first);
    const generation = sessions.generation(e1);
    assert.notEqual(sessions.generation(e2), generation);
    sessions.reset(e1, generation);
    assert.deepEqual(created.map(({ address, done }) => `${address} ${done}`), ["e1:1 retire", "e2:1 "]);
    assert.notEqual(sessions.session(e1), first);
    assert.notEqual(sessions.generation(e1), generation);
    sessions.reset(e1, generation);
    assert.deepEqual(created[2]?.done, [], "the generation is an older one");
  });

  it("have another generation once they are open, so that nobody gives up one that answers now", () => {
    const { sessions, created } = setUp();
    sessions.session(e1);
    const opening = sessions.generation(e1);
    created[0]?.events.opened();
    sessions.reset(e1, opening);
    assert.deepEqual(created[0]?.done, []);
    sessions.reset(e1, sessions.generation(e1));
    assert.deepEqual(created[0]?.done, ["retire"]);
  });

  it("report the endpoint whose connection was lost", () => {
    const { sessions, created } = setUp();
    const lost: string[] = [];
    sessions.session(e1);
    created[0]?.events.lost();
    sessions.onLost(({ address }) => lost.push(address));
    created[0]?.events.lost();
    assert.deepEqual(lost, ["e1:1"]);
  });

  it("end what must not outlive them when they are given up", () => {
    const { sessions } = setUp();
    const retirement = sessions.retirement(e1);
    assert.equal(sessions.retirement(e1), retirement);
    sessions.reset(e1, sessions.generation(e1));
    assert.match(String(retirement.reason), /the session with etcd was abandoned/);
    assert.equal(sessions.retirement(e1).aborted, false, "the next one's");
  });

  it("are closed with their driver, also those that were given up and still have calls", async () => {
    const { sessions, created } = setUp();
    for (const endpoint of [e1, e1, e2]) {
      sessions.session(endpoint);
      if (endpoint === e1) sessions.reset(endpoint, sessions.generation(endpoint));
    }
    created[1]?.retired();
    await settled();
    const generation = sessions.generation(e2);
    await sessions.close();
    assert.deepEqual(created.map(({ done }) => done.join()), ["retire,close", "retire", "close"]);
    assert.throws(() => sessions.session(e1), /the etcd driver is closed/);
    assert.equal(sessions.retirement(e1).aborted, true);
    assert.equal(created.length, 3);
    sessions.reset(e2, generation);
    assert.deepEqual(created[2]?.done, ["close"]);
  });
});

describe("streams that the server has yet to end", () => {
  /** A stream, which the test ends. */
  function stream() {
    const { promise, resolve, reject } = Promise.withResolvers<IteratorResult<unknown>>();
    let resets = 0;
    return {
      rest: { next: () => promise },
      reset: () => void resets++,
      resets: () => resets,
      end: () => resolve({ done: true, value: undefined }),
      fail: () => reject(new Error("reset")),
    };
  }

  it("are 16 at most: the oldest is reset then", async () => {
    const ending = new EndingStreams();
    const streams = Array.from({ length: 18 }, stream);
    const add = (index: number) => ending.add(streams[index]!.rest, streams[index]!.reset);
    for (let index = 0; index < 16; index++) add(index);
    assert.deepEqual(streams.map(({ resets }) => resets()), Array(18).fill(0));
    add(16);
    assert.deepEqual(streams.map(({ resets }) => resets()), [1, ...Array(17).fill(0)]);
    // It ends because of that; one that ends by itself makes room for another.
    streams[0]?.fail();
    streams[1]?.end();
    await settled();
    add(17);
    assert.deepEqual(streams.map(({ resets }) => resets()), [1, 1, ...Array(16).fill(0)]);
  });

  it("are let go when they fail", async () => {
    const ending = new EndingStreams(), { rest, reset, resets, fail } = stream();
    ending.add(rest, reset);
    fail();
    await settled();
    assert.equal(resets(), 1);
  });
});
