import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createRouterTransport, type Interceptor, type Transport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { Outcome } from "../../src/connection/connection.ts";
import { markAttempt } from "../../src/connection/mark.ts";
import { balanced, failureOf } from "../support/balanced.ts";
import { settled } from "../support/manual-clock.ts";
import { simpleRoutes } from "../support/simple.ts";

/** A transport over links that the test settles, and the outcomes that health checks hear of. `deaf`: to signals. */
function setUp(options: { transport?: () => Transport; interceptors?: Interceptor[]; deaf?: boolean } = {}) {
  const outcomes: Outcome[] = [];
  const { transport = () => byHand, deaf = false, ...rest } = options;
  /** Fails the newest attempt. */
  let fail = (_: unknown) => {};
  const byHand: Transport = {
    unary: (_, signal) =>
      new Promise((_, reject) => {
        fail = reject;
        if (deaf) return;
        signal?.addEventListener("abort", () => reject(ConnectError.from(signal.reason, Code.Canceled)));
      }),
    stream: () => Promise.reject(new ConnectError("no streams", Code.Unimplemented)),
  };
  const made = balanced({
    ...rest,
    health: [() => ({ outcome: (_, outcome) => void outcomes.push(outcome) })],
    links: { transport },
    retry: { methods: ["proto.Simple"] },
  });
  const ends = () => outcomes.map(({ code, abandoned }) => [code, abandoned]);
  return { ...made, outcomes, ends, fail: (error: unknown) => fail(error) };
}

const router = () => createRouterTransport(simpleRoutes({ name: "a" }));

describe("an outcome", () => {
  it("says what was called, and how long each attempt was allowed to take", async () => {
    const { client, clock, fail, outcomes, ready, transport } = setUp();
    await ready();
    const call = failureOf(client.route({}, { timeoutMs: 1_000 }));
    await clock.advance(300);
    fail(new ConnectError("lost", Code.Unavailable));
    await clock.advance(50);
    fail(new ConnectError("the operation timed out", Code.DeadlineExceeded));
    await call;
    const endless = failureOf(client.route({}));
    await settled();
    fail(new ConnectError("lost", Code.Internal));
    await endless;
    assert.deepEqual(outcomes.map(({ timeoutMs }) => timeoutMs), [1_000, 700, undefined]);
    assert.ok(outcomes.every(({ method }) => method === Simple.method.route));
    await transport.close();
  });

  it("is of no significance for the server where the caller aborted, unlike a deadline that passed", async () => {
    const { client, clock, ends, fail, ready, transport } = setUp();
    await ready();
    const abort = new AbortController();
    const call = failureOf(client.route({}, { signal: abort.signal }));
    await settled();
    abort.abort(new ConnectError("shutting down", Code.Unavailable));
    await call;
    const late = failureOf(client.route({}, { timeoutMs: 1_000 }));
    await clock.advance(1_000);
    fail(new ConnectError("the operation timed out", Code.DeadlineExceeded));
    await late;
    assert.deepEqual(ends(), [[Code.Unavailable, true], [Code.DeadlineExceeded, false]]);
    await transport.close();
  });

  it("is the server's where it answered before the link noticed the caller's abort", async () => {
    const { client, ends, fail, ready, transport } = setUp({ deaf: true });
    await ready();
    const abort = new AbortController();
    const call = failureOf(client.route({}, { signal: abort.signal }));
    await settled();
    abort.abort();
    fail(markAttempt(new ConnectError("busy", Code.Unavailable), "answered"));
    await call;
    assert.deepEqual(ends(), [[Code.Unavailable, false]]);
    await transport.close();
  });

  it("is a deadline's, too, where interceptors are around the call", async () => {
    const { client, ends, ready, transport } = setUp({ interceptors: [(next) => (request) => next(request)] });
    await ready();
    const error = await failureOf(client.route({}, { timeoutMs: 1 }));
    assert.equal((error as ConnectError).code, Code.DeadlineExceeded);
    assert.deepEqual(ends(), [[Code.DeadlineExceeded, false]]);
    await transport.close();
  });

  it("is of no significance where a stream's reader stops, or its caller aborts", async () => {
    const { ends, ready, transport } = setUp({ transport: router });
    await ready();
    const open = async (signal?: AbortSignal) => {
      async function* input() {
        yield {};
      }
      const { message } = await transport.stream(
        Simple.method.routeServerStream,
        signal,
        undefined,
        undefined,
        input(),
      );
      const reader = message[Symbol.asyncIterator]();
      await reader.next();
      return reader;
    };
    await (await open()).return!();
    const abort = new AbortController();
    const reader = await open(abort.signal);
    abort.abort();
    await failureOf(reader.next());
    const whole = await open();
    while (!(await whole.next()).done);
    assert.deepEqual(ends(), [[Code.Canceled, true], [Code.Canceled, true], [undefined, false]]);
    await transport.close();
  });
});

describe("a picker's description of a connection", () => {
  it("is part of the snapshot; one that throws has no effect", async (t) => {
    const print = t.mock.method(console, "error", () => {});
    const { ready, transport } = balanced({
      policy: (connections) => {
        for (const connection of connections) connection.connect();
        return {
          pick: () => "wait",
          describe(connection) {
            if (connection.endpoint.address === "b:1") throw new Error("mine");
            return connection.endpoint.address === "a:1" ? { weight: 3, probed: false } : undefined;
          },
        };
      },
    });
    await ready();
    const { endpoints } = transport.snapshot();
    assert.deepEqual(endpoints!.map(({ policy }) => policy), [{ weight: 3, probed: false }, undefined, undefined]);
    assert.equal(print.mock.callCount(), 1);
    await transport.close();
    const plain = balanced();
    await plain.ready();
    assert.equal(plain.transport.snapshot().endpoints![0]!.policy, undefined);
    await plain.transport.close();
  });
});
