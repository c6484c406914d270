import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PendingCall, PickerSource } from "../../src/balancer/picker-source.ts";
import { waitFor } from "../../src/balancer/wait.ts";
import { WaitingCalls } from "../../src/balancer/waiting-calls.ts";
import type { EndpointConnection } from "../../src/connection/endpoint-connection.ts";
import { ManualClock } from "../support/manual-clock.ts";

function setUp() {
  const calls = new WaitingCalls();
  const story: string[] = [];
  const call = (name: string, more: Partial<PendingCall> & { retried?: () => void } = {}): PendingCall => {
    const { retried, ...rest } = more;
    const pending = {
      returned: false,
      wantsConnection: true,
      retry() {
        story.push(name);
        retried?.();
      },
      ...rest,
    };
    return pending;
  };
  const connection = (room: number) => {
    const state = { room };
    const made = {
      get available() {
        return state.room > 0;
      },
    } as EndpointConnection;
    return { made, take: () => void state.room-- };
  };
  return { calls, story, call, connection };
}

describe("calls that wait for room", () => {
  it("get it in the order of their arrival, those that had a connection before first, until it is used up", async () => {
    const { calls, story, call, connection } = setUp();
    const { made, take } = connection(2);
    calls.add(call("a", { retried: take }));
    calls.add(call("back off", { wantsConnection: false }));
    calls.add(call("b", { retried: take }));
    calls.add(call("first", { returned: true, retried: take }));
    Object.assign(story, { length: 0 });
    const again = connection(2);
    // The retries above took the room of the first connection.
    assert.equal(made.available, false);
    calls.hasRoom(again.made);
    assert.deepEqual([calls.serving, story], [true, []], "not within what ended another call");
    await Promise.resolve();
    assert.equal(calls.serving, false);
    assert.deepEqual(story, ["first", "a", "b"], "these took none of it");
    story.length = 0;
    const last = connection(1);
    const taking = call("taking", { returned: true, retried: last.take });
    calls.add(taking);
    story.length = 0;
    const one = connection(0);
    calls.hasRoom(one.made);
    await Promise.resolve();
    assert.deepEqual(story, [], "it was taken meanwhile");
  });

  it("stop being served once the room is taken", async () => {
    const { calls, story, call, connection } = setUp();
    const { made, take } = connection(9);
    let serving = false;
    for (const name of ["a", "b", "c"]) calls.add(call(name, { retried: () => serving && take() }));
    story.length = 0;
    while (made.available) take();
    const two = connection(2);
    const all = [call("d", { retried: two.take }), call("e", { retried: two.take })];
    serving = true;
    for (const one of all) calls.add(one);
    story.length = 0;
    calls.hasRoom(made);
    calls.hasRoom(two.made);
    await Promise.resolve();
    assert.deepEqual(story, []);
  });

  it("that arrive while it is about to be given are tried after those that wait, if they are still there", async () => {
    const { calls, story, call, connection } = setUp();
    const { made } = connection(1);
    calls.hasRoom(made);
    assert.equal(calls.serving, false, "nobody waits");
    calls.add(call("waiting"));
    story.length = 0;
    const used = connection(0);
    calls.hasRoom(used.made);
    const gone = call("gone");
    calls.add(call("late"));
    calls.add(gone);
    calls.add(call("back off", { wantsConnection: false }));
    assert.deepEqual(story, ["back off"]);
    calls.delete(gone);
    await Promise.resolve();
    assert.deepEqual(story, ["back off", "late"]);
    calls.hasRoom(used.made);
    await Promise.resolve();
    assert.deepEqual(story, ["back off", "late"], "once");
  });
});

describe("a wait", () => {
  it("is neither for a connection nor by a call that had one, unless it says so", async () => {
    const pendings: PendingCall[] = [];
    const source = { await: (call: PendingCall) => void pendings.push(call), forget() {} } as unknown as PickerSource;
    const wait = {
      signal: undefined,
      limitMs: 100,
      poll: () => undefined,
      expired: () => ({}),
      aborted: () => ({}),
    };
    const clock = new ManualClock();
    const waits = [
      waitFor(source, clock, wait),
      waitFor(source, clock, { ...wait, returned: true, wantsConnection: true }),
    ];
    assert.deepEqual(pendings.map(({ returned, wantsConnection }) => [returned, wantsConnection]), [
      [false, false],
      [true, true],
    ]);
    await clock.advance(100);
    await Promise.all(waits);
  });
});
