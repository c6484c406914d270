import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { concat } from "../../support/raw-http2/frame.ts";
import type { Field } from "../../support/raw-http2/header-block.ts";
import { END_HEADERS_STREAM, flushed, frame } from "../memory.ts";
import { REQUEST, served } from "./memory.ts";

/** Requests from one id on, as one chunk. */
function requests(first: number, count: number, fields: readonly Field[] = REQUEST): Uint8Array {
  return concat(...Array.from({ length: count }, (_, i) => frame.headers(first + 2 * i, fields, END_HEADERS_STREAM)));
}

/** A connection whose turns the test takes. */
function inTurns() {
  const turns: (() => void)[] = [];
  const all = served({ nextTurn: (run) => void turns.push(run), maxConcurrentStreams: 10_000 });
  return { ...all, turns, next: () => turns.shift()?.() };
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
});
