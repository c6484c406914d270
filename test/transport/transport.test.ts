import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { balanced, failureOf } from "../support/balanced.ts";
import { countListeners } from "../support/count-listeners.ts";
import { settled } from "../support/manual-clock.ts";
import { pulled } from "../support/pulled.ts";

const unary = Simple.method.route, stream = Simple.method.routeServerStream;
const requests = async function* () {
  yield { data: "x" };
};

describe("a transport", () => {
  it("leaves no rejection unhandled if a stream fails before its response is read", async (t) => {
    const unhandled: unknown[] = [], note = (reason: unknown) => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    t.after(() => process.off("unhandledRejection", note));
    for (const interceptors of [[], [(next) => (request) => next(request)]] satisfies Interceptor[][]) {
      const { transport, client } = balanced({ interceptors });
      await transport.close();
      const messages = client.routeServerStream({ data: "x" });
      await settled();
      await settled();
      assert.deepEqual(unhandled, []);
      await assert.rejects(messages[Symbol.asyncIterator]().next(), /is closed/);
    }
  });

  it("says that it is closed, before it does anything else", async () => {
    let resolved = 0;
    const { transport } = balanced({
      resolver: {
        target: "simple",
        async *resolve() {
          resolved++;
          yield { endpoints: [] };
        },
      },
      interceptors: [() => () => assert.fail("it is closed")],
    });
    await transport.close();
    for (
      const call of [
        () => transport.unary(unary, undefined, undefined, undefined, {}),
        () => transport.stream(stream, undefined, undefined, undefined, requests()),
        () => transport.connect(),
        // It is closed, whatever else may be said about the call.
        () => transport.unary(unary, AbortSignal.abort(), undefined, undefined, {}),
        () => transport.stream(stream, AbortSignal.abort(), undefined, undefined, requests()),
        () => transport.connect({ signal: AbortSignal.abort() }),
      ]
    ) {
      const error = await failureOf(call()) as ConnectError;
      assert.equal(error.code, Code.FailedPrecondition, String(error));
    }
    assert.equal(resolved, 0);
  });

  it("is not started by a connect() that was aborted, and ends one that is aborted later", async () => {
    const resolutions: AbortSignal[] = [];
    const { clock, transport } = balanced({
      resolver: {
        target: "simple",
        // deno-lint-ignore require-yield -- it knows nothing
        async *resolve(signal) {
          resolutions.push(signal);
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        },
      },
      idleTimeoutMs: Infinity,
    });
    const reason = new ConnectError("enough", Code.Canceled);
    assert.equal(await failureOf(transport.connect({ signal: AbortSignal.abort(reason) })), reason);
    assert.equal(resolutions.length, 0);
    const abort = new AbortController();
    const failed = failureOf(transport.connect({ signal: abort.signal }));
    await settled();
    assert.equal(resolutions.length, 1);
    abort.abort(reason);
    assert.equal(await failed, reason);
    assert.deepEqual(clock.pending, []);
    await transport.close();
  });

  it("closes its links at once unless it is given a grace", async () => {
    for (const close of ["close", Symbol.asyncDispose] as const) {
      const { links, ready, transport } = balanced();
      await ready();
      await transport[close]();
      assert.deepEqual(links.get("a:1")!.closes, [[0, 0]]);
      const pull = pulled({ addresses: ["a:1"] });
      await pull.client.route({ data: "x" });
      await pull.transport[close]();
      assert.deepEqual(pull.links.get("a:1")!.closes, [[0, 0]]);
    }
    const { links, ready, transport } = balanced();
    await ready();
    await transport.close(7);
    assert.deepEqual(links.get("a:1")!.closes, [[7, 7]]);
  });

  it("stops after half an hour without calls by default", async () => {
    const { clock, ready, transport } = balanced();
    await ready();
    await clock.advance(1_800_000 - clock.now() - 1);
    assert.notEqual(transport.snapshot().endpoints, undefined);
    await clock.advance(1_800_001);
    assert.equal(transport.snapshot().endpoints, undefined);
    await transport.close();
    const other = balanced();
    other.transport.connect().catch(() => {});
    assert.ok(other.clock.pending.includes(1_800_000));
    await other.transport.close();
  });

  it("takes options up to their bounds", () => {
    for (const panicShare of [0, 1]) balanced({ panicShare });
    for (const jitter of [0, 1, "full"] as const) balanced({ backoff: { jitter } as never });
    balanced({ backoff: { factor: 1 } as never });
    for (const factor of [0.99, Infinity, NaN]) {
      assert.throws(() => balanced({ backoff: { factor } as never }), /^RangeError: option backoff\.factor is /);
    }
    for (const jitter of [-0.1, 1.1]) {
      assert.throws(() => balanced({ backoff: { jitter } as never }), /^RangeError: option backoff\.jitter is /);
    }
  });
});

describe("a transport with interceptors", () => {
  const hanging: Interceptor = () => ({ signal }) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

  it("shows them context values, also where the caller gave none", async () => {
    const seen: unknown[] = [];
    const { clock, ready, transport } = balanced({
      interceptors: [(next) => (request) => (seen.push(typeof request.contextValues.get), next(request))],
    });
    await ready();
    await transport.unary(unary, undefined, undefined, undefined, {});
    const { message } = await transport.stream(stream, undefined, undefined, undefined, requests());
    for await (const _ of message);
    assert.deepEqual(seen, ["function", "function"]);
    await transport.close();
    assert.deepEqual(clock.pending, []);
  });

  it("ends a stream at its deadline that an interceptor holds up, and keeps the process alive until then", async () => {
    const { clock, transport } = balanced({ interceptors: [hanging] });
    const failed = failureOf(transport.stream(stream, undefined, 500, undefined, requests()));
    await settled();
    assert.equal(clock.held, 1);
    await clock.advance(499);
    assert.equal(clock.held, 1);
    await clock.advance(100);
    assert.equal((await failed as ConnectError).code, Code.DeadlineExceeded);
    assert.equal(clock.held, 0);
    await transport.close();
  });

  it("has no timer of its own for a stream without a deadline", async () => {
    const { clock, transport } = balanced({ interceptors: [hanging] });
    await settled();
    const before = clock.pending, stop = new AbortController();
    const failed = failureOf(transport.stream(stream, stop.signal, undefined, undefined, requests()));
    await settled();
    assert.deepEqual([clock.pending, clock.held], [before, 0]);
    stop.abort();
    await failed;
    await transport.close();
  });

  it("ends a unary call at its deadline that an interceptor holds up", async () => {
    const { transport } = balanced({ interceptors: [hanging] });
    const error = await failureOf(transport.unary(unary, undefined, 20, undefined, {})) as ConnectError;
    assert.equal(error.code, Code.DeadlineExceeded);
    await transport.close();
  });

  it("leaves neither timer nor listener when an interceptor throws", async () => {
    for (const timeoutMs of [undefined, 60_000]) {
      const { clock, transport } = balanced({
        interceptors: [() => () => {
          throw new Error("mine");
        }],
      });
      const { signal } = new AbortController();
      const listeners = countListeners(signal);
      assert.match(String(await failureOf(transport.stream(stream, signal, timeoutMs, undefined, requests()))), /mine/);
      // It may be taken off twice.
      assert.ok(listeners() <= 0);
      assert.equal(clock.held, 0);
      await transport.close();
    }
  });

  it("enforces the deadline of a stream by its attempt once there is a response", async () => {
    const { clock, ready, transport } = balanced({ interceptors: [(next) => next], idleTimeoutMs: Infinity });
    await ready();
    const { message } = await transport.stream(stream, undefined, 60_000, undefined, requests());
    for await (const _ of message);
    assert.deepEqual(clock.pending, []);
    await transport.close();
  });
});
