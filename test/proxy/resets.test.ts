import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ResetAlarm } from "../../src/proxy/reset-alarm.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { connectRaw, type RawClient } from "../support/raw-http2/client.ts";
import { ErrorCode, Flag, FrameType } from "../support/raw-http2/frame.ts";
import type { Scenario } from "../support/raw-http2/server.ts";
import { begin, call, rawProxy, statusOf } from "./raw.ts";

/** More resets than this, and the strict server ends the connection. */
const MOST_RESETS = 100;

/** Makes calls and cancels each at once. */
function resetRapidly(client: RawClient, count: number): void {
  for (let i = 0; i < count; i++) client.rst(begin(client));
}

describe("clients of a proxy that cancel calls as soon as they have made them", () => {
  it("can't make a strict server end the connection on which the calls of others go", async (t) => {
    let resets = 0, connections = 0;
    const strict: Scenario = async (session) => {
      connections++;
      await session.handshake();
      for (;;) {
        const { type, flags, streamId } = await session.read();
        if (type === FrameType.data && (flags & Flag.endStream) !== 0) session.respond(streamId);
        if (type !== FrameType.rstStream || ++resets <= MOST_RESETS) continue;
        session.goaway(streamId, ErrorCode.enhanceYourCalm);
        return session.destroy();
      }
    };
    const { client: other, port } = await rawProxy(t, [strict]);
    const calls = async (count: number) => {
      for (let i = 0; i < count; i++) assert.equal(statusOf(await other.reply(call(other))), "0");
    };
    await calls(5);
    // Thrown out, it comes again.
    for (let i = 0; i < 5; i++) {
      const hostile = await connectRaw(port);
      t.after(() => hostile.destroy());
      await hostile.handshake();
      resetRapidly(hostile, 400);
      await calls(5);
    }
    assert.deepEqual([connections, resets <= MOST_RESETS], [1, true], `${resets} resets`);
  });

  it("lose their connection when they do so 500 times, unless more of their calls are answered", async (t) => {
    const { client, port } = await rawProxy(t, [async (session) => {
      await session.handshake();
      for (;;) {
        const { type, flags, streamId } = await session.read();
        if (type === FrameType.data && (flags & Flag.endStream) !== 0) session.respond(streamId);
      }
    }]);
    for (let i = 0; i < 60; i++) {
      for (let n = 0; n < 20; n++) call(client);
      resetRapidly(client, 10);
      assert.equal(statusOf(await client.reply(call(client))), "0");
    }

    const hostile = await connectRaw(port);
    t.after(() => hostile.destroy());
    await hostile.handshake();
    resetRapidly(hostile, 499);
    assert.equal((await hostile.reply(call(hostile))).goaway, undefined);
    resetRapidly(hostile, 1_000);
    const goaway = await eventually("GOAWAY", () => hostile.received.find(({ type }) => type === FrameType.goaway));
    assert.equal(goaway.payload[7], ErrorCode.enhanceYourCalm);
  });
});

describe("a proxy's alarm", () => {
  const NEW = { answered: 0, failed: 0 }, GOOD = { answered: 10, failed: 9 }, BAD = { answered: 9, failed: 10 };
  const setUp = () => {
    const clock = new ManualClock(), calls = { succeeded: 0 };
    return { clock, calls, alarm: new ResetAlarm(clock, calls) };
  };

  it("holds calls of connections that have not shown that they are meant, once 50 were cancelled", () => {
    const { alarm } = setUp();
    for (let i = 0; i < 49; i++) alarm.cancelled();
    assert.equal(alarm.on, false);
    alarm.cancelled();
    assert.equal(alarm.on, true);
    assert.deepEqual([NEW, GOOD, BAD].map((record) => alarm.holds(record)), [true, false, true]);
  });

  it("holds none while more calls succeed", () => {
    const { alarm, calls } = setUp();
    calls.succeeded = 1_000;
    for (let i = 0; i < 500; i++) {
      alarm.cancelled();
      calls.succeeded += 2;
    }
    assert.equal(alarm.on, false);
  });

  it("holds none where few are cancelled in ten seconds, and is over ten seconds after the last ones", () => {
    const { alarm, clock } = setUp();
    for (let i = 0; i < 500; i++) {
      alarm.cancelled();
      clock.skip(210);
    }
    assert.equal(alarm.on, false);
    for (let i = 0; i < 50; i++) alarm.cancelled();
    clock.skip(9_999);
    assert.equal(alarm.holds(NEW), true);
    clock.skip(1);
    assert.deepEqual([alarm.holds(NEW), alarm.on], [false, false]);
  });
});
