// What follows a failed attempt: another one, and when; or an error, and which.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createRouterTransport, type Transport } from "@connectrpc/connect";
import { type AttemptEnd, markAttempt } from "../../src/connection/mark.ts";
import { note } from "../../src/connection/note.ts";
import type { Policy } from "../../src/policy/policy.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import type { BalancedTransportOptions } from "../../src/transport/options.ts";
import { balanced, failureOf } from "../support/balanced.ts";
import { manualResolver } from "../support/manual-resolver.ts";
import { settled } from "../support/manual-clock.ts";
import { simpleRoutes } from "../support/simple.ts";

/** Links whose attempts fail by hand, the earliest first, and are answered once there are so many of them. */
function failing(answeredFrom: number, options: Partial<BalancedTransportOptions> = {}) {
  const attempts: { readonly address: string; fail(error: unknown): void }[] = [];
  const link = ({ address }: { readonly address: string }): Transport => {
    const inner = createRouterTransport(simpleRoutes({ name: address }));
    return {
      ...inner,
      unary: (...args) =>
        attempts.length + 1 >= answeredFrom
          ? (attempts.push({ address, fail() {} }), inner.unary(...args))
          : new Promise((_, reject) => void attempts.push({ address, fail: reject })),
    };
  };
  return { ...balanced({ resolver: staticResolver(["a:1"]), links: { transport: link }, ...options }), attempts };
}

const pushback = (ms: number) => new ConnectError("later", Code.Unavailable, { "grpc-retry-pushback-ms": `${ms}` });
const ended = (end: AttemptEnd, code: Code = Code.Unavailable) => markAttempt(new ConnectError("no", code), end);

function assertFailure(error: unknown, code: Code, text: RegExp): void {
  assert.ok(error instanceof ConnectError, String(error));
  assert.match(error.message, text);
  assert.equal(error.code, code);
}

describe("the next attempt of a call", () => {
  it("is made when the server's pause is over, be it a millisecond or as long as calls may wait", async () => {
    for (const ms of [1, 10_000]) {
      const { attempts, client, clock, ready, transport } = failing(2, { resolver: staticResolver(["a:1", "b:1"]) });
      await ready();
      const call = client.route({ data: "x" });
      await settled();
      attempts[0]!.fail(pushback(ms));
      await clock.advance(ms - 1);
      assert.equal(attempts.length, 1);
      await clock.advance(1);
      assert.equal((await call).value, "b:1: hello x");
      await transport.close();
    }
  });

  it("is not waited for when the call's time ends with the server's pause", async () => {
    const { attempts, client, clock, ready, transport } = failing(2);
    await ready();
    const failure = failureOf(client.route({}, { timeoutMs: 500 }));
    await settled();
    attempts[0]!.fail(pushback(500));
    await settled();
    assert.deepEqual(clock.held, 0);
    assertFailure(await failure, Code.Unavailable, /the attempt, on a:1, failed: later/);
    assert.equal(attempts.length, 1);
    await transport.close();
  });

  it("is made once, and not again, for a call that may be what ended its connections", async () => {
    const { attempts, client, ready, transport } = failing(9, { resolver: staticResolver(["a:1", "b:1", "c:1"]) });
    await ready();
    const failure = failureOf(client.route({}));
    for (const count of [1, 2]) {
      await settled();
      assert.equal(attempts.length, count);
      attempts[count - 1]!.fail(note(ended("not-sent"), "suspect"));
    }
    assertFailure(await failure, Code.Unavailable, /the last of 2 attempts, on b:1, was not sent: /);
    await transport.close();
  });

  it("is not picked when the call's time was over before the last one failed", async () => {
    for (const end of ["refused", "full"] as const) {
      let picks = 0;
      const policy: Policy = (connections) => {
        for (const connection of connections) connection.connect();
        return { pick: () => (picks++, connections.find(({ available }) => available) ?? "wait") };
      };
      const { attempts, client, clock, ready, transport } = failing(9, { policy });
      await ready();
      picks = 0;
      const failure = failureOf(client.route({}, { timeoutMs: 50 }));
      await settled();
      assert.equal(picks, 1);
      await clock.advance(60);
      attempts[0]!.fail(end === "full" ? note(ended("not-sent"), "full") : ended(end));
      assertFailure(await failure, Code.DeadlineExceeded, /no time left/);
      assert.equal(picks, 1, end);
      await transport.close();
    }
  });

  it("is not made when the transport was closed meanwhile: the call fails with the last one's error", async () => {
    const { attempts, client, ready, transport } = failing(9);
    await ready();
    const failure = failureOf(client.route({}));
    await settled();
    const closed = transport.close();
    attempts[0]!.fail(ended("not-sent"));
    assertFailure(await failure, Code.Unavailable, /the attempt, on a:1, was not sent: no/);
    await closed;
  });

  it("comes after a pause that is random, beyond the time between two pickers", async () => {
    const { attempts, client, clock, ready, transport } = failing(2, { random: () => 0.5 });
    await ready();
    await clock.advance(100);
    const call = client.route({ data: "x" });
    await settled();
    attempts[0]!.fail(ended("refused"));
    await clock.advance(24);
    assert.equal(attempts.length, 1);
    await clock.advance(1);
    assert.equal((await call).value, "a:1: hello x");
    await transport.close();
  });

  it("goes to an endpoint that came while the call paused, and is counted there once", async () => {
    const resolver = manualResolver();
    const { attempts, client, clock, ready, transport } = failing(2, { resolver, random: () => 0.75 });
    resolver.tell({ endpoints: [{ address: "a:1" }] });
    await ready();
    await clock.advance(100);
    const call = client.route({ data: "x" });
    await settled();
    attempts[0]!.fail(ended("refused"));
    await settled();
    resolver.tell({ endpoints: [{ address: "a:1" }, { address: "b:1" }] });
    await clock.advance(50);
    assert.equal((await call).value, "b:1: hello x");
    assert.deepEqual(
      transport.snapshot().endpoints!.map(({ endpoint, inFlight, picks }) => [endpoint.address, inFlight, picks]),
      [["a:1", 0, 1], ["b:1", 0, 1]],
    );
    await transport.close();
  });

  it("is not made when the caller aborts while the call pauses, although another endpoint came", async () => {
    const resolver = manualResolver();
    const { attempts, client, clock, ready, transport } = failing(2, { resolver, random: () => 0.75 });
    resolver.tell({ endpoints: [{ address: "a:1" }] });
    await ready();
    await clock.advance(100);
    const abort = new AbortController();
    const failure = failureOf(client.route({}, { signal: abort.signal }));
    await settled();
    attempts[0]!.fail(ended("refused"));
    await settled();
    resolver.tell({ endpoints: [{ address: "a:1" }, { address: "b:1" }] });
    await clock.advance(25);
    abort.abort();
    assertFailure(await failure, Code.Canceled, /aborted/);
    assert.deepEqual(attempts.map(({ address }) => address), ["a:1"]);
    await transport.close();
  });
});

describe("the error of a call whose last attempt failed", () => {
  it("says how that ended, and how many endpoints are ejected, if any are", async () => {
    const ends: Readonly<Record<string, AttemptEnd>> = { "a:1": "maybe-processed", "b:1": "answered" };
    const link = ({ address }: { readonly address: string }): Transport => {
      const end = ends[address];
      return {
        ...createRouterTransport(simpleRoutes({ name: address })),
        ...end !== undefined && { unary: () => Promise.reject(ended(end)) },
      };
    };
    const { client, ready, transport } = balanced({ links: { transport: link }, retry: false });
    await ready();
    const texts: string[] = [];
    for (let i = 0; i < 16; i++) await client.route({}).catch((error: ConnectError) => texts.push(error.rawMessage));
    const text = "proto.Simple/Route: the attempt, on a:1, failed: no";
    assert.deepEqual([texts[0], texts.at(-1)], [text, `${text}; 1 of 3 connected endpoints is ejected`]);
    await transport.close();
  });

  it("is the caller's reason when it has aborted, or the link's own error where that says so", async () => {
    for (
      const [error, expected] of [
        [ended("maybe-processed"), /left/],
        [ended("maybe-processed", Code.Canceled), /no/],
      ] as const
    ) {
      const { attempts, client, ready, transport } = failing(9);
      await ready();
      const abort = new AbortController();
      const failure = failureOf(client.route({}, { signal: abort.signal }));
      await settled();
      abort.abort(new Error("left"));
      attempts[0]!.fail(error);
      assertFailure(await failure, Code.Canceled, expected);
      await transport.close();
    }
  });

  it("has the code Unavailable when no server processed it, whatever the link's error says", async () => {
    for (const end of ["not-sent", "refused", "maybe-processed"] as const) {
      const { attempts, client, ready, transport } = failing(9);
      await ready();
      const failure = failureOf(client.route({}));
      await settled();
      attempts[0]!.fail(note(ended(end, Code.ResourceExhausted), "final"));
      const code = end === "maybe-processed" ? Code.ResourceExhausted : Code.Unavailable;
      assertFailure(await failure, code, /the attempt, on a:1, /);
      await transport.close();
    }
  });

  it("has the code Internal, and says why there is no other attempt, when the call ended its connection", async () => {
    const { attempts, client, ready, transport } = failing(9, { resolver: staticResolver(["a:1", "b:1"]) });
    await ready();
    const failure = failureOf(client.route({}));
    await settled();
    attempts[0]!.fail(note(ended("maybe-processed"), "final"));
    assertFailure(await failure, Code.Internal, /no other server is tried, as the call would end that connection, too/);
    assert.equal(attempts.length, 1);
    await transport.close();
  });
});
