import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { OpenRcaService } from "../../gen/xds/service/orca/v3/orca_pb.ts";
import { OutOfBandReports } from "../../src/policy/out-of-band-reports.ts";
import type { ReportInit } from "../../src/server/load-trailer.ts";
import { eventually } from "../support/eventually.ts";
import { fakeConnection, fakeEnvironment } from "../support/fake-connections.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

/** A server's side of one stream: what it sends, and how it ends. */
type Stream = (interval: number) => AsyncIterable<ReportInit>;

/** Reports of one connection, whose server answers each stream with the next of these, and the last one again and again. */
function setUp(...answers: Stream[]) {
  const clock = new ManualClock(), connection = fakeConnection("a:1");
  const intervals: number[] = [], rates: number[] = [];
  const server = createRouterTransport((router) =>
    router.service(OpenRcaService, {
      streamCoreMetrics({ reportInterval }) {
        const interval = Number(reportInterval!.seconds) * 1_000 + reportInterval!.nanos / 1e6;
        intervals.push(interval);
        return answers[Math.min(intervals.length, answers.length) - 1]!(interval);
      },
    })
  );
  const env = {
    ...fakeEnvironment(clock, () => 0.5),
    transport: () => connection.state === "ready" ? server : undefined,
  };
  const reports = new OutOfBandReports(env, 1_234.5, (of, { rpsFractional }) => {
    assert.equal(of, connection);
    rates.push(rpsFractional);
  });
  const follow = async () => {
    reports.follow(connection);
    await settled();
  };
  return { clock, connection, reports, intervals, rates, follow };
}

const sending = (...rates: number[]): Stream =>
  async function* () {
    for (const rpsFractional of rates) yield { rpsFractional };
  };

const failing = (code: Code, ...rates: number[]): Stream =>
  async function* (interval) {
    yield* sending(...rates)(interval);
    throw new ConnectError("no", code);
  };

const staying = (...rates: number[]): Stream =>
  async function* (interval) {
    yield* sending(...rates)(interval);
    await new Promise(() => {});
  };

describe("load reports out of band", () => {
  it("are asked for at the interval, on one stream for a connection", async () => {
    const { intervals, rates, follow } = setUp(staying(1, 2));
    await follow();
    await follow();
    await eventually("they have come", () => rates.length === 2);
    assert.deepEqual([intervals, rates], [[1_234.5], [1, 2]]);
  });

  it("are not asked for before the connection is ready", async () => {
    const { connection, intervals, follow } = setUp(staying());
    for (const state of ["idle", "connecting", "transient_failure", "shutdown"] as const) {
      connection.state = state;
      await follow();
    }
    assert.deepEqual(intervals, []);
  });

  it("are asked for again after a backoff, which a report starts over, when the stream ends or fails", async () => {
    const { clock, intervals, rates, follow } = setUp(
      failing(Code.Unavailable),
      failing(Code.Internal),
      sending(),
      sending(7),
      staying(8),
    );
    await follow();
    for (const [streams, delayMs] of [[1, 1_000], [2, 1_600], [3, 2_560], [4, 1_000]] as const) {
      await eventually("it waits", () => intervals.length === streams && clock.pending.length === 1);
      assert.deepEqual(clock.pending, [delayMs]);
      await clock.advance(delayMs);
    }
    await eventually("all have come", () => rates.length === 2);
    assert.deepEqual([intervals.length, rates], [5, [7, 8]]);
  });

  it("are not asked for again on a connection whose server doesn't have them, until it is connected anew", async () => {
    const { clock, connection, intervals, follow } = setUp(failing(Code.Unimplemented), staying());
    await follow();
    await eventually("it is asked", () => intervals.length === 1);
    await settled();
    await follow();
    await clock.advance(1e6);
    assert.deepEqual([intervals.length, clock.pending], [1, []]);
    connection.state = "idle";
    await follow();
    connection.state = "ready";
    await follow();
    await eventually("it is asked again", () => intervals.length === 2);
  });

  it("are given up while the connection is not ready, and go on when it is again", async () => {
    const { clock, connection, intervals, follow } = setUp(failing(Code.Unavailable), staying());
    await follow();
    await eventually("it waits", () => clock.pending.length === 1);
    connection.state = "idle";
    await follow();
    await clock.advance(10_000);
    assert.deepEqual([intervals.length, clock.pending], [1, []]);
    connection.state = "ready";
    await follow();
    await eventually("it goes on", () => intervals.length === 2);
  });

  it("end with the transport, also while they wait", async () => {
    const waiting = setUp(failing(Code.Unavailable));
    await waiting.follow();
    await eventually("it waits", () => waiting.clock.pending.length === 1);
    waiting.reports.close();
    await settled();
    assert.deepEqual(waiting.clock.pending, []);
    const open = setUp(staying(1));
    await open.follow();
    await eventually("it has come", () => open.rates.length === 1);
    open.reports.close();
    await settled();
    await open.clock.advance(1e6);
    await open.follow();
    assert.equal(open.intervals.length, 1);
  });
});
