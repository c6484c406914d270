// When a token is fetched, and when again, by a clock that the test turns.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TokenState } from "../../src/etcd/client/client-state.ts";
import { Tokens } from "../../src/etcd/client/tokens.ts";
import { AuthenticationError, EtcdError } from "../../src/etcd/driver/failure.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

const endpoint = { address: "e1:1" };
const never = new AbortController().signal;

/** Tokens of an etcd that answers with `answer`, by default with "token-1", "token-2" and so on. */
function setUp({ answer, state = new TokenState(() => 0.5) }: {
  answer?: (signal: AbortSignal, timeoutMs: number) => Promise<string>;
  state?: TokenState;
} = {}) {
  const clock = new ManualClock();
  /** The timeouts of the authentications that were made. */
  const asked: number[] = [];
  const tokens = new Tokens({
    authenticate: (_cursor, timeoutMs, signal) => {
      asked.push(timeoutMs);
      return answer?.(signal, timeoutMs) ?? Promise.resolve(`token-${asked.length}`);
    },
    unsent: () => false,
    cursor: () => ({ endpoint, next() {} }),
    endpoints: 1,
    state,
    queue: undefined,
    clock,
    random: () => 0.5,
  });
  const get = (spreadMs?: number) => tokens.get(endpoint, never, spreadMs);
  return { tokens, clock, state, asked, get };
}

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

  it("is fetched at once again after one that was good for 10 s", async () => {
    const { tokens, clock, asked, get } = setUp();
    await get();
    tokens.refused("token-1", endpoint);
    await get();
    clock.skip(10_000);
    tokens.refused("token-2", endpoint);
    const third = get();
    await settled();
    assert.equal(asked.length, 3);
    assert.equal(await third, "token-3");
    assert.deepEqual(clock.pending, []);
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
});
