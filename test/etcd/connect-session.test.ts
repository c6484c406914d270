// The Connect driver's session with one etcd endpoint: one link, opened when it is needed.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Transport } from "@connectrpc/connect";
import type { Connector, LinkEvents } from "../../src/connection/link.ts";
import { readMark } from "../../src/connection/mark.ts";
import { ConnectSession } from "../../src/etcd/driver/connect/connect-session.ts";
import { etcdLinkOptions } from "../../src/etcd/driver/connect/link-options.ts";
import { SessionBackoff } from "../../src/etcd/driver/session-backoff.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

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
  const clock = new ManualClock(), backoff = new SessionBackoff(clock, () => 0.5);
  const create = () =>
    new ConnectSession({ address: "e1:1" }, {
      connector,
      backoff,
      events: { opened: () => void story.push("opened"), lost: () => void story.push("lost") },
    });
  const session = create();
  return { session, story, openings, events: events!, clock, backoff, create };
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
      const { session, story, openings, events, backoff } = await opened();
      backoff.answered();
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

  it("says of a failure that nothing was sent, whatever was thrown", async () => {
    const { session, openings, clock } = setUp();
    for (const [index, thrown] of [new Error("refused"), "refused", undefined].entries()) {
      const failing = session.transport(never).then(() => assert.fail("it opens"), (error: unknown) => error);
      await clock.advance(2_000);
      openings[index]?.reject(thrown);
      const error = await failing;
      assert.equal((error as Error).message, String((thrown as Error | undefined)?.message ?? thrown));
      assert.equal(readMark(error), "not-sent");
    }
    const waiting = session.transport(never);
    await clock.advance(2_000);
    openings[3]?.resolve();
    assert.equal(await waiting, transport);
  });

  it("keeps its newest opening when an older one fails", async () => {
    const { session, openings, events, clock } = setUp();
    const first = assert.rejects(session.transport(never), /late/);
    events.lost();
    const second = session.transport(never);
    await clock.advance(1_000);
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
    const backoff = new SessionBackoff(new ManualClock(), () => 0.5);
    const session = new ConnectSession({ address: "e1:1" }, { connector, backoff, events: { opened() {}, lost() {} } });
    assert.equal(await session.transport(never), transport);
  });
});

/** Fails the newest opening, and says when it was made. */
async function refuse({ openings, clock }: ReturnType<typeof setUp>): Promise<number> {
  openings.at(-1)?.reject(new Error("refused"));
  await settled();
  return clock.now();
}

describe("a session that can't be opened", () => {
  it("is tried again for all its callers at once: after 1 s, then after 1.6 s each time", async () => {
    const it = setUp(), { session, openings, clock } = it;
    const ends: string[] = [];
    const call = () =>
      session.transport(never).then(() => ends.push("open"), (error: Error) => ends.push(error.message));
    for (const [index, delayMs] of [0, 1_000, 1_600, 1_600].entries()) {
      for (let callers = 0; callers < 8; callers++) void call();
      await clock.advance(Math.max(0, delayMs - 1));
      assert.equal(openings.length, delayMs === 0 ? 1 : index, "none too early");
      await clock.advance(1);
      assert.equal(openings.length, index + 1, "one for all");
      await refuse(it);
      assert.deepEqual(ends.splice(0), Array(8).fill("refused"));
    }
    void call();
    void call();
    await clock.advance(1_600);
    openings.at(-1)?.resolve();
    await settled();
    assert.deepEqual([ends, openings.length, clock.pending], [["open", "open"], 5, []]);
  });

  it("keeps its backoff when it is given up for another", async () => {
    const it = setUp(), { session, openings, clock, create } = it;
    const failed = assert.rejects(session.transport(never), /refused/);
    await refuse(it);
    await failed;
    const left = session.transport(never).then(() => assert.fail("it opens"), (error: unknown) => error);
    await session.retire();
    const error = await left;
    assert.deepEqual([(error as Error).message, readMark(error)], ["the session with etcd was abandoned", "not-sent"]);
    const next = create();
    void next.transport(never);
    await clock.advance(999);
    assert.equal(openings.length, 1);
    await clock.advance(1);
    assert.equal(openings.length, 2);
  });

  it("lets a caller who gives up go at once", async () => {
    const it = setUp(), { session, openings, clock } = it;
    const failed = assert.rejects(session.transport(never), /refused/);
    await refuse(it);
    await failed;
    const caller = new AbortController(), reason = new Error("left");
    const left = assert.rejects(session.transport(caller.signal), (error) => error === reason);
    caller.abort(reason);
    await left;
    assert.deepEqual([openings.length, clock.pending], [1, []]);
  });

  it("does not wait for a caller whose answer would come too late, unless it is late already", async () => {
    const it = setUp(), { session, openings, clock } = it;
    const failed = assert.rejects(session.transport(never), /refused/);
    await refuse(it);
    await failed;
    await clock.advance(100);
    for (const [neededByMs, opens] of [[2_000, false], [100, false], [1_999, true]] as const) {
      const caller = new AbortController();
      const left = session.transport(caller.signal, neededByMs).catch(() => {});
      await settled();
      assert.equal(openings.length, opens ? 2 : 1, `needed by ${neededByMs}`);
      caller.abort();
      await left;
    }
  });

  it("is told to those who wait for the next one, when another call could not wait", async () => {
    for (const lost of [false, true]) {
      const it = setUp(), { session, openings, clock, events } = it;
      const first = assert.rejects(session.transport(never), /refused/);
      await refuse(it);
      await first;
      const waiting = assert.rejects(session.transport(never), lost ? /lost/ : /refused/);
      const urgent = assert.rejects(session.transport(never, clock.now() + 500), /refused/);
      await settled();
      assert.equal(openings.length, 2);
      if (lost) events.lost();
      await refuse(it);
      await urgent;
      await clock.advance(1_000);
      await waiting;
      assert.equal(openings.length, 2);
    }
  });

  it("is one whose connection ends before anything was answered on it, or within 10 s", async () => {
    const opens = async (afterMs: number, answered: boolean) => {
      const { session, openings, events, clock, backoff } = await opened();
      if (answered) backoff.answered();
      await clock.advance(afterMs);
      events.lost();
      void session.transport(never);
      await settled();
      return openings.length === 2;
    };
    assert.deepEqual([await opens(0, false), await opens(9_999, false)], [false, false]);
    assert.deepEqual([await opens(10_000, false), await opens(0, true)], [true, true]);
  });

  it("starts over with the first delay once something was answered", async () => {
    const it = setUp(), { session, openings, clock, events, backoff } = it;
    for (let failures = 0; failures < 3; failures++) {
      const failed = assert.rejects(session.transport(never), /refused/);
      await clock.advance(1_600);
      await refuse(it);
      await failed;
    }
    const waiting = session.transport(never);
    await clock.advance(1_600);
    openings.at(-1)?.resolve();
    await waiting;
    backoff.answered();
    events.lost();
    const failed = assert.rejects(session.transport(never), /refused/);
    await refuse(it);
    await failed;
    assert.equal(backoff.waitMs(), 1_000);
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
