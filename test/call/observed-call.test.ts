import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createContextValues } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { AttemptStart, CallObserver, CallWatch } from "../../src/call/observer.ts";
import { type ObservableCall, ObservedCall } from "../../src/call/observed-call.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** A call that begins for these observers. */
function begun(...observers: CallObserver[]): ObservedCall | undefined {
  const call = {
    env: { clock: new ManualClock(), balancer: { target: "users" } },
    method: Simple.method.route,
    timeoutMs: undefined,
    header: new Headers(),
    contextValues: createContextValues(),
    beganMs: 0,
  } as unknown as ObservableCall;
  return ObservedCall.start(call, observers);
}

/** The same for observers that watch it so. */
const watched = (...watches: readonly CallWatch[]) => begun(...watches.map((watch) => ({ callStarted: () => watch })))!;

describe("a call as its observers see it", () => {
  it("hears of messages if one of them wants to, of either kind", () => {
    const none: CallWatch = {}, sent: CallWatch = { messageSent() {} }, received: CallWatch = { messageReceived() {} };
    for (const watches of [[none], [none, none]]) assert.equal(watched(...watches).hearsMessages, false);
    for (const watches of [[sent], [received], [none, sent], [none, received], [sent, none], [none, none, received]]) {
      assert.equal(watched(...watches).hearsMessages, true);
    }
  });

  it("tells each of them of messages that it wants to hear of", () => {
    const heard: string[] = [];
    const call = watched(
      { messageSent: ({ bytes }) => void heard.push(`first: sent ${bytes}`) },
      {},
      {
        messageSent: ({ bytes }) => void heard.push(`third: sent ${bytes}`),
        messageReceived: ({ bytes }) => void heard.push(`third: received ${bytes}`),
      },
    );
    const attempt = {} as AttemptStart;
    call.message("messageSent", { attempt, bytes: 1, uncompressedBytes: 2 });
    call.message("messageReceived", { attempt, bytes: 3, uncompressedBytes: 4 });
    assert.deepEqual(heard, ["first: sent 1", "third: sent 1", "third: received 3"]);
  });

  it("is watched by those alone that return a watch", () => {
    for (const other of [undefined, null, "text", 5, () => {}]) {
      assert.equal(begun({ callStarted: () => other as unknown as CallWatch }), undefined);
    }
    const call = begun({}, { callStarted() {} }, { callStarted: () => ({ messageSent() {} }) })!;
    assert.deepEqual([call.hearsMessages, call.next], [true, undefined]);
  });

  it("has taken no time and made no attempts before its end, which comes once", () => {
    const ends: number[][] = [];
    const call = watched({ ended: ({ latencyMs, attempts }) => void ends.push([latencyMs, attempts]) });
    assert.deepEqual([call.latencyMs, call.attempts, call.waits], [0, 0, false]);
    for (const nowMs of [30, 40]) call.end(undefined, 2, nowMs);
    assert.deepEqual(ends, [[30, 2]]);
  });
});
