import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { describe, it } from "node:test";
import { eventually } from "../support/eventually.ts";
import { concat, ErrorCode, Flag, FrameType, Setting, uint32 } from "../support/raw-http2/frame.ts";
import { envelope, type RawSession } from "../support/raw-http2/session.ts";
import { begin, rawProxy, statusOf } from "./raw.ts";

const WINDOW = 1 << 20;

/** Counts the bytes of all memory that is freed until the test ends. */
function freedBytes(t: TestContext): () => number {
  const { transfer } = ArrayBuffer.prototype;
  let bytes = 0;
  ArrayBuffer.prototype.transfer = function (this: ArrayBuffer, length?: number) {
    bytes += this.byteLength;
    return transfer.call(this, length);
  };
  t.after(() => {
    ArrayBuffer.prototype.transfer = transfer;
  });
  return () => bytes;
}

/** A message of 4,000 bytes that no other is like. */
const message = (nth: number) => envelope(Uint8Array.from({ length: 4_000 }, (_, i) => nth * 31 + i * 7));

async function readRequests(session: RawSession, count: number): Promise<Map<number, Uint8Array[]>> {
  const requests = new Map<number, Uint8Array[]>();
  for (let ended = 0; ended < count;) {
    const { type, streamId, payload, flags } = await session.read();
    if (type === FrameType.headers) requests.set(streamId, []);
    if (type === FrameType.data) requests.get(streamId)!.push(payload);
    if (type === FrameType.data && (flags & Flag.endStream) !== 0) ended++;
  }
  return requests;
}

describe("the memory of what passes through a proxy", () => {
  // So many that the proxy goes on with some of a chunk in later turns.
  const calls = 300, messages = 4;
  for (const refuses of [false, true]) {
    it(`is freed, both ways${refuses ? ", though a server refuses every call" : ""}`, async (t) => {
      const freed = freedBytes(t);
      const { client } = await rawProxy(t, [async (session) => {
        await session.handshake([[Setting.initialWindowSize, WINDOW]]);
        session.windowUpdate(0, 16 * WINDOW);
        const refused = refuses ? (await readRequests(session, calls)).keys() : [];
        for (const id of refused) session.frame(FrameType.rstStream, 0, id, uint32(ErrorCode.refusedStream));
        session.socket.cork();
        for (const [id, pieces] of await readRequests(session, calls)) {
          // Many messages, each of which is the request.
          session.respond(id, { messages: Array.from({ length: messages }, () => concat(...pieces).subarray(5)) });
        }
        session.socket.uncork();
      }], { settings: [[Setting.initialWindowSize, WINDOW]] });
      client.windowUpdate(0, 16 * WINDOW);
      const ids = Array.from({ length: calls }, () => begin(client));
      client.socket.cork();
      ids.forEach((id, nth) => client.data(id, message(nth), { endStream: true }));
      client.socket.uncork();
      const replies = await Promise.all(ids.map((id) => client.reply(id)));
      replies.forEach((reply, nth) => {
        assert.equal(statusOf(reply), "0");
        assert.deepEqual(reply.body, concat(...Array.from({ length: messages }, () => message(nth))));
      });
      assert.ok(freed() > (1 + messages) * calls * 4_000 / 4, `${freed()} bytes of ${(1 + messages) * calls * 4_000}`);
    });
  }

  it("is freed while it waits for a client's windows, and what is copied of it for that, once it is sent", async (t) => {
    const freed = freedBytes(t), streams = 40, content = envelope(new Uint8Array(10_000).fill(7));
    const { client } = await rawProxy(t, [async (session) => {
      await session.handshake();
      session.socket.cork();
      const requests = await readRequests(session, streams);
      for (const id of requests.keys()) session.respond(id, { messages: [content.subarray(5)] });
      session.socket.uncork();
    }], { settings: [[Setting.initialWindowSize, 0]] });
    client.windowUpdate(0, WINDOW);
    const ids = Array.from({ length: streams }, () => begin(client));
    for (const id of ids) client.data(id, envelope(new Uint8Array(10)), { endStream: true });
    const all = streams * content.length;
    await eventually("all that arrived is freed", () => freed() > 0.8 * all, 10_000);
    const before = freed();
    for (const increment of [1_000, content.length - 1_000]) for (const id of ids) client.windowUpdate(id, increment);
    for (const reply of await Promise.all(ids.map((id) => client.reply(id)))) {
      assert.equal(statusOf(reply), "0");
      assert.deepEqual(reply.body, content);
    }
    assert.ok(freed() - before > 0.8 * all, `${freed() - before} bytes of ${all}`);
  });
});
