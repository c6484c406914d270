// The Connect driver's session with one etcd endpoint: one link, opened when it is needed.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Transport } from "@connectrpc/connect";
import type { Connector, LinkEvents } from "../../src/connection/link.ts";
import { readMark } from "../../src/connection/mark.ts";
import { ConnectSession } from "../../src/etcd/driver/connect/connect-session.ts";
import { etcdLinkOptions } from "../../src/etcd/driver/connect/link-options.ts";
import { settled } from "../support/manual-clock.ts";

const never = new AbortController().signal;
const transport = {} as Transport;

/** A session over a link whose openings the test settles. */
function setUp() {
  const story: string[] = [];
  const openings: (PromiseWithResolvers<void> & { readonly signal: AbortSignal })[] = [];
  let events: LinkEvents | undefined;
  const connector: Connector = (_, told) => {
    events = told;
    return {
      transport,
      connect(signal) {
        const opening = { ...Promise.withResolvers<void>(), signal };
        openings.push(opening);
        return opening.promise;
      },
      close: async (...graceMs) => void story.push(`close ${graceMs}`),
    };
  };
  const session = new ConnectSession(connector, { address: "e1:1" }, {
    opened: () => void story.push("opened"),
    lost: () => void story.push("lost"),
  });
  return { session, story, openings, events: events! };
}

/** With an open link. */
async function opened() {
  const all = setUp();
  const waiting = all.session.transport(never);
  all.openings[0]?.resolve();
  await waiting;
  assert.deepEqual(all.story.splice(0), ["opened"]);
  return all;
}

describe("a session of the Connect driver", () => {
  it("opens its link once for all who wait, and says so", async () => {
    const { session, story, openings, events } = setUp();
    assert.equal(events.pingsNeedCalls, true, "etcd counts pings without calls as abuse");
    assert.equal(openings.length, 0);
    const waiting = [session.transport(never), session.transport(never)];
    openings[0]?.resolve();
    assert.deepEqual(await Promise.all(waiting), [transport, transport]);
    await session.transport(never);
    assert.deepEqual([openings.length, story], [1, ["opened"]]);
  });

  it("opens it again once it is lost or drains, and reports each loss once", async () => {
    for (const how of ["draining", "lost"] as const) {
      const { session, story, openings, events } = await opened();
      events[how]();
      events[how]();
      assert.deepEqual(story.splice(0), ["lost"]);
      const waiting = session.transport(never);
      openings[1]?.resolve();
      await waiting;
      assert.deepEqual(story, ["opened"]);
      events[how]();
      assert.deepEqual(story, ["opened", "lost"]);
    }
  });

  it("that is not open has nothing to lose", async () => {
    const { session, story, openings, events } = setUp();
    events.lost();
    const waiting = session.transport(never);
    events.lost();
    openings[0]?.resolve();
    await waiting;
    assert.deepEqual(story, [], "the link was lost before its opening was over");
    events.lost();
    assert.deepEqual(story, []);
  });

  it("opens it again after a failure, which proves that nothing was sent", async () => {
    const { session, openings } = setUp();
    for (const [index, thrown] of [new Error("refused"), "refused", undefined].entries()) {
      const failing = session.transport(never).then(() => assert.fail("it opens"), (error: unknown) => error);
      openings[index]?.reject(thrown);
      const error = await failing;
      assert.equal((error as Error).message, String((thrown as Error | undefined)?.message ?? thrown));
      assert.equal(readMark(error), "not-sent");
    }
    const waiting = session.transport(never);
    openings[3]?.resolve();
    assert.equal(await waiting, transport);
  });

  it("keeps its newest opening when an older one fails", async () => {
    const { session, openings, events } = setUp();
    const first = assert.rejects(session.transport(never), /late/);
    events.lost();
    const second = session.transport(never);
    openings[0]?.reject(new Error("late"));
    await first;
    const third = session.transport(never);
    openings[1]?.resolve();
    await Promise.all([second, third]);
    assert.equal(openings.length, 2);
  });

  it("leaves a caller who has gone with the caller's reason, and goes on opening for the others", async () => {
    const { session, openings } = setUp();
    const caller = new AbortController(), reason = new Error("left");
    const left = session.transport(caller.signal).then(() => assert.fail("it opens"), (error: unknown) => error);
    const waiting = session.transport(never);
    caller.abort(reason);
    const error = await left;
    assert.deepEqual([error, readMark(error), openings[0]?.signal.aborted], [reason, undefined, false]);
    openings[0]?.resolve();
    assert.equal(await waiting, transport);
  });

  it("that is given up lets its calls end, one that is closed doesn't, and neither goes on opening", async () => {
    for (const how of ["retire", "close"] as const) {
      const open = await opened();
      await open.session[how]();
      assert.deepEqual(open.story, ["lost", how === "retire" ? "close Infinity" : "close "]);
      const opening = setUp();
      const waiting = opening.session.transport(never);
      await opening.session[how]();
      const { signal, reject } = opening.openings[0]!;
      assert.match(String(signal.reason), /the session with etcd was abandoned/);
      reject(signal.reason);
      await assert.rejects(waiting, /abandoned/);
      await settled();
      assert.deepEqual(opening.story, [how === "retire" ? "close Infinity" : "close "]);
    }
  });

  it("needs no opening over a link without connections, as of fetch", async () => {
    const connector: Connector = () => ({ transport, close: async () => {} });
    const session = new ConnectSession(connector, { address: "e1:1" }, { opened() {}, lost() {} });
    assert.equal(await session.transport(never), transport);
  });
});

describe("a link to etcd", () => {
  it("takes long lists, waits long for pings, and has a window that probes no bandwidth", () => {
    assert.deepEqual(etcdLinkOptions({}), {
      connectTimeoutMs: 10_000,
      keepalive: { timeoutMs: 20_000 },
      readMaxBytes: 2 ** 29,
      limits: { streamWindowBytes: 2 ** 20 },
    });
  });

  it("may take as long to open as a request may take", () => {
    const allowed = [9_999, 10_001].map((requestTimeoutMs) => etcdLinkOptions({ requestTimeoutMs }).connectTimeoutMs);
    assert.deepEqual(allowed, [10_000, 10_001]);
  });
});
