import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { grpcConnector, type GrpcConnectorOptions } from "../../src/node/grpc-connector.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { FrameType } from "../support/raw-http2/frame.ts";
import { startRawServer } from "../support/raw-http2/server.ts";
import { failure } from "../grpc/link.ts";

/** A server that takes connections and says at most its SETTINGS, with a link to it on a clock that stands still. */
async function silent(t: TestContext, settings: boolean, options: GrpcConnectorOptions = {}) {
  const server = await startRawServer(async (session) => {
    // Not even acknowledgements: whatever comes is a sign of life, and would come at any time.
    session.answerControlFrames = false;
    if (settings) session.settings();
    await session.left();
  });
  const clock = new ManualClock();
  const link = grpcConnector({ clock, ...options })({ address: server.address }, { draining() {}, lost() {} });
  t.after(async () => {
    await link.close();
    await server.close();
  });
  const connect = () => link.connect!(new AbortController().signal);
  return { server, clock, connect, simple: createClient(Simple, link.transport) };
}

/** Whether a promise is settled, told without waiting for it. */
function watched(promise: Promise<unknown>): { settled: boolean } {
  const watched = { settled: false };
  const settle = () => void (watched.settled = true);
  promise.then(settle, settle);
  return watched;
}

describe("opening a link", () => {
  it("takes 20 s at most by default", async (t) => {
    const { server, clock, connect } = await silent(t, false);
    const opening = connect();
    const failed = assert.rejects(
      opening,
      /can't connect to 127\.0\.0\.1:\d+: no HTTP\/2 server answered within 20000 ms/,
    );
    const seen = watched(opening);
    // The client's preface: it is connected, and waits for the server's SETTINGS.
    await eventually("the server is spoken to", () => server.sessions[0]?.received.length);
    assert.deepEqual(clock.pending, [20_000]);
    await clock.advance(19_999);
    assert.equal(seen.settled, false);
    await clock.advance(1);
    await failed;
    await eventually("the server is left", () => server.sessions[0]!.clientLeft);
    assert.deepEqual(clock.pending, []);
  });

  it("leaves no timeout behind when it has succeeded", async (t) => {
    const { clock, connect } = await silent(t, true);
    await connect();
    assert.deepEqual(clock.pending, []);
  });
});

describe("a call on a link whose server falls silent", () => {
  const cases: readonly (readonly [name: string, keepalive: GrpcConnectorOptions["keepalive"], number, number])[] = [
    ["after 30 s, and fails after 10 s more unless told otherwise", undefined, 30_000, 10_000],
    ["after 30 s, and fails after the given time", { timeoutMs: 7 }, 30_000, 7],
    ["after the given time, and fails after 10 s more", { intervalMs: 8 }, 8, 10_000],
  ];
  for (const [name, keepalive, intervalMs, timeoutMs] of cases) {
    it(`pings ${name}`, async (t) => {
      const { server, clock, connect, simple } = await silent(t, true, { keepalive });
      await connect();
      const call = failure(simple.route({}));
      const seen = watched(call);
      assert.deepEqual(clock.pending, [intervalMs]);
      await clock.advance(intervalMs);
      await eventually("it is pinged", () => server.sessions[0]!.received.some(({ type }) => type === FrameType.ping));
      assert.deepEqual(clock.pending, [timeoutMs]);
      await clock.advance(timeoutMs - 1);
      assert.equal(seen.settled, false);
      await clock.advance(1);
      const { error } = await call;
      assert.equal(error.code, Code.Unavailable);
      assert.match(error.message, new RegExp(`no answer to a keepalive ping within ${timeoutMs} ms`));
    });
  }

  it("never pings when configured not to", async (t) => {
    const { clock, connect, simple } = await silent(t, true, { keepalive: false });
    await connect();
    const controller = new AbortController();
    const call = failure(simple.route({}, { signal: controller.signal }));
    assert.deepEqual(clock.pending, []);
    controller.abort();
    assert.equal((await call).error.code, Code.Canceled);
  });
});
