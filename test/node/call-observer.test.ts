// What observers of calls hear of calls over gRPC: when answers begin, and how calls end with their connections.
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { type Client, createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { fixedHedging } from "../../src/call/fixed-hedging.ts";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { explainCall } from "../../src/observe/recorder/explain.ts";
import { flightRecorder } from "../../src/observe/recorder/flight-recorder.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import type { BalancedTransportOptions } from "../../src/transport/options.ts";
import { createBalancedTransport } from "../../src/transport/transport.ts";
import { failureOf } from "../support/balanced.ts";
import { eventually } from "../support/eventually.ts";
import { ErrorCode } from "../support/raw-http2/frame.ts";
import { type Scenario, startRawServer } from "../support/raw-http2/server.ts";
import { OK_HEADERS, OK_TRAILERS } from "../support/raw-http2/session.ts";
import { watchCalls } from "../support/watch-calls.ts";

async function watched(
  t: TestContext,
  scenario: Scenario,
  options: Partial<BalancedTransportOptions> = {},
  servers = 1,
) {
  const raw = await Promise.all(Array.from({ length: servers }, () => startRawServer(scenario)));
  const { observer, calls } = watchCalls();
  const recorder = flightRecorder();
  const transport = createBalancedTransport({
    resolver: staticResolver(raw.map(({ address }) => address)),
    connector: grpcConnector(),
    observers: [observer],
    recorder,
    random: () => 0,
    ...options,
  });
  t.after(async () => {
    await transport.close();
    await Promise.all(raw.map((server) => server.close()));
  });
  const client: Client<typeof Simple> = createClient(Simple, transport);
  /** What was heard of the first call, without addresses and times. */
  const heard = () =>
    calls[0]!.lines.filter((line) => !line.startsWith("waits")).map((line) =>
      line.replace(/ 127\.\S+$/, "").replace(/ in [\d.]+$/, "")
    );
  return { calls, client, heard, recorder, transport };
}

describe("an observer of calls over gRPC", () => {
  for (const name of ["route", "routeServerStream"] as const) {
    it(`hears when the answer begins (${name})`, async (t) => {
      const began = Promise.withResolvers<void>();
      const { client, heard, recorder } = await watched(t, async (session) => {
        await session.handshake();
        const id = await session.wholeRequest();
        session.headers(id, OK_HEADERS);
        session.data(id, new Uint8Array(2));
        await began.promise;
        session.data(id, new Uint8Array(3));
        session.headers(id, OK_TRAILERS, { endStream: true });
        await session.left();
      });
      const call = (async () => {
        if (name === "route") return void await client.route({});
        for await (const _ of client.routeServerStream({}));
      })();
      await eventually("the answer begins", () => heard().includes("1 answering"));
      assert.deepEqual(heard(), ["attempt 1", "1 answering"]);
      began.resolve();
      await call;
      assert.deepEqual(heard(), ["attempt 1", "1 answering", "1 answered ok", "ended ok after 1"]);
      const { firstByteMs = NaN, latencyMs = NaN } = recorder.calls()[0]!.attempts[0]!;
      assert.ok(firstByteMs > 0 && firstByteMs <= latencyMs, `${firstByteMs} of ${latencyMs}`);
    });
  }

  it("hears of the hedges that lost before the call ends", async (t) => {
    let index = 0;
    const { client, heard, recorder, transport } = await watched(
      t,
      async (session) => {
        await session.handshake();
        const id = await session.wholeRequest();
        if (index++ === 1) session.respond(id, { messages: [new Uint8Array(0)] });
        await session.left();
      },
      { defaultServiceConfig: { methods: { "*": { hedging: fixedHedging({ maxAttempts: 2, delayMs: 1 }) } } } },
      2,
    );
    await transport.connect();
    await eventually("both are ready", () => transport.snapshot().endpoints?.every(({ state }) => state === "ready"));
    await client.route({});
    assert.deepEqual(heard().toSorted(), [
      "1 maybe-processed Canceled",
      "2 answered ok",
      "attempt 1",
      "ended ok after 2",
      "hedge 2",
    ]);
    assert.equal(heard().at(-1), "ended ok after 2");
    assert.deepEqual(recorder.calls()[0]!.attempts.map(({ end }) => end), ["maybe-processed", "answered"]);
  });

  it("hears once of the end of calls whose connection is cut, and the explanation shows nothing of it raw", async (t) => {
    const { calls, client, recorder } = await watched(t, async (session) => {
      await session.handshake();
      await session.wholeRequest();
      session.goaway(0, ErrorCode.internalError, `\u001b[2J\u202e${"x".repeat(300)}`);
      session.destroy();
    }, { retry: false });
    const error = await failureOf(client.route({}, { timeoutMs: 10_000 }));
    assert.equal(calls[0]!.ends.length, 1);
    assert.equal(calls[0]!.ends[0]!.error, error);
    for (const text of [explainCall(error), JSON.stringify(recorder.calls()), String(error)]) {
      assert.doesNotMatch(text.replaceAll("\n", ""), /[\p{Cc}\p{Bidi_Control}]/u);
      assert.doesNotMatch(text, /x{200}/);
    }
  });
});
