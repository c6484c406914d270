// When a token is fetched, and when again, by a clock that the test turns.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TokenState } from "../../src/etcd/client/client-state.ts";
import { Tokens, type TokensOptions } from "../../src/etcd/client/tokens.ts";
import { AuthenticationError, EtcdError } from "../../src/etcd/driver/failure.ts";
import { sleep } from "../../src/time/backoff.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

const endpoint = { address: "e1:1" };
const never = new AbortController().signal;

/** Tokens of an etcd that answers with `answer`, by default with "token-1", "token-2" and so on. */
function setUp({ answer, state = new TokenState(() => 0.5), clock = new ManualClock(), ...more }: {
  answer?: (signal: AbortSignal, timeoutMs: number) => Promise<string>;
  state?: TokenState;
  clock?: ManualClock;
} & Partial<TokensOptions> = {}) {
  /** The timeouts of the authentications that were made. */
  const asked: number[] = [];
  /** How often the choice of the first endpoint was left to the client. */
  let cursors = 0;
  const tokens = new Tokens({
    authenticate: (_cursor, timeoutMs, signal) => {
      asked.push(timeoutMs);
      return answer?.(signal, timeoutMs) ?? Promise.resolve(`token-${asked.length}`);
    },
    unsent: () => false,
    cursor: () => (cursors++, { endpoint, next() {}, avoidBackoff() {} }),
    avoidBackoff: async () => {},
    backoffMs: () => 0,
    endpoints: 1,
    state,
    queue: undefined,
    clock,
    random: () => 0.5,
    ...more,
  });
  const get = (spreadMs?: number) => tokens.get(endpoint, never, spreadMs);
  return { tokens, clock, state, asked, get, cursors: () => cursors };
}

const down = new EtcdError("connection refused", "transient");

describe("a user's token", () => {
  it("is fetched once authentication is enabled, where there was none", async () => {
    let enabled = false;
    const { tokens, asked, get } = setUp({
      answer: async () => {
        if (enabled) return "token";
        throw new EtcdError("authentication is not enabled", "auth-disabled");
      },
    });
    assert.equal(await get(), undefined);
    assert.equal(await get(), undefined);
    assert.equal(asked.length, 1);
    enabled = true;
    tokens.refused(undefined, endpoint);
    assert.equal(await get(), "token");
    assert.equal(asked.length, 2);
  });

  it("is fetched out of turn when the endpoint can't be asked yet: nobody waits for that", async () => {
    const clock = new ManualClock(), queue = "a user of tokens.test.ts";
    let readyMs = 0, answer = (_: string) => {};
    const backoffMs = () => Math.max(0, readyMs - clock.now());
    const avoidBackoff: TokensOptions["avoidBackoff"] = async (_, signal) => {
      if (backoffMs() > 0) await sleep(clock, backoffMs(), signal);
    };
    const first = setUp({ clock, queue, answer: () => new Promise((resolve) => answer = resolve) });
    const second = setUp({ clock, queue, backoffMs, avoidBackoff }), third = setUp({ clock, queue });
    const tokens = [first.get(), second.get(), third.get()];
    await settled();
    // The second is in line when its endpoint turns out to be away.
    readyMs = 500;
    answer("token");
    await settled();
    assert.deepEqual([second.asked.length, third.asked.length], [0, 1]);
    await clock.advance(500);
    assert.deepEqual(await Promise.all(tokens), ["token", "token-1", "token-1"]);
  });

  it("is not waited for at another endpoint that can't be asked either", async () => {
    let backoffMs = 0;
    const { asked, get } = setUp({
      endpoints: 2,
      unsent: () => true,
      backoffMs: () => backoffMs,
      answer: () => {
        backoffMs = 500;
        return Promise.reject(down);
      },
    });
    await assert.rejects(get(), AuthenticationError);
    assert.equal(asked.length, 1);
  });

  it("is not fetched again because an older one is refused", async () => {
    const { tokens, asked, get } = setUp();
    await get();
    tokens.refused("token-1", endpoint);
    assert.equal(await get(), "token-2");
    tokens.refused("token-1", endpoint);
    assert.equal(await get(), "token-2");
    assert.equal(asked.length, 2);
  });

  it("is fetched at once when it is refused, but after a pause when its successor is refused as well", async () => {
    const { tokens, clock, asked, get } = setUp();
    // Long after the epoch of the clock: only the token's own age counts.
    clock.skip(60_000);
    await get();
    tokens.refused("token-1", endpoint);
    assert.equal(await get(), "token-2");
    tokens.refused("token-2", endpoint);
    const third = get();
    await clock.advance(1_999);
    assert.equal(asked.length, 2);
    await clock.advance(1);
    assert.equal(asked.length, 3);
    assert.equal(await third, "token-3");
  });

  it("is fetched at once again after one that lasted as long as the last pause", async () => {
    for (const [lastedMs, inMs] of [[999, 2_000], [1_000, 0]] as const) {
      const { tokens, clock, asked, get } = setUp();
      await get();
      tokens.refused("token-1", endpoint);
      await get();
      clock.skip(lastedMs);
      tokens.refused("token-2", endpoint);
      const third = get();
      await settled();
      assert.deepEqual(clock.pending, inMs === 0 ? [] : [inMs]);
      await clock.advance(inMs);
      assert.equal(await third, "token-3");
      assert.equal(asked.length, 3);
    }
  });

  it("is fetched at once each time where tokens live for a few seconds only", async () => {
    const { tokens, clock, get } = setUp();
    for (let number = 1; number < 20; number++) {
      assert.equal(await get(), `token-${number}`);
      assert.deepEqual(clock.pending, []);
      clock.skip(5_000);
      tokens.refused(`token-${number}`, endpoint);
    }
  });

  it("is fetched at once again after one that was good for 10 s, however long the last pause was", async () => {
    for (const [lastedMs, pending] of [[9_999, [40_000]], [10_000, []]] as const) {
      const { tokens, clock, get } = setUp();
      for (let number = 1; number < 8; number++) {
        const token = get();
        await settled();
        await clock.advance(clock.pending[0] ?? 0);
        if (number === 7) clock.skip(lastedMs);
        tokens.refused(await token, endpoint);
      }
      const last = get();
      await settled();
      assert.deepEqual(clock.pending, pending);
      await clock.advance(pending[0] ?? 0);
      assert.equal(await last, "token-8");
    }
  });

  it("that is refused as soon as it arrives is no reason to start over after authentications that failed", async () => {
    let fails = 3;
    const answer = () => fails-- > 0 ? Promise.reject(new EtcdError("no answer", "transient")) : Promise.resolve("a");
    const { tokens, clock, get } = setUp({ answer });
    for (const pauseMs of [1_000, 2_000, 4_000]) {
      await assert.rejects(get());
      clock.skip(pauseMs);
    }
    tokens.refused(await get(), endpoint);
    void get();
    await settled();
    assert.deepEqual(clock.pending, [8_000]);
  });

  it("of a client that waits for no other is fetched while another's is still being fetched", async () => {
    let answerFirst = (_token: string) => {};
    const first = setUp({ answer: () => new Promise((resolve) => (answerFirst = resolve)) });
    const second = setUp();
    const waiting = first.get();
    const got = second.get();
    await settled();
    const asked = [first.asked.length, second.asked.length];
    answerFirst("late");
    assert.deepEqual(asked, [1, 1]);
    assert.equal(await got, "token-1");
    assert.equal(await waiting, "late");
  });

  it("that arrives ends the wait of those that are in no hurry", async () => {
    const { clock, asked, get } = setUp();
    let got: string | undefined;
    const patient = get(10_000).then((token) => (got = token));
    await settled();
    assert.deepEqual([asked.length, clock.pending], [0, [5_000]]);
    assert.equal(await get(), "token-1");
    await settled();
    assert.deepEqual([got, asked.length, clock.pending], ["token-1", 1, []]);
    await patient;
  });

  it("that is not fetched because the client was closed is no failure to those that share what it learned", async () => {
    const state = new TokenState(() => 0.5);
    const closing = setUp({
      state,
      answer: (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    });
    const rejected = assert.rejects(closing.get(), (error: Error) => {
      assert.match(error.message, /the registry was closed/);
      return !(error instanceof AuthenticationError);
    });
    await settled();
    closing.tokens.close();
    await rejected;
    assert.equal(await setUp({ state }).get(), "token-1");
  });

  it("may again take only as long as at first once one has arrived", async () => {
    let late = true;
    const all = setUp({
      answer: async (_, timeoutMs) => {
        if (!late) return "token";
        all.clock.skip(timeoutMs);
        throw new EtcdError("no answer", "transient");
      },
    });
    const { tokens, clock, asked, get } = all;
    await assert.rejects(get(), AuthenticationError);
    clock.skip(60_000);
    late = false;
    assert.equal(await get(), "token");
    clock.skip(60_000);
    tokens.refused("token", endpoint);
    await get();
    assert.deepEqual(asked, [60_000, 120_000, 60_000]);
  });

  it("that two endpoints refuse is one that was refused, whose successor is fetched at once", async () => {
    const { tokens, clock, asked, get } = setUp();
    await get();
    tokens.refused("token-1", endpoint);
    tokens.refused("token-1", { address: "e2:1" });
    await get();
    assert.deepEqual([asked.length, clock.pending], [2, []]);
  });

  it("is fetched at once when the pause before it has just passed", async () => {
    const { tokens, clock, asked, get } = setUp();
    for (const token of ["token-1", "token-2"]) {
      await get();
      tokens.refused(token, endpoint);
    }
    clock.skip(2_000);
    assert.equal(await get(), "token-3");
    assert.deepEqual([asked.length, clock.pending], [3, []]);
  });

  it("is fetched from where the client is by then", async () => {
    const { tokens, get, cursors } = setUp();
    await get();
    tokens.refused("token-1", endpoint);
    await get();
    assert.equal(cursors(), 2);
  });

  it("is not fetched for those in no hurry who have left before", async () => {
    const { tokens, clock, asked } = setUp();
    const leaving = new AbortController(), reason = new Error("left");
    const left = assert.rejects(tokens.get(endpoint, leaving.signal, 1), (error) => error === reason);
    assert.deepEqual(clock.pending, [0.5]);
    leaving.abort(reason);
    await left;
    await clock.advance(1);
    assert.deepEqual([asked, clock.pending], [[], []]);
  });

  it("is asked for once at each endpoint as long as nothing is sent", async () => {
    const { asked, get } = setUp({ answer: () => Promise.reject(down), unsent: () => true, endpoints: 3 });
    await assert.rejects(get(), AuthenticationError);
    assert.equal(asked.length, 3);
  });
});

describe("a failed authentication", () => {
  /** The pauses after so many of them. */
  async function pauses({ clock, get }: ReturnType<typeof setUp>, count: number): Promise<number[]> {
    const all: number[] = [];
    while (all.length < count) {
      const error: unknown = await get().then(() => assert.fail("it succeeds"), (error) => error);
      assert.ok(error instanceof AuthenticationError);
      all.push(error.retryAtMs - clock.now());
      await clock.advance(all.at(-1)!);
    }
    return all;
  }

  it("is tried again after 1 s at first and 40 s at last, and within 2 s where nothing was sent", async () => {
    const worked = setUp({ answer: () => Promise.reject(down) });
    assert.deepEqual(await pauses(worked, 8), [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 40_000, 40_000]);
    let reachable = false;
    const unsent = setUp({
      answer: () => reachable ? Promise.resolve("token") : Promise.reject(down),
      unsent: () => true,
    });
    assert.deepEqual(await pauses(unsent, 6), [50, 100, 200, 400, 800, 1_000]);
    reachable = true;
    await unsent.get();
    unsent.tokens.refused("token", endpoint);
    reachable = false;
    assert.deepEqual(await pauses(unsent, 1), [50]);
  });

  it("may take longer the next time only if it took as long as it might, not counting its wait for others", async () => {
    const clock = new ManualClock(), queue = "failed authentications";
    clock.skip(600_000);
    const first = Promise.withResolvers<string>();
    const slow = setUp({ clock, queue, answer: () => first.promise });
    const quick = setUp({ clock, queue, answer: () => Promise.reject(down) });
    const failing = [slow, quick].map(({ get }) => assert.rejects(get(), AuthenticationError));
    await settled();
    clock.skip(60_000);
    first.reject(down);
    await Promise.all(failing);
    clock.skip(60_000);
    await Promise.all([slow, quick].map(({ get }) => assert.rejects(get(), AuthenticationError)));
    assert.deepEqual([slow.asked, quick.asked], [[60_000, 120_000], [60_000, 60_000]]);
  });

  it("of one client is forgotten once another that shares its state has a token", async () => {
    const state = new TokenState(() => 0.5), clock = new ManualClock();
    const late = Promise.withResolvers<string>();
    const failing = setUp({ state, clock, answer: () => Promise.reject(down) });
    const fetching = setUp({ state, clock, answer: () => late.promise });
    const got = fetching.get();
    await assert.rejects(failing.get(), AuthenticationError);
    late.resolve("token");
    assert.equal(await got, "token");
    fetching.tokens.refused("token", endpoint);
    const asked = fetching.get();
    await clock.advance(2_000);
    assert.equal(await asked, "token");
    assert.equal(fetching.asked.length, 2);
  });
});
