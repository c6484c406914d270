import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { fixedHedging } from "../../src/call/fixed-hedging.ts";
import type { Attempt, AttemptStart } from "../../src/call/observer.ts";
import type { Connection, Outcome } from "../../src/connection/connection.ts";
import { markAttempt } from "../../src/connection/mark.ts";
import { note } from "../../src/connection/note.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import type { FixedHedgingOptions, MethodHedging } from "../../src/resolver/service-config.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import type { BalancedTransportOptions } from "../../src/transport/options.ts";
import { balanced, failureOf } from "../support/balanced.ts";
import { heldLinks } from "../support/held-links.ts";
import { settled } from "../support/manual-clock.ts";

/** A transport that hedges all methods, whose attempts are held. */
function hedged(
  hedging: FixedHedgingOptions,
  { deaf, ...options }: Partial<BalancedTransportOptions> & { deaf?: boolean | undefined } = {},
) {
  const { sent, transport } = heldLinks({ deaf });
  const defaultServiceConfig = {
    methods: { "*": { hedging: fixedHedging(hedging) } },
    ...options.defaultServiceConfig,
  };
  const rest = balanced({ links: { transport }, ...options, defaultServiceConfig });
  return {
    ...rest,
    sent,
    addresses: () => sent.map(({ address }) => address),
    inFlight: () => rest.transport.snapshot().endpoints!.map(({ inFlight }) => inFlight),
  };
}

const failed = (code: Code) => markAttempt(new ConnectError("no", code), "answered");
const pushback = (value: string) =>
  markAttempt(new ConnectError("later", Code.Unavailable, { "grpc-retry-pushback-ms": value }), "answered");
const nonFatal = { nonFatalCodes: [Code.Unavailable] };

async function read(messages: AsyncIterable<{ readonly value: string }>): Promise<string[]> {
  const values: string[] = [];
  for await (const { value } of messages) values.push(value);
  return values;
}

describe("a call with hedging at fixed intervals (gRFC A6)", () => {
  it("makes another attempt after each delay, on an endpoint of its own, and takes the first answer", async () => {
    const { addresses, client, clock, inFlight, ready, sent, transport } = hedged({ maxAttempts: 3, delayMs: 100 });
    await ready();
    const call = client.route({ data: "x" });
    for (const [ms, expected] of [[99, ["a:1"]], [1, ["a:1", "b:1"]], [99, ["a:1", "b:1"]]] as const) {
      await clock.advance(ms);
      assert.deepEqual(addresses(), expected);
    }
    await clock.advance(200);
    assert.deepEqual(addresses(), ["a:1", "b:1", "c:1"]);
    assert.deepEqual(inFlight(), [1, 1, 1]);
    sent[1]!.answer();
    assert.equal((await call).value, "b:1: hello x");
    assert.deepEqual(sent.map(({ signal }) => signal!.aborted), [true, false, true]);
    await settled();
    assert.deepEqual(inFlight(), [0, 0, 0]);
    assert.deepEqual(clock.pending.filter((ms) => ms < 1_000), []);
    await transport.close();
  });

  it("makes no other attempt once it is answered", async () => {
    const { addresses, client, clock, ready, sent, transport } = hedged({ maxAttempts: 3, delayMs: 100 });
    await ready();
    const call = client.route({ data: "x" });
    await clock.advance(100);
    sent[0]!.answer();
    assert.equal((await call).value, "a:1: hello x");
    await clock.advance(1_000);
    assert.deepEqual(addresses(), ["a:1", "b:1"]);
    await transport.close();
  });

  it("makes all attempts at once without a delay, at most five", async () => {
    const resolver = staticResolver(["a:1", "b:1", "c:1", "d:1", "e:1", "f:1"]);
    const { addresses, client, ready, sent, transport } = hedged({ maxAttempts: 9 }, { resolver });
    await ready();
    const call = client.route({ data: "x" });
    assert.deepEqual(addresses(), ["a:1", "b:1", "c:1", "d:1", "e:1"]);
    sent[4]!.answer();
    assert.equal((await call).value, "e:1: hello x");
    await transport.close();
  });

  it("makes as many attempts as there are endpoints for, and the others when there are more", async () => {
    const { addresses, client, clock, links, ready, sent, transport } = hedged(
      { maxAttempts: 3, delayMs: 100 },
      { resolver: staticResolver(["a:1", "b:1"]) },
    );
    await ready();
    links.get("b:1")!.room = 0;
    const call = client.route({ data: "x" });
    await clock.advance(150);
    assert.deepEqual(addresses(), ["a:1"]);
    links.get("b:1")!.room = 1;
    // After one that could not be sent, the next waits twice as long.
    await clock.advance(149);
    assert.deepEqual(addresses(), ["a:1"]);
    await clock.advance(1);
    assert.deepEqual(addresses(), ["a:1", "b:1"]);
    await clock.advance(1_000);
    assert.deepEqual(addresses(), ["a:1", "b:1"]);
    sent[1]!.answer();
    await call;
    const another = client.route({ data: "y" });
    await clock.advance(0);
    sent[2]!.answer();
    assert.equal((await another).value, `${sent[2]!.address}: hello y`);
    await transport.close();
  });

  it("makes the next attempt at once after a code that is not fatal, and the one after it after the delay", async () => {
    const { addresses, client, clock, ready, sent, transport } = hedged({ maxAttempts: 4, delayMs: 100, ...nonFatal }, {
      resolver: staticResolver(["a:1", "b:1", "c:1", "d:1"]),
      // A backoff would be above 0.
      random: () => 0.9,
    });
    await ready();
    const call = client.route({ data: "x" });
    await clock.advance(30);
    sent[0]!.fail(failed(Code.Unavailable));
    await settled();
    assert.deepEqual(addresses(), ["d:1", "a:1"]);
    await clock.advance(99);
    assert.equal(sent.length, 2);
    await clock.advance(1);
    assert.equal(sent.length, 3);
    await clock.advance(50);
    sent[1]!.fail(failed(Code.Unavailable));
    await settled();
    assert.deepEqual(addresses(), ["d:1", "a:1", "b:1", "c:1"]);
    sent[2]!.answer();
    assert.equal((await call).value, "b:1: hello x");
    await transport.close();
  });

  it("fails with any other code, and cancels its other attempts", async () => {
    const { client, clock, inFlight, ready, sent, transport } = hedged({ maxAttempts: 3, delayMs: 100, ...nonFatal });
    await ready();
    const call = failureOf(client.route({}));
    await clock.advance(100);
    sent[1]!.fail(failed(Code.NotFound));
    const error = await call;
    assert.ok(error instanceof ConnectError);
    assert.deepEqual([error.code, error.rawMessage], [Code.NotFound, "no"]);
    assert.equal(sent[0]!.signal!.aborted, true);
    await clock.advance(500);
    assert.equal(sent.length, 2);
    assert.deepEqual(inFlight(), [0, 0, 0]);
    await transport.close();
  });

  it("fails with the last error when all attempts have failed, and makes no more", async () => {
    const { client, clock, ready, sent, transport } = hedged({ maxAttempts: 3, ...nonFatal });
    await ready();
    const call = failureOf(client.route({}));
    await settled();
    for (const at of [0, 1, 2]) {
      sent[at]!.fail(markAttempt(new ConnectError(`no ${at}`, Code.Unavailable), "answered"));
      await settled();
    }
    assert.match(String(await call), /no 2/);
    await clock.advance(2_000);
    assert.equal(sent.length, 3);
    await transport.close();
  });

  it("uses an endpoint again when all have failed and attempts are left", async () => {
    const resolver = staticResolver(["a:1", "b:1"]);
    const { addresses, client, clock, ready, sent, transport } = hedged({ maxAttempts: 3, ...nonFatal }, { resolver });
    await ready();
    const call = client.route({ data: "x" });
    await settled();
    for (const at of [0, 1]) sent[at]!.fail(failed(Code.Unavailable));
    await clock.advance(100);
    assert.deepEqual(addresses(), ["a:1", "b:1", "a:1"]);
    sent[2]!.answer();
    assert.equal((await call).value, "a:1: hello x");
    await transport.close();
  });

  it("goes on with the others when the connection of one is lost, whatever codes are fatal", async () => {
    const { client, clock, ready, sent, transport } = hedged({ maxAttempts: 2, delayMs: 10 });
    await ready();
    const call = client.route({ data: "x" });
    await clock.advance(10);
    sent[0]!.fail(new ConnectError("lost", Code.Unavailable));
    await settled();
    sent[1]!.answer();
    assert.equal((await call).value, "b:1: hello x");
    await transport.close();
  });

  it("makes the next attempt when the server says so, and the one after it after the delay", async () => {
    const { client, clock, ready, sent, transport } = hedged({ maxAttempts: 4, delayMs: 100, ...nonFatal }, {
      resolver: staticResolver(["a:1", "b:1", "c:1", "d:1"]),
    });
    await ready();
    const call = client.route({});
    await clock.advance(100);
    sent[0]!.fail(pushback("250"));
    await clock.advance(249);
    assert.equal(sent.length, 2);
    await clock.advance(1);
    assert.equal(sent.length, 3);
    await clock.advance(99);
    assert.equal(sent.length, 3);
    await clock.advance(1);
    assert.equal(sent.length, 4);
    sent[3]!.answer();
    await call;
    await transport.close();
  });

  it("makes no more attempts when the server says that, or nothing readable; those in flight go on", async () => {
    for (const no of ["-1", "soon"]) {
      const { client, clock, ready, sent, transport } = hedged({ maxAttempts: 3, delayMs: 100, ...nonFatal });
      await ready();
      const call = client.route({ data: "x" });
      await clock.advance(100);
      sent[0]!.fail(pushback(no));
      await clock.advance(1_000);
      assert.equal(sent.length, 2, no);
      sent[1]!.answer();
      assert.equal((await call).value, "b:1: hello x");
      await transport.close();
    }
  });

  it("shares the retry budget: at half of it, calls have one attempt", async () => {
    const { client, clock, ready, sent, transport } = hedged({ maxAttempts: 2, ...nonFatal }, {
      retry: { budget: { maxTokens: 4, tokenRatio: 1 } },
    });
    await ready();
    const call = failureOf(client.route({}));
    await settled();
    assert.equal(sent.length, 2);
    for (const { fail } of [...sent]) fail(failed(Code.Unavailable));
    await call;
    const throttled = client.route({});
    await clock.advance(1_000);
    assert.equal(sent.length, 3);
    sent[2]!.answer();
    await throttled;
    const again = client.route({});
    await settled();
    assert.equal(sent.length, 5);
    sent[4]!.answer();
    await again;
    await transport.close();
  });

  it("sends one that was refused elsewhere at once, and does not count it", async () => {
    const resolver = staticResolver(["a:1", "b:1", "c:1", "d:1"]);
    const { addresses, client, clock, ready, sent, transport } = hedged({ maxAttempts: 2, delayMs: 100 }, { resolver });
    await ready();
    const call = client.route({ data: "x" });
    await clock.advance(100);
    sent[1]!.fail(markAttempt(new ConnectError("no", Code.Unavailable), "refused"));
    await settled();
    assert.deepEqual(addresses(), ["a:1", "b:1", "c:1"]);
    sent[2]!.fail(note(markAttempt(new ConnectError("full", Code.Unavailable), "not-sent"), "full"));
    await settled();
    assert.deepEqual(addresses(), ["a:1", "b:1", "c:1", "d:1"]);
    await clock.advance(500);
    assert.equal(sent.length, 4);
    sent[0]!.answer();
    assert.equal((await call).value, "a:1: hello x");
    await transport.close();
  });

  it("waits for room like any other call when its only attempt finds none", async () => {
    const resolver = staticResolver(["a:1"]);
    const { client, inFlight, ready, sent, transport } = hedged({ maxAttempts: 2, delayMs: 100 }, { resolver });
    await ready();
    const call = client.route({ data: "x" });
    await settled();
    sent[0]!.fail(note(markAttempt(new ConnectError("full", Code.Unavailable), "not-sent"), "full"));
    await settled();
    assert.equal(sent.length, 2);
    sent[1]!.answer();
    assert.equal((await call).value, "a:1: hello x");
    await settled();
    assert.deepEqual(inFlight(), [0]);
    await transport.close();
  });

  it("ends with all its attempts when the caller aborts", async () => {
    const { client, clock, inFlight, ready, sent, transport } = hedged({ maxAttempts: 3 });
    await ready();
    const abort = new AbortController();
    const call = failureOf(client.route({}, { signal: abort.signal }));
    await settled();
    abort.abort(new Error("left"));
    const error = await call;
    assert.ok(error instanceof ConnectError);
    assert.deepEqual([error.code, error.rawMessage], [Code.Canceled, "left"]);
    assert.ok(sent.every(({ signal }) => signal!.aborted));
    await clock.advance(100);
    assert.deepEqual([sent.length, inFlight()], [3, [0, 0, 0]]);
    await transport.close();
  });

  it("gives each attempt the time that is left, and ends with them", async () => {
    const { client, clock, ready, sent, transport } = hedged({ maxAttempts: 3, delayMs: 100, ...nonFatal });
    await ready();
    const call = failureOf(client.route({}, { timeoutMs: 250 }));
    await clock.advance(250);
    assert.deepEqual(sent.map(({ timeoutMs }) => timeoutMs), [250, 150, 50]);
    sent[1]!.fail(new ConnectError("the operation timed out", Code.DeadlineExceeded));
    const error = await call;
    assert.ok(error instanceof ConnectError);
    assert.equal(error.code, Code.DeadlineExceeded);
    assert.ok(sent[0]!.signal!.aborted && sent[2]!.signal!.aborted);
    await transport.close();
  });

  it("makes no hedge when its time is over, or the transport is closed", async () => {
    for (const over of ["time", "transport"]) {
      const { client, clock, ready, sent, transport } = hedged({ maxAttempts: 2, delayMs: 100 }, { deaf: true });
      await ready();
      const call = failureOf(client.route({}, { timeoutMs: over === "time" ? 100 : 5_000 }));
      await settled();
      if (over === "transport") await transport.close();
      await clock.advance(200);
      assert.equal(sent.length, 1);
      sent[0]!.fail(new ConnectError("over", Code.Unavailable));
      assert.ok(await call instanceof ConnectError);
      await transport.close();
    }
  });

  it("tells pickers and health checks that an attempt which lost says nothing about its server", async () => {
    const outcomes: Record<string, Outcome>[] = [{}, {}];
    const inner = roundRobin();
    const keep = (where: number) => ({ endpoint }: Connection, outcome: Outcome) =>
      void (outcomes[where]![endpoint.address] = outcome);
    const { client, clock, ready, sent, transport } = hedged({ maxAttempts: 2, delayMs: 100 }, {
      policy(...args) {
        const picker = inner(...args);
        return { pick: (call) => picker.pick(call), done: keep(0) };
      },
      health: [() => ({ outcome: keep(1) })],
    });
    await ready();
    const call = client.route({});
    await clock.advance(150);
    sent[1]!.answer();
    await call;
    await settled();
    for (const { "a:1": lost, "b:1": won } of outcomes) {
      assert.deepEqual([lost!.abandoned, lost!.end, lost!.code], [true, "maybe-processed", Code.Canceled]);
      assert.equal(lost!.latencyMs, 150);
      assert.deepEqual([won!.abandoned, won!.end, won!.code, won!.latencyMs], [false, "answered", undefined, 50]);
    }
    await transport.close();
  });

  it("shows observers which attempts are hedges, and numbers them", async () => {
    const starts: AttemptStart[] = [], ends: Attempt[] = [];
    const { client, clock, ready, sent, transport } = hedged({ maxAttempts: 3, delayMs: 100, ...nonFatal }, {
      observers: [{
        attemptStarted(start) {
          starts.push(start);
          return (end) => void ends.push(end);
        },
      }],
    });
    await ready();
    const call = client.route({});
    await settled();
    sent[0]!.fail(failed(Code.Unavailable));
    await clock.advance(100);
    sent[2]!.answer();
    await call;
    await settled();
    assert.deepEqual(starts.map(({ number, hedge }) => [number, hedge]), [[1, false], [2, false], [3, true]]);
    assert.deepEqual(ends.map(({ number, hedge, code }) => [number, hedge, code]), [
      [1, false, Code.Unavailable],
      [3, true, undefined],
      [2, false, Code.Canceled],
    ]);
    await transport.close();
  });

  it("numbers no two attempts in flight alike, though one that began before another found no room", async () => {
    const starts: AttemptStart[] = [], ends: Attempt[] = [], made: number[] = [];
    const { client, clock, ready, sent, transport } = hedged({ maxAttempts: 3, delayMs: 100 }, {
      resolver: staticResolver(["a:1", "b:1", "c:1", "d:1"]),
      observers: [{
        callStarted: () => ({
          attemptStarted: (start) => void starts.push(start),
          attemptEnded: (end) => void ends.push(end),
          ended: ({ attempts }) => void made.push(attempts),
        }),
      }],
    });
    await ready();
    const call = client.route({});
    await clock.advance(200);
    sent[1]!.fail(note(markAttempt(new ConnectError("full", Code.Unavailable), "not-sent"), "full"));
    await settled();
    sent[2]!.answer();
    await call;
    await settled();
    const named = ({ number, endpoint }: AttemptStart | Attempt) => `${number} ${endpoint.address}`;
    assert.deepEqual(starts.map(named), ["1 a:1", "2 b:1", "3 c:1", "2 d:1"]);
    assert.deepEqual(ends.map(named), ["2 b:1", "3 c:1", "1 a:1", "2 d:1"]);
    assert.deepEqual(made, [3]);
    await transport.close();
  });

  it("runs the transport's interceptors once", async () => {
    let runs = 0;
    const count: Interceptor = (next) => async (request) => {
      runs++;
      return await next(request);
    };
    const { client, ready, sent, transport } = hedged({ maxAttempts: 3 }, { interceptors: [count] });
    await ready();
    const call = client.route({ data: "x" });
    await settled();
    sent[2]!.answer();
    assert.equal((await call).value, "c:1: hello x");
    assert.deepEqual([runs, sent.length], [1, 3]);
    const stream = read(client.routeServerStream({ data: "y" }));
    await settled();
    sent[4]!.answer();
    assert.equal((await stream).length, 3);
    assert.equal(runs, 2);
    await transport.close();
  });

  it("is not hedged in a panic, nor by a policy that knows no other endpoint", async () => {
    const sick = new Error("sick");
    const { client, clock, ready, sent, transport } = hedged({ maxAttempts: 3 }, {
      panicShare: 0.5,
      health: [({ report }) => ({ ready: (connection) => report(connection, sick) })],
    });
    await ready();
    const call = client.route({});
    await clock.advance(100);
    assert.equal(sent.length, 1);
    sent[0]!.answer();
    await call;
    await transport.close();
    const first = hedged({ maxAttempts: 3 }, {
      policy([connection]) {
        connection?.connect();
        return { pick: () => connection?.available ? connection : "wait" };
      },
    });
    await first.ready();
    const alone = first.client.route({});
    await settled();
    assert.deepEqual(first.addresses(), ["a:1"]);
    first.sent[0]!.answer();
    await alone;
    await first.transport.close();
  });

  it("goes on without hedges when the policy throws or drops them", async () => {
    const { client, ready, sent, transport } = hedged({ maxAttempts: 3 }, {
      policy(connections) {
        for (const connection of connections) connection.connect();
        let picks = 0;
        return {
          pick() {
            if (picks++ > 0) throw new Error("only one");
            return connections[0]!.available ? connections[0]! : "wait";
          },
        };
      },
    });
    await ready();
    const call = client.route({ data: "x" });
    await settled();
    assert.equal(sent.length, 1);
    sent[0]!.answer();
    assert.equal((await call).value, "a:1: hello x");
    await transport.close();
  });

  it("does not cancel attempts so often that servers would take it for an attack", async () => {
    const resolver = staticResolver(["a:1", "b:1"]);
    const { client, clock, ready, sent, transport } = hedged({ maxAttempts: 2 }, { resolver });
    await ready();
    /** Makes calls that are all answered by the same server; returns how many were hedged before the first that was not. */
    const hedges = async () => {
      for (let count = 0;; count++) {
        sent.splice(0);
        const call = client.route({});
        await settled();
        for (const { address, answer } of sent) if (address === "a:1" || sent.length === 1) answer();
        await call;
        await settled();
        if (sent.length === 1) return count;
      }
    };
    assert.equal(await hedges(), 100);
    await clock.advance(1_000);
    assert.equal(await hedges(), 25);
    await transport.close();
  });

  it("takes the answer of an attempt that won although its link does not end the others", async () => {
    const { client, inFlight, ready, sent, transport } = hedged({ maxAttempts: 3 }, { deaf: true });
    await ready();
    const call = client.route({ data: "x" });
    await settled();
    sent[1]!.answer();
    assert.equal((await call).value, "b:1: hello x");
    assert.deepEqual(inFlight(), [1, 0, 1]);
    sent[0]!.answer();
    sent[2]!.fail(new Error("late"));
    await settled();
    assert.deepEqual(inFlight(), [0, 0, 0]);
    const { started, succeeded, failed } = transport.snapshot().calls;
    assert.deepEqual([started, succeeded, failed], [1, 1, 0], "it is one call, whoever answers");
    await transport.close();
  });
});

describe("a server-streaming call with hedging", () => {
  it("is committed to the first attempt that gets headers, and ends the others", async () => {
    const { client, clock, inFlight, ready, sent, transport } = hedged({ maxAttempts: 3, delayMs: 100 });
    await ready();
    const call = read(client.routeServerStream({ data: "x" }));
    await clock.advance(150);
    assert.deepEqual(sent.map(({ address, messages }) => [address, messages.length]), [["a:1", 1], ["b:1", 1]]);
    sent[0]!.answer();
    assert.deepEqual(await call, ["a:1: hello x 0", "a:1: hello x 1", "a:1: hello x 2"]);
    assert.deepEqual(sent.map(({ signal }) => signal!.aborted), [false, true]);
    await clock.advance(500);
    assert.deepEqual([sent.length, inFlight()], [2, [0, 0, 0]]);
    await transport.close();
  });

  it("ends with the caller's signal, before and after it is answered", async () => {
    for (const answered of [false, true]) {
      const { client, inFlight, ready, sent, transport } = hedged({ maxAttempts: 2 });
      await ready();
      const abort = new AbortController();
      const messages = client.routeServerStream({}, { signal: abort.signal })[Symbol.asyncIterator]();
      const first = failureOf(messages.next());
      await settled();
      if (answered) sent[1]!.answer();
      await settled();
      abort.abort();
      await settled();
      assert.ok(sent.every(({ signal }) => signal!.aborted));
      assert.deepEqual(inFlight(), [0, 0, 0]);
      if (answered) await assert.rejects(messages.next());
      else assert.match(String(await first), /aborted/);
      await transport.close();
    }
  });

  it("ignores the answer of an attempt that lost, whose link does not end it", async () => {
    const { client, inFlight, ready, sent, transport } = hedged({ maxAttempts: 2 }, { deaf: true });
    await ready();
    const call = read(client.routeServerStream({ data: "x" }));
    await settled();
    sent[1]!.answer();
    assert.equal((await call)[0], "b:1: hello x 0");
    sent[0]!.answer();
    await settled();
    assert.deepEqual(inFlight(), [0, 0, 0]);
    await transport.close();
  });

  it("makes another attempt for one that fails before its headers", async () => {
    const { client, ready, sent, transport } = hedged({ maxAttempts: 3, delayMs: 100, ...nonFatal });
    await ready();
    const call = read(client.routeServerStream({ data: "x" }));
    await settled();
    sent[0]!.fail(failed(Code.Unavailable));
    await settled();
    sent[1]!.answer();
    assert.equal((await call)[0], "b:1: hello x 0");
    assert.deepEqual(sent.map(({ messages }) => messages.length), [1, 1]);
    await transport.close();
  });

  it("has one attempt at a time if the client streams", async () => {
    const { client, clock, ready, sent, transport } = hedged({ maxAttempts: 3 });
    await ready();
    async function* requests() {
      yield { data: "1" };
    }
    const one = client.routeClientStream(requests());
    await clock.advance(100);
    assert.equal(sent.length, 1);
    sent[0]!.answer();
    assert.equal((await one).value, "a:1: 1");
    const both = read(client.routeBidiStream(requests()));
    await clock.advance(100);
    assert.equal(sent.length, 2);
    sent[1]!.answer();
    assert.equal((await both).length, 1);
    await transport.close();
  });
});

describe("a config with hedging", () => {
  it("hedges nothing in a transport that never retries, nor with hedging: false", async () => {
    const never = { methods: { "*": { hedging: false } } } as const;
    for (const options of [{ retry: false }, { defaultServiceConfig: never }] as const) {
      const { client, clock, ready, sent, transport } = hedged({ maxAttempts: 2 }, options);
      await ready();
      const call = client.route({});
      await clock.advance(100);
      assert.equal(sent.length, 1);
      sent[0]!.answer();
      await call;
      await transport.close();
    }
  });

  it("has no retries for the same methods, and a number of attempts", () => {
    const config = (hedging: unknown, rest = {}) => () =>
      hedged({ maxAttempts: 2 }, {
        defaultServiceConfig: { methods: { "a.B/C": { hedging: hedging as MethodHedging, ...rest } } },
      });
    const two = fixedHedging({ maxAttempts: 2 });
    assert.throws(config(two, { retry: {} }), /methods\["a.B\/C"\] has both retry and hedging/);
    config(two, { retry: false })();
    assert.throws(
      config({ maxAttempts: 2 }),
      /hedging is an object: expected fixedHedging\({ maxAttempts }\) or false$/,
    );
    assert.throws(config(fixedHedging), /expected fixedHedging.* Call it: fixedHedging\(…\)$/);
    assert.throws(config(null), TypeError);
    const fixed = (options: FixedHedgingOptions) => () => fixedHedging(options);
    assert.throws(fixed({} as FixedHedgingOptions), /option maxAttempts is undefined/);
    assert.throws(fixed({ maxAttempts: 1 }), RangeError);
    assert.throws(fixed({ maxAttempts: 2, delayMs: -1 }), RangeError);
    assert.throws(fixed({ maxAttempts: 2, nonFatalCodes: [99 as Code] }), TypeError);
  });
});
