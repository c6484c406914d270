// What the gateway driver knows of an endpoint, whose connections are the runtime's: by a fetch that the test answers for.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AttemptContext } from "../../src/etcd/driver/driver.ts";
import { GatewaySessions } from "../../src/etcd/driver/gateway/gateway-sessions.ts";
import { readLines } from "../../src/response-lines.ts";
import { countListeners } from "../support/count-listeners.ts";
import { settled } from "../support/manual-clock.ts";

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
  const sessions = new GatewaySessions((_, { signal }) =>
    new Promise((resolve, reject) => {
      const answer = (answer: Response | Error) => answer instanceof Error ? reject(answer) : resolve(answer);
      fetches.push({ signal: signal!, answer });
      // As runtimes do, which name the reason in their own way.
      signal!.addEventListener("abort", () => reject(new Error("aborted by the runtime")));
    })
  );
  const lost: string[] = [];
  sessions.onLost(({ address }) => lost.push(address));
  const open = (endpoint = e1, signal = never, more = {}) => {
    const context: AttemptContext = { endpoint, signal };
    const messages = sessions.call({ path: "watch", body: {}, ...more }, context);
    return { messages, next: messages.next().catch((error: Error) => error) };
  };
  /** A call that is answered. */
  const answered = async () => {
    const { messages, next } = open();
    fetches.at(-1)!.answer(new Response(MESSAGE));
    await next;
    await messages.next();
  };
  /** One that is not. */
  const failed = async () => {
    const { next } = open();
    fetches.at(-1)!.answer(new TypeError("fetch failed", { cause: new Error("ECONNRESET") }));
    return await next;
  };
  return { sessions, fetches, lost, open, answered, failed };
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
    const { messages, next } = open();
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
      const { next } = open();
      fetches.at(-1)!.answer(answer);
      return String(await next);
    };
    assert.match(await answers(new Response("<html>", { status: 502 })), /HTTP 502/);
    assert.match(await answers(new Response("<html>")), /HTTP 200/);
    assert.match(await answers(Response.json({ code: 5, message: "gone" }, { status: 404 })), /gone/);
    await failed();
    assert.deepEqual(lost, ["e1:1"]);
    const { messages, next } = open();
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
        const { next } = open();
        fetches.at(-1)!.answer(new Response(body, { status }));
        assert.equal(String(await next), `GatewayError: HTTP ${status}: ${JSON.stringify(body)}`);
      }
    }
    assert.deepEqual(lost, []);
  });
});

describe("a request to etcd's JSON gateway", () => {
  it("ends with its session if it is a watch, and goes on if it isn't", async () => {
    const { sessions, open, fetches } = setUp();
    const bound = open(e1, never, { endsWithSession: true });
    const free = open();
    sessions.reset(e1, sessions.generation(e1));
    assert.match(String(await bound.next), /the session to etcd was given up/);
    assert.deepEqual(fetches.map(({ signal }) => signal.aborted), [true, false]);
    fetches[1]!.answer(new Response(MESSAGE));
    assert.deepEqual(await free.next, { done: false, value: { header: { revision: "1" } } });
  });

  it("ends with its driver, after which none is made", async () => {
    const { sessions, open, fetches } = setUp();
    const calls = [open(e1), open(e2)];
    sessions.close();
    for (const { next } of calls) assert.match(String(await next), /^Error: the etcd driver is closed$/);
    assert.match(String(await open().next), /the etcd driver is closed/);
    assert.equal(fetches.length, 2);
  });

  it("ends with its caller, for the caller's reason, and the connection is not lost by that", async () => {
    const { lost, open, fetches, answered } = setUp();
    await answered();
    const caller = new AbortController(), reason = new Error("left");
    const { next } = open(e1, caller.signal);
    const { messages, next: first } = open(e1, caller.signal);
    const { response: body, send } = response();
    fetches.at(-1)!.answer(body);
    send(MESSAGE);
    await first;
    const second = messages.next().catch((error: unknown) => error);
    await settled();
    caller.abort(reason);
    assert.deepEqual([await next, await second, lost], [reason, reason, []]);
    assert.equal(await open(e1, caller.signal).next, reason);
    assert.equal(fetches.length, 3, "it is not made for a caller who has gone");
  });

  it("is let go once it is answered, by its caller, its session and its driver", async () => {
    const { sessions, open, fetches } = setUp();
    const caller = new AbortController();
    const listeners = countListeners(caller.signal);
    const { messages, next } = open(e1, caller.signal, { endsWithSession: true });
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
      const { next } = open();
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
