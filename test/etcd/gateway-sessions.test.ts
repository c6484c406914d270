// What the gateway driver knows of an endpoint, whose connections are the runtime's: by a fetch that the test answers for.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AttemptContext } from "../../src/etcd/driver/driver.ts";
import { unsent } from "../../src/etcd/driver/gateway/gateway-error.ts";
import { GatewaySessions } from "../../src/etcd/driver/gateway/gateway-sessions.ts";
import type { Fetch } from "../../src/fetcher.ts";
import { readLines } from "../../src/response-lines.ts";
import { countListeners } from "../support/count-listeners.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

const [e1, e2] = [{ address: "e1:1" }, { address: "e2:1" }];
const never = new AbortController().signal;
const MESSAGE = `${JSON.stringify({ header: { revision: "1" } })}\n`;
const encoder = new TextEncoder();

/** A response whose body the test sends. */
function response(status = 200) {
  let body: ReadableStreamDefaultController<Uint8Array> | undefined;
  const stream = new ReadableStream<Uint8Array>({ start: (controller) => void (body = controller) });
  return {
    response: new Response(stream, { status }),
    send: (text: string) => body!.enqueue(encoder.encode(text)),
    end: () => body!.close(),
    fail: (error: Error) => body!.error(error),
  };
}

function setUp() {
  const fetches: { readonly signal: AbortSignal; readonly answer: (answer: Response | Error) => void }[] = [];
  const clock = new ManualClock();
  const fetch: Fetch = (_, { signal }) =>
    new Promise((resolve, reject) => {
      const answer = (answer: Response | Error) => answer instanceof Error ? reject(answer) : resolve(answer);
      fetches.push({ signal: signal!, answer });
      // As runtimes do, which name the reason in their own way.
      signal!.addEventListener("abort", () => reject(new Error("aborted by the runtime")));
    });
  const sessions = new GatewaySessions({ fetch, clock, random: () => 0.5 });
  const lost: string[] = [];
  sessions.onLost(({ address }) => lost.push(address));
  /** Makes a call, which may have to wait for another one. */
  const call = async (endpoint = e1, signal = never, more: { endsWithSession?: boolean; neededByMs?: number } = {}) => {
    const context: AttemptContext = { endpoint, signal, ...more };
    const messages = sessions.call({ path: "watch", body: {}, ...more }, context);
    const next = messages.next().catch((error: Error) => error);
    await settled();
    return { messages, next };
  };
  /** Makes one after the longest backoff. */
  const open: typeof call = async (...args) => {
    await clock.advance(2_000);
    return await call(...args);
  };
  /** A call that is answered. */
  const answered = async () => {
    const { messages, next } = await open();
    fetches.at(-1)!.answer(new Response(MESSAGE));
    await next;
    await messages.next();
  };
  /** One that is not. */
  const failed = async () => {
    const { next } = await open();
    fetches.at(-1)!.answer(new TypeError("fetch failed", { cause: new Error("ECONNRESET") }));
    return await next;
  };
  return { sessions, fetches, lost, call, open, answered, failed, clock };
}

describe("an endpoint of etcd's JSON gateway", () => {
  it("has a number that changes with its first answer, each loss and each reset, and with nothing else", async () => {
    const { sessions, answered, failed } = setUp();
    const numbers = [sessions.generation(e1)];
    assert.equal(sessions.generation(e1), numbers[0]);
    assert.notEqual(sessions.generation(e2), numbers[0]);
    const changed = () => {
      const number = sessions.generation(e1);
      assert.ok(!numbers.includes(number), `${number} again after ${numbers}`);
      numbers.push(number);
    };
    await answered();
    changed();
    await answered();
    assert.equal(sessions.generation(e1), numbers.at(-1));
    await failed();
    changed();
    await failed();
    changed();
    await answered();
    changed();
    sessions.reset(e1, numbers.at(-1)!);
    changed();
    sessions.reset(e1, numbers[0]!);
    assert.equal(sessions.generation(e1), numbers.at(-1), "that number is an older one");
  });

  it("is lost once between two answers, by a request that fails or a reset", async () => {
    const { sessions, lost, open, fetches, answered, failed } = setUp();
    await failed();
    assert.deepEqual(lost, [], "it never answered");
    await answered();
    await failed();
    await failed();
    assert.deepEqual(lost, ["e1:1"]);
    const { messages, next } = await open();
    const { response: body, send, fail } = response();
    fetches.at(-1)!.answer(body);
    send(MESSAGE);
    await next;
    fail(new Error("cut"));
    await assert.rejects(messages.next(), /^GatewayError: cut$/);
    assert.deepEqual(lost, ["e1:1", "e1:1"]);
    await answered();
    sessions.reset(e1, sessions.generation(e1));
    assert.equal(lost.length, 3);
  });

  it("has answered when it refuses, and with each message of a stream, but not when something else answers", async () => {
    const { lost, open, fetches, failed } = setUp();
    const answers = async (answer: Response) => {
      const { next } = await open();
      fetches.at(-1)!.answer(answer);
      return String(await next);
    };
    assert.match(await answers(new Response("<html>", { status: 502 })), /HTTP 502/);
    assert.match(await answers(new Response("<html>")), /HTTP 200/);
    assert.match(await answers(Response.json({ code: 5, message: "gone" }, { status: 404 })), /gone/);
    await failed();
    assert.deepEqual(lost, ["e1:1"]);
    const { messages, next } = await open();
    const { response: body, send } = response();
    fetches.at(-1)!.answer(body);
    send(MESSAGE);
    await next;
    await failed();
    send(MESSAGE);
    await messages.next();
    await failed();
    assert.equal(lost.length, 3);
  });

  it("that something else answers for is not lost", async () => {
    const { lost, open, fetches, answered } = setUp();
    await answered();
    for (const body of ["null", "<html>", "[]"]) {
      for (const status of [200, 500]) {
        const { next } = await open();
        fetches.at(-1)!.answer(new Response(body, { status }));
        assert.equal(String(await next), `GatewayError: HTTP ${status}: ${JSON.stringify(body)}`);
      }
    }
    assert.deepEqual(lost, []);
  });
});

describe("an endpoint of etcd's JSON gateway that has not answered", () => {
  it("gets one call at a time, for a second each, and all once it has answered", async () => {
    const { call, fetches, clock } = setUp();
    const [first, second, third] = [await call(), await call(), await call()];
    assert.equal(fetches.length, 1);
    await clock.advance(900);
    assert.equal(fetches.length, 1);
    await clock.advance(300);
    assert.equal(fetches.length, 2);
    fetches[0]!.answer(new Response(MESSAGE));
    await first.next;
    await clock.advance(160);
    assert.equal(fetches.length, 3);
    for (const { answer } of fetches.slice(1)) answer(new Response(MESSAGE));
    assert.deepEqual([await second.next, await third.next].map((next) => "done" in next && next.done), [false, false]);
  });

  it("gets the next call soon after the caller of the one before has left", async () => {
    const { call, fetches, clock } = setUp(), caller = new AbortController();
    await call(e1, caller.signal);
    await call();
    caller.abort();
    await clock.advance(20);
    assert.equal(fetches.length, 2);
  });

  it("lets those wait for no other call whose answers would come too late", async () => {
    const { call, fetches, clock } = setUp();
    await call();
    await call(e1, never, { neededByMs: clock.now() + 2_500 });
    assert.equal(fetches.length, 1);
    await call(e1, never, { neededByMs: clock.now() + 1_500 });
    assert.equal(fetches.length, 2);
  });

  it("fails those who wait for a call that fails, unsent, and is in backoff then", async () => {
    const { sessions, call, fetches, clock } = setUp();
    const first = await call(), second = await call();
    const reset = Object.assign(new Error("reset"), { code: "ECONNRESET" });
    fetches[0]!.answer(new TypeError("fetch failed", { cause: reset }));
    assert.match(String(await first.next), /reset/);
    assert.ok(!unsent(await first.next));
    await clock.advance(160);
    assert.match(String(await second.next), /^GatewayError: .*reset/);
    assert.ok(unsent(await second.next));
    assert.equal(sessions.backoffMs(e1), 1_000 - 160);
    assert.equal(sessions.backoffMs(e2), 0);
    await call();
    assert.equal(fetches.length, 1);
    await clock.advance(1_000);
    assert.equal(fetches.length, 2);
  });

  it("is in backoff after something else's answer, and is not after etcd's refusal", async () => {
    const something = [
      new Response("<html>", { status: 502 }),
      new Response("<html>"),
      Response.json({ message: "no upstream" }, { status: 503 }),
      Response.json({ code: 503, message: "no upstream" }, { status: 503 }),
      Response.json({ code: null, message: "no upstream" }, { status: 503 }),
    ];
    const refusals = [
      Response.json({ code: 5, message: "gone" }, { status: 404 }),
      Response.json({ error: { code: 5, message: "gone" } }),
    ];
    for (const answer of [...something, ...refusals]) {
      const { sessions, call, fetches } = setUp();
      const { next } = await call();
      fetches[0]!.answer(answer);
      await next;
      assert.equal(sessions.backoffMs(e1), something.includes(answer) ? 1_000 : 0);
      const others = [await call(), await call()];
      assert.equal(fetches.length - 1, something.includes(answer) ? 0 : others.length);
    }
  });

  it("is not in backoff when streams are cut that had been answered", async () => {
    const { sessions, call, fetches } = setUp();
    const streams = [];
    for (let i = 0; i < 2; i++) {
      const { messages, next } = await call();
      const { response: body, send, fail } = response();
      fetches[i]!.answer(body);
      send(MESSAGE);
      await next;
      streams.push({ messages, fail });
    }
    for (const { messages, fail } of streams.reverse()) {
      fail(new Error("cut"));
      await assert.rejects(messages.next(), /cut/);
    }
    assert.equal(sessions.backoffMs(e1), 0);
    await call();
    assert.equal(fetches.length, 3);
  });
});

describe("a request to etcd's JSON gateway", () => {
  it("ends with its session if it is a watch, and goes on if it isn't", async () => {
    const { sessions, open, fetches, answered } = setUp();
    await answered();
    const bound = await open(e1, never, { endsWithSession: true });
    const free = await open();
    sessions.reset(e1, sessions.generation(e1));
    assert.match(String(await bound.next), /the session to etcd was given up/);
    assert.deepEqual(fetches.slice(1).map(({ signal }) => signal.aborted), [true, false]);
    fetches[2]!.answer(new Response(MESSAGE));
    assert.deepEqual(await free.next, { done: false, value: { header: { revision: "1" } } });
  });

  it("ends with its driver, after which none is made", async () => {
    const { sessions, open, fetches } = setUp();
    const calls = [await open(e1), await open(e2)];
    sessions.close();
    for (const { next } of calls) assert.match(String(await next), /^Error: the etcd driver is closed$/);
    assert.match(String(await (await open()).next), /the etcd driver is closed/);
    assert.equal(fetches.length, 2);
  });

  it("ends with its caller, for the caller's reason, and the connection is not lost by that", async () => {
    const { lost, open, fetches, answered } = setUp();
    await answered();
    const caller = new AbortController(), reason = new Error("left");
    const { next } = await open(e1, caller.signal);
    const { messages, next: first } = await open(e1, caller.signal);
    const { response: body, send } = response();
    fetches.at(-1)!.answer(body);
    send(MESSAGE);
    await first;
    const second = messages.next().catch((error: unknown) => error);
    await settled();
    caller.abort(reason);
    assert.deepEqual([await next, await second, lost], [reason, reason, []]);
    assert.equal(await (await open(e1, caller.signal)).next, reason);
    assert.equal(fetches.length, 3, "it is not made for a caller who has gone");
  });

  it("is let go once it is answered, by its caller, its session and its driver", async () => {
    const { sessions, open, fetches } = setUp();
    const caller = new AbortController();
    const listeners = countListeners(caller.signal);
    const { messages, next } = await open(e1, caller.signal, { endsWithSession: true });
    assert.equal(listeners(), 1);
    fetches[0]!.answer(new Response(MESSAGE));
    await next;
    assert.equal((await messages.next()).done, true);
    assert.equal(listeners(), 0);
    sessions.reset(e1, sessions.generation(e1));
    sessions.close();
    assert.equal(fetches[0]!.signal.aborted, false);
  });

  it("is refused by the first 64 Ki characters of an error", async () => {
    const { open, fetches } = setUp();
    const refusal = (length: number) => {
      const text = JSON.stringify({ code: 5, message: "gone" });
      return [" ".repeat(length - 1) + text.slice(0, 1), text.slice(1)] as const;
    };
    for (const [length, text] of [[2 ** 16, /gone/], [2 ** 16 + 1, /HTTP 404/]] as const) {
      const { next } = await open();
      const { response: body, send } = response(404);
      fetches.at(-1)!.answer(body);
      for (const part of refusal(length)) send(part);
      assert.match(String(await next), text);
    }
  });
});

describe("the lines of a body", () => {
  it("end with the signal's reason, and leave no listener behind", async () => {
    const caller = new AbortController(), reason = new Error("left");
    const listeners = countListeners(caller.signal);
    assert.deepEqual(await Array.fromAsync(readLines(new Response("a\n").body!, 10, caller.signal)), ["a"]);
    assert.equal(listeners(), 0);
    const { response: { body }, send } = response();
    const lines = readLines(body!, 10, caller.signal);
    send("a\n");
    await lines.next();
    const next = lines.next().catch((error: unknown) => error);
    caller.abort(reason);
    assert.equal(await next, reason);
    assert.equal(listeners(), 0);
  });
});
