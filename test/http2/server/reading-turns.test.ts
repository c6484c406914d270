import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BufferedBytes } from "../../../src/http2/server/buffered-bytes.ts";
import { Rounds } from "../../../src/http2/server/rounds.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { concat } from "../../support/raw-http2/frame.ts";
import type { Field } from "../../support/raw-http2/header-block.ts";
import { END_HEADERS_STREAM, flushed, frame } from "../memory.ts";
import { REQUEST, served, TestRequest } from "./memory.ts";

/** Requests from one id on, as one chunk. */
function requests(first: number, count: number, fields: readonly Field[] = REQUEST): Uint8Array {
  return concat(...Array.from({ length: count }, (_, i) => frame.headers(first + 2 * i, fields, END_HEADERS_STREAM)));
}

/** Connections of one server, whose turns the test takes. */
function server() {
  const turns: (() => void)[] = [];
  const clock = new ManualClock();
  const rounds = new Rounds(clock, (run) => void turns.push(run));
  return {
    clock,
    turns,
    next: () => turns.shift()?.(),
    connection: (options: Parameters<typeof served>[0] = {}) =>
      served({ rounds, maxConcurrentStreams: 10_000, ...options }),
  };
}

/** A connection whose turns the test takes. */
function inTurns() {
  const { turns, next, connection } = server();
  return { ...connection(), turns, next };
}

describe("a connection of a server", () => {
  it("leaves the others their turn after 128 requests, and goes on in the next one, until all are read", () => {
    const { client, requests: opened, turns, next } = inTurns();
    client.events.data(requests(1, 300));
    assert.equal(opened.length, 128);
    assert.equal(client.paused, true);
    next();
    assert.equal(opened.length, 256);
    assert.equal(client.paused, true);
    next();
    assert.equal(opened.length, 300);
    assert.equal(client.paused, false);
    assert.equal(turns.length, 0);
  });

  it("reads what arrives meanwhile afterwards, in its order, however it is split", () => {
    const { client, requests: opened, connection, next, failed } = inTurns();
    const bytes = requests(1, 400);
    for (let at = 0; at < bytes.length; at += 1_000) client.events.data(bytes.subarray(at, at + 1_000));
    assert.equal(opened.length, 128);
    next();
    next();
    next();
    assert.equal(opened.length, 400);
    assert.deepEqual(failed, []);
    assert.equal(connection.state, "open");
  });

  it("notices that its client half-closed only when all is read", async () => {
    const { client, requests: opened, next } = inTurns();
    client.events.data(requests(1, 200));
    client.events.end();
    assert.equal(client.ended, false);
    next();
    assert.equal(opened.length, 200);
    await flushed();
    assert.equal(client.ended, true);
  });

  it("has shorter turns for large header sections", () => {
    const { client, requests: opened } = inTurns();
    client.events.data(requests(1, 100, [...REQUEST, ["x-large", "é".repeat(3_100)]]));
    assert.ok(opened.length < 11 && opened.length > 3, `${opened.length} requests`);
  });

  it("has shorter turns for requests that are reset, by either side", () => {
    for (const reset of [(id: number) => frame.reset(id, 8), (id: number) => frame.windowUpdate(id, 0)]) {
      const { client, requests: opened } = inTurns();
      for (let id = 1; id < 400; id += 2) client.events.data(concat(frame.headers(id, REQUEST), reset(id)));
      assert.ok(opened.length < 40 && opened.length > 20, `${opened.length} requests`);
    }
  });

  it("has shorter turns for large content", () => {
    const { client, requests: opened } = inTurns();
    for (let id = 1; id < 400; id += 2) {
      client.events.data(concat(frame.headers(id, REQUEST), frame.data(id, new Uint8Array(16_000))));
    }
    assert.ok(opened.length < 40 && opened.length > 20, `${opened.length} requests`);
  });

  it("reads nothing of a turn that comes after its end", () => {
    const { client, requests: opened, next, connection } = inTurns();
    client.events.data(requests(1, 300));
    connection.close();
    next();
    assert.equal(opened.length, 128);
    client.events.closed();
    next();
    assert.equal(connection.state, "closed");
  });

  it("makes way for others after 16 requests once those that wait have used up the turn's time", () => {
    const { clock, connection, turns, next } = server();
    // Each request takes 0.1 ms.
    const made = (head: ConstructorParameters<typeof TestRequest>[0]) => {
      clock.skip(0.1);
      return new TestRequest(head);
    };
    const all = Array.from({ length: 10 }, () => connection({ made }));
    const counts = () => all.map(({ requests: opened }) => opened.length);
    const bytes = requests(1, 200);
    for (const { client } of all) client.events.data(bytes);
    // Once the first one waits, 2 ms are left for all others.
    assert.deepEqual(counts(), [128, 32, 16, 16, 16, 16, 16, 16, 16, 16]);
    const sinceMs = clock.now();
    next();
    assert.deepEqual(counts(), [160, 32, 16, 16, 16, 16, 16, 16, 16, 16]);
    assert.ok(clock.now() - sinceMs < 4, `a turn of ${clock.now() - sinceMs} ms`);
    next();
    assert.deepEqual(counts(), [160, 64, 16, 16, 16, 16, 16, 16, 16, 16]);
    for (let left = 100; turns.length > 0 && left > 0; left--) next();
    assert.deepEqual(counts(), all.map(() => 200));
    assert.ok(all.every(({ client }) => !client.paused));
  });

  it("has shorter turns while its requests take longer than it takes to read them", () => {
    const { clock, connection, turns, next } = server();
    const all = Array.from({ length: 8 }, () => connection());
    const total = () => all.reduce((sum, { requests: opened }) => sum + opened.length, 0);
    const bytes = requests(1, 600);
    for (const { client } of all) client.events.data(bytes);
    const counts: number[] = [];
    for (let ms = 10; turns.length > 0; ms = counts.length < 6 ? 10 : 1) {
      clock.skip(ms);
      const before = total();
      next();
      counts.push(total() - before);
    }
    assert.deepEqual(counts.slice(0, 8), [512, 256, 128, 64, 64, 64, 128, 256]);
    assert.equal(total(), 8 * 600);
  });

  it("has whole turns while it is the only one that waits, however long its requests take", () => {
    const { clock, connection, turns, next } = server();
    const { client, requests: opened } = connection(), { client: another, requests: others } = connection();
    client.events.data(requests(1, 1_000));
    for (let i = 0; i < 5; i++) {
      clock.skip(100);
      next();
    }
    const before = opened.length;
    another.events.data(requests(1, 200));
    assert.deepEqual([opened.length, others.length], [before, 128]);
    next();
    assert.deepEqual([opened.length, others.length, turns.length], [before + 128, 200, 1]);
  });

  it("has its part of a turn in which others waited first, whatever light ones did before", () => {
    const { connection } = server();
    for (let i = 0; i < 100; i++) connection().client.events.data(requests(1, 16));
    const first = connection(), second = connection();
    first.client.events.data(requests(1, 200));
    second.client.events.data(requests(1, 100));
    assert.deepEqual([first.requests.length, second.requests.length, second.client.paused], [128, 100, false]);
  });

  it("waits with what arrives after its part of a turn, once the turn's time is used up, and light ones don't", () => {
    const { clock, connection, turns, next } = server();
    const busy = connection(), other = connection(), light = connection();
    busy.client.events.data(requests(1, 130));
    other.client.events.data(requests(1, 600));
    next();
    // The busy one has caught up, while the other one still waits.
    assert.deepEqual([busy.requests.length, busy.client.paused, other.client.paused], [130, false, true]);
    busy.client.events.data(requests(261, 5));
    assert.equal(busy.requests.length, 135);
    clock.skip(3);
    busy.client.events.data(requests(271, 5));
    light.client.events.data(requests(1, 5));
    busy.client.events.data(requests(281, 5));
    assert.deepEqual([busy.requests.length, busy.client.paused], [135, true]);
    assert.deepEqual([light.requests.length, light.client.paused], [5, false]);
    next();
    next();
    assert.deepEqual([busy.requests.length, busy.client.paused, busy.failed], [145, false, []]);
    for (let left = 10; turns.length > 0 && left > 0; left--) next();
    assert.equal(other.requests.length, 600);
  });

  it("has shorter turns for requests that the server has no room for", () => {
    const { client, requests: opened } = server().connection({ buffered: new BufferedBytes(0) });
    for (let id = 1; id < 400; id += 2) {
      client.events.data(concat(frame.headers(id, REQUEST), frame.data(id, new Uint8Array(100))));
    }
    assert.ok(opened.length < 40 && opened.length > 20, `${opened.length} requests`);
  });

  it("never waits for a few requests, whatever others do", () => {
    const { connection, turns, next } = server();
    const busy = connection(), light = connection();
    busy.client.events.data(requests(1, 3_000));
    for (let i = 0; i < 20; i++) {
      assert.equal(turns.length, 1);
      light.client.events.data(requests(1 + 20 * i, 10));
      assert.deepEqual([light.requests.length, light.client.paused], [10 * (i + 1), false]);
      next();
    }
  });

  it("goes on by a timer that holds the process, where nothing else is known to run in the next turn", async () => {
    const clock = new ManualClock();
    let ran = 0;
    new Rounds(clock).wait(() => ran++);
    assert.deepEqual([ran, clock.held, clock.pending], [0, 1, [0]]);
    await clock.advance(0);
    assert.deepEqual([ran, clock.held], [1, 0]);
  });

  it("goes on in its place although what was read for another one throws", () => {
    const { turns, next } = server();
    const clock = new ManualClock();
    const rounds = new Rounds(clock, (run) => void turns.push(run));
    const ran: string[] = [];
    rounds.wait(() => {
      throw new Error("in a test");
    });
    rounds.wait(() => ran.push("second"));
    assert.throws(() => next(), /in a test/);
    next();
    assert.deepEqual([ran, turns.length], [["second"], 0]);
  });
});
