// What a server can make a client hold, and for how long it can keep it busy.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code } from "@connectrpc/connect";
import { Flag, FrameType, Setting } from "../support/raw-http2/frame.ts";
import { envelope, OK_HEADERS, type RawSession } from "../support/raw-http2/session.ts";
import { connect, script } from "./link.ts";

const WINDOW = 65_536;

/** What the client allowed a stream beyond its first window. */
function granted(session: RawSession, streamId: number): number {
  let bytes = 0;
  for (const { type, streamId: id, payload } of session.received) {
    if (type !== FrameType.windowUpdate || id !== streamId) continue;
    bytes += new DataView(payload.buffer, payload.byteOffset).getUint32(0);
  }
  return bytes;
}

/** A protobuf message with a string of 1,000 spaces. */
const message = new Uint8Array(1_003).fill(0x20);
message.set([0x12, 0xe8, 0x07]);

/** A server whose streams send a whole window of messages each, and whose unary calls (which end at once) it answers. */
const senders = (sessions: RawSession[], message: Uint8Array) => async (session: RawSession) => {
  sessions.push(session);
  await session.handshake();
  const messages = new Uint8Array(WINDOW);
  const each = envelope(message);
  for (let at = 0; at + each.length <= WINDOW; at += each.length) messages.set(each, at);
  const whole = messages.subarray(0, Math.floor(WINDOW / each.length) * each.length);
  for (;;) {
    const { streamId: id } = await session.read(({ type, flags }) =>
      type === FrameType.data && (flags & Flag.endStream) !== 0
    );
    const said = session.received.filter(({ type, streamId }) => type === FrameType.data && streamId === id);
    if (said.some(({ payload }) => new TextDecoder().decode(payload).includes("unary"))) {
      session.respond(id, { messages: [new Uint8Array(0)] });
      continue;
    }
    session.headers(id, OK_HEADERS);
    for (let at = 0; at < whole.length; at += 16_384) session.data(id, whole.subarray(at, at + 16_384));
  }
};

describe("what a server can make a client hold", () => {
  for (const [streams, reads] of [[40, 1], [200, 0]] as const) {
    it(`is one small window for each of ${streams} streams of which ${reads} messages are read`, async (t) => {
      const sessions: RawSession[] = [];
      const simple = await connect(t, await script(t, senders(sessions, message)));
      const abort = new AbortController();
      t.after(() => abort.abort());
      await Promise.all(Array.from({ length: streams }, async () => {
        const responses = simple.routeServerStream({ data: "x" }, { signal: abort.signal });
        const iterator = responses[Symbol.asyncIterator]();
        const first = iterator.next();
        if (reads === 0) first.catch(() => {});
        else await first;
      }));
      // Whatever the streams were sent came before this call's answer.
      await simple.route({ data: "unary" });
      await simple.route({ data: "unary" });
      const [session] = sessions;
      const ids = session!.received.filter(({ type }) => type === FrameType.headers).map(({ streamId }) => streamId);
      assert.equal(ids.length, streams + 2);
      assert.equal(session!.setting(Setting.initialWindowSize), WINDOW);
      assert.deepEqual(ids.map((id) => granted(session!, id)), ids.map(() => 0));
    });
  }

  it("is a message as a whole where a call waits for it, which may come at once", async (t) => {
    const size = 3 << 20;
    const address = await script(t, async (session) => {
      await session.handshake();
      const id = await session.wholeRequest();
      session.headers(id, OK_HEADERS);
      // A protobuf string of so many bytes.
      const message = new Uint8Array(size).fill(0x20);
      message.set([0x12, 0xfb, 0xff, 0xbf, 0x01]);
      const bytes = envelope(message);
      session.data(id, bytes.subarray(0, 16_384));
      while (granted(session, id) < bytes.length - WINDOW) await session.read();
      for (let at = 16_384; at < bytes.length; at += 16_384) session.data(id, bytes.subarray(at, at + 16_384));
      session.headers(id, [["grpc-status", "0"]], { endStream: true });
      await session.left();
    });
    const simple = await connect(t, address);
    assert.equal((await simple.route({ data: "x" }, { timeoutMs: 20_000 })).value.length, size - 5);
  });
});

describe("a unary call", () => {
  it("doesn't wait for a second message, which it would hold beside the first", async (t) => {
    for (const cut of [1, 5, 6]) {
      const address = await script(t, async (session) => {
        await session.handshake();
        const id = await session.wholeRequest();
        session.headers(id, OK_HEADERS);
        session.data(id, envelope(message));
        session.data(id, envelope(message).subarray(0, cut));
        await session.left();
      });
      const simple = await connect(t, address);
      const call = simple.route({ data: "x" }, { timeoutMs: 20_000 });
      await assert.rejects(call, { code: Code.Unimplemented, rawMessage: /extra output message/ });
    }
  });
});

describe("a reader of messages that are there already", () => {
  it("leaves the event loop its turns", async (t) => {
    const sessions: RawSession[] = [];
    const simple = await connect(t, await script(t, senders(sessions, new Uint8Array(0))));
    const abort = new AbortController();
    t.after(() => abort.abort());
    const iterator = simple.routeServerStream({ data: "x" }, { signal: abort.signal })[Symbol.asyncIterator]();
    await iterator.next();
    await simple.route({ data: "unary" });
    let most = 0, since = 0;
    let tick = setTimeout(function turn() {
      [most, since] = [Math.max(most, since), 0];
      tick = setTimeout(turn, 0);
    }, 0);
    t.after(() => clearTimeout(tick));
    let immediate = setImmediate(function turn() {
      [most, since] = [Math.max(most, since), 0];
      immediate = setImmediate(turn);
    });
    t.after(() => clearImmediate(immediate));
    const empties = Math.floor(WINDOW / 5);
    for (let i = 1; i < empties; i++, since++) await iterator.next();
    assert.ok(Math.max(most, since) <= 2_000, `${most} messages of ${empties} in one turn`);
  });
});
