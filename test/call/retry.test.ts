import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createRouterTransport, type Transport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { type RetryOptions, RetryPolicy, safeMethods } from "../../src/call/retry.ts";
import { RetryThrottle } from "../../src/call/retry-throttle.ts";
import { balanced, failureOf } from "../support/balanced.ts";
import { simpleRoutes } from "../support/simple.ts";

const { route: idempotent, routeServerStream: unmarked } = Simple.method;
const unavailable = new ConnectError("try later", Code.Unavailable);
const pushback = (value: string) => new ConnectError("later", Code.Unavailable, { "grpc-retry-pushback-ms": value });

function policy(options: RetryOptions = {}, throttle: RetryThrottle = new RetryThrottle(options.budget ?? {})) {
  return new RetryPolicy(options, safeMethods(options.methods), throttle, () => 0.5);
}

describe("RetryPolicy", () => {
  it("repeats idempotent methods after Unavailable, with growing pauses, four attempts in all", () => {
    const retry = policy();
    const pauses = [1, 2, 3, 4].map((number) => retry.next(idempotent, number, "answered", unavailable));
    assert.deepEqual(pauses, [50, 100, 200, undefined]);
  });

  it("pauses for at most a second, unless the user sets another limit", () => {
    const first = (options: RetryOptions) => policy(options).next(idempotent, 1, "answered", unavailable);
    assert.equal(first({ initialBackoffMs: 5_000 }), 500);
    assert.equal(first({ initialBackoffMs: 5_000, maxBackoffMs: 3_000 }), 1_500);
  });

  it("asks another endpoint at once when a connection was lost", () => {
    assert.equal(policy().next(idempotent, 1, "maybe-processed", unavailable), 0);
    assert.equal(policy().next(idempotent, 2, "maybe-processed", unavailable), 100);
  });

  it("repeats no other method, unless the user lists it", () => {
    assert.equal(policy().next(unmarked, 1, "answered", unavailable), undefined);
    for (const name of ["proto.Simple", "proto.Simple/RouteServerStream"]) {
      assert.equal(policy({ methods: [name] }).next(unmarked, 1, "answered", unavailable), 50);
    }
  });

  it("repeats after the codes that the user lists alone", () => {
    const aborted = new ConnectError("conflict", Code.Aborted);
    assert.equal(policy().next(idempotent, 1, "answered", aborted), undefined);
    const retry = policy({ codes: [Code.Aborted] });
    assert.equal(retry.next(idempotent, 1, "answered", aborted), 50);
    assert.equal(retry.next(idempotent, 1, "answered", unavailable), undefined);
  });

  it("repeats after an error that has neither code nor metadata, if the user lists Unknown", () => {
    assert.equal(policy({ codes: [Code.Unknown] }).next(idempotent, 1, "answered", new Error("plain")), 50);
    assert.equal(policy().next(idempotent, 1, "answered", new Error("plain")), undefined);
  });

  it("waits as long as the server says, and not at all when it says no or nothing readable", () => {
    assert.equal(policy().next(idempotent, 1, "answered", pushback("1234")), 1234);
    assert.equal(policy().next(idempotent, 1, "answered", pushback("0")), 0);
    for (const no of ["-1", "soon", ""]) {
      assert.equal(policy().next(idempotent, 1, "answered", pushback(no)), undefined);
    }
  });

  it("takes a token for an error with which the server forbids retries, whatever its code", () => {
    const throttle = new RetryThrottle({ maxTokens: 4 });
    const retry = policy({}, throttle);
    const never = new ConnectError("no", Code.Aborted, { "grpc-retry-pushback-ms": "-1" });
    for (const allows of [true, false]) {
      assert.equal(retry.next(idempotent, 1, "answered", never), undefined);
      assert.equal(throttle.allows, allows);
    }
    assert.equal(retry.covers(never), false);
    assert.equal(retry.covers(unavailable), true);
  });

  it("stops when half of the budget is gone, and goes on when successes have filled it again", () => {
    const throttle = new RetryThrottle({ maxTokens: 10, tokenRatio: 0.5 });
    const retry = policy({}, throttle);
    const next = () => retry.next(idempotent, 1, "answered", unavailable) !== undefined;
    assert.deepEqual([next(), next(), next(), next(), next()], [true, true, true, true, false]);
    for (let i = 0; i < 3; i++) throttle.succeeded();
    assert.equal(next(), true);
    assert.equal(next(), false);
  });
});

/** A server whose first streams fail: before they answer, after they read so much, or after their first message. */
function flaky(failures: number, after: { readonly reads: number } | "headers"): Transport {
  const inner = createRouterTransport(simpleRoutes({ name: "a" }));
  let left = failures;
  return {
    ...inner,
    async stream(method, signal, timeoutMs, header, input, contextValues) {
      if (left-- <= 0) return await inner.stream(method, signal, timeoutMs, header, input, contextValues);
      if (after !== "headers") {
        const iterator = input[Symbol.asyncIterator]();
        for (let i = 0; i < after.reads; i++) await iterator.next();
        throw new ConnectError("try later", Code.Unavailable);
      }
      const response = await inner.stream(method, signal, timeoutMs, header, input, contextValues);
      const message = (async function* () {
        for await (const first of response.message) {
          yield first;
          throw new ConnectError("try later", Code.Unavailable);
        }
      })();
      return { ...response, message };
    },
  };
}

describe("streams of methods that the user lists", () => {
  const retry: RetryOptions = { methods: ["proto.Simple"] };
  async function* requests() {
    for (const data of ["1", "2", "3"]) yield { data };
  }

  it("are made again, whole, when they fail before they are answered", async () => {
    const link = flaky(2, { reads: 2 });
    const attempts: string[] = [];
    const { client, clock, ready, transport } = balanced({
      retry,
      links: { transport: () => link },
      onAttempt: ({ number, end }) => void attempts.push(`${number} ${end}`),
    });
    await ready();
    const call = client.routeClientStream(requests());
    await clock.advance(1_000);
    assert.equal((await call).value, "a: 1,2,3");
    assert.deepEqual(attempts, ["1 maybe-processed", "2 maybe-processed", "3 answered"]);
    await transport.close();
  });

  it("are not made again once the answer has begun", async () => {
    const link = flaky(1, "headers");
    let attempts = 0;
    const { client, ready, transport } = balanced({
      retry,
      links: { transport: () => link },
      onAttempt: () => void attempts++,
    });
    await ready();
    const values: string[] = [];
    const read = async () => {
      for await (const { value } of client.routeBidiStream(requests())) values.push(value);
    };
    assert.match(String(await failureOf(read())), /the attempt, on a:1, failed: try later/);
    assert.deepEqual(values, ["a: hello 1"]);
    assert.equal(attempts, 1);
    await transport.close();
  });

  it("are not made again with retry: false", async () => {
    const link = flaky(1, { reads: 0 });
    const { client, ready, transport } = balanced({ retry: false, links: { transport: () => link } });
    await ready();
    assert.match(
      String(await failureOf(client.routeClientStream(requests()))),
      /the attempt, on a:1, failed: try later/,
    );
    await transport.close();
  });
});
