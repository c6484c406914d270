import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code } from "@connectrpc/connect";
import { Simple } from "../../../gen/simple_pb.ts";
import type { Attempt, AttemptStart, CallEnd } from "../../../src/index.ts";
import { ClientSeries } from "../../../src/observe/otel/client-series.ts";
import { MeasuredCall } from "../../../src/observe/otel/measured-call.ts";
import { MetricStore } from "../../../src/observe/otel/store.ts";

/** A call whose time is set by hand, and what was measured of it: the sum and the number of values of each metric. */
function measured() {
  const store = new MetricStore();
  let nowMs = 0;
  const series = new ClientSeries(
    { backend: store, conventions: "grpc", experimental: true },
    { target: "t", system: "grpc", method: "m", now: () => nowMs },
  );
  const call = new MeasuredCall(series);
  const { route: method } = Simple.method, endpoint = { address: "a:1" };
  return {
    call,
    pass: (ms: number) => void (nowMs += ms),
    begin: (number: number, hedge = false) => call.attemptStarted({ number, hedge } as AttemptStart),
    end: (number: number, end: Attempt["end"], code?: Code, latencyMs = 1) =>
      call.attemptEnded({
        endpoint,
        method,
        number,
        hedge: false,
        end,
        latencyMs,
        ...code !== undefined && { code },
      }),
    over: (latencyMs = nowMs, code?: Code) =>
      call.ended({ code, error: undefined, latencyMs, attempts: 1 } satisfies CallEnd),
    async sums(): Promise<Record<string, number>> {
      const [scope] = (await store.collect()).resourceMetrics.scopeMetrics;
      return Object.fromEntries(scope!.metrics.map(({ descriptor: { name }, dataPoints }) => {
        const values = dataPoints.map(({ value }) => (typeof value === "number" ? value : value.sum));
        return [name.replace("grpc.client.", ""), Math.round(values.reduce((a, b) => a + b) * 1e6) / 1e6];
      }));
    },
  };
}

describe("the metrics of a call", () => {
  it("count the wait for a connection as its attempt's, but neither resolution nor backoff", async () => {
    const { call, pass, begin, end, over, sums } = measured();
    call.waiting("resolution");
    pass(100);
    call.waiting("connection");
    pass(10);
    begin(1);
    end(1, "answered", Code.Unavailable);
    call.waiting("backoff");
    pass(1_000);
    call.waiting("room");
    pass(20);
    begin(2);
    end(2, "answered");
    over();
    assert.deepEqual(await sums(), {
      "attempt.started": 2,
      "attempt.duration": 0.011 + 0.021,
      "call.duration": 1.13,
      "call.retries": 1,
      "call.retry_delay": 1,
    });
  });

  it("have the same time for a call and its only attempt if that is all it did", async () => {
    const { begin, end, over, sums } = measured();
    begin(1);
    end(1, "answered", undefined, 1_500);
    // Computed in another order, it may differ in the last bits.
    over(1_500 + 1e-9);
    assert.deepEqual(await sums(), { "attempt.started": 1, "attempt.duration": 1.5, "call.duration": 1.5 });
  });

  it("tell a call's time from its attempt's, also where they are close, or either of them failed", async () => {
    for (
      const [ofAttempt, ofCall] of [
        [undefined, undefined],
        [Code.NotFound, Code.NotFound],
        [undefined, Code.Canceled],
      ] as const
    ) {
      const { begin, end, over, sums } = measured();
      begin(1);
      end(1, "answered", ofAttempt, 20);
      over(20.5, ofCall);
      assert.deepEqual(await sums(), { "attempt.started": 1, "attempt.duration": 0.02, "call.duration": 0.0205 });
    }
  });

  it("tell retries of attempts that no server processed from others, and from hedges", async () => {
    const { begin, end, over, sums } = measured();
    begin(1);
    end(1, "refused", Code.Unavailable);
    begin(2);
    begin(3, true);
    end(2, "answered", Code.Unavailable);
    begin(4);
    end(3, "maybe-processed", Code.Canceled);
    end(4, "answered");
    over();
    const { "call.transparent_retries": transparent, "call.retries": retries, "call.hedges": hedges } = await sums();
    assert.deepEqual({ transparent, retries, hedges }, { transparent: 1, retries: 1, hedges: 1 });
  });

  it("count an attempt that found no room, and is made again, once", async () => {
    const { begin, end, over, sums } = measured();
    begin(1);
    end(1, "not-sent", Code.Unavailable);
    begin(1);
    end(1, "answered");
    over();
    assert.equal((await sums())["call.transparent_retries"], undefined);
  });
});
