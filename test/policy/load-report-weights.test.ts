import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createRouterTransport } from "@connectrpc/connect";
import { OpenRcaService } from "../../gen/xds/service/orca/v3/orca_pb.ts";
import type { Connection, Outcome } from "../../src/connection/connection.ts";
import type { Picker, ReportedWeights } from "../../src/policy/policy.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { type LoadReportWeightOptions, weightedRoundRobin } from "../../src/policy/weighted-round-robin.ts";
import { type ReportInit, trailerOf } from "../../src/server/load-trailer.ts";
import {
  callExcluding,
  type FakeConnection,
  fakeConnection,
  fakeEnvironment,
  picksOf,
} from "../support/fake-connections.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock } from "../support/manual-clock.ts";

function outcome(init: ReportInit | undefined): Outcome {
  const header = init === undefined ? {} : { "endpoint-load-metrics-bin": trailerOf(init) };
  return { end: "answered", latencyMs: 1, headerMs: 1, trailer: new Headers(header) } as Outcome;
}

/** Three endpoints, and what a policy makes of their reports. */
function setUp(
  loadReports: LoadReportWeightOptions = { blackoutPeriodMs: 0 },
  reportWeights?: (weights: ReportedWeights) => void,
) {
  const clock = new ManualClock(), env = { ...fakeEnvironment(clock), reportWeights };
  const policy = weightedRoundRobin({ loadReports });
  const connections = ["a:1", "b:1", "c:1"].map((address) => fakeConnection(address));
  let picker: Picker = policy(connections, undefined, env);
  return {
    clock,
    connections,
    /** The reports of the endpoints, each with an answer. */
    report(...reports: (ReportInit | undefined)[]) {
      reports.forEach((init, i) => picker.done?.(connections[i]!, outcome(init), callExcluding()));
    },
    rebuild() {
      picker = policy(connections, picker, env);
    },
    picks: (count: number) => picksOf(picker, connections, count),
    describe: (connection: Connection) => picker.describe?.(connection),
  };
}

const busy = (cpuUtilization: number, rpsFractional = 100): ReportInit => ({ cpuUtilization, rpsFractional });

const near = (picks: readonly number[], expected: readonly number[]) =>
  assert.ok(picks.every((count, i) => Math.abs(count - expected[i]!) <= 3), `${picks} instead of ${expected}`);

describe("weightedRoundRobin by load reports", () => {
  it("is round robin until there are reports, and goes by them from the next update on", async () => {
    const { clock, report, picks } = setUp();
    near(picks(300), [100, 100, 100]);
    report(busy(0.2), busy(0.4), busy(0.8));
    near(picks(300), [100, 100, 100]);
    await clock.advance(1_000);
    near(picks(700), [400, 200, 100]);
    report(busy(0.2), busy(0.2), busy(0.2));
    await clock.advance(1_000);
    near(picks(300), [100, 100, 100]);
  });

  it("goes by new reports with each new picker, too", () => {
    const { report, picks, rebuild } = setUp();
    report(busy(0.2), busy(0.4), busy(0.8));
    rebuild();
    near(picks(700), [400, 200, 100]);
  });

  it("ignores weights that servers registered with, and answers without a report", async () => {
    const { clock, connections, report, picks } = setUp();
    connections[0]!.endpoint = { address: "a:1", weight: 50 };
    report(busy(0.4), busy(0.4), undefined);
    await clock.advance(1_000);
    near(picks(300), [100, 100, 100]);
  });

  it("takes an endpoint without reports for an average one", async () => {
    const { clock, report, picks } = setUp();
    report(busy(0.25), busy(0.75), undefined);
    await clock.advance(1_000);
    near(picks(600), [300, 100, 200]);
  });

  it("uses no weight in the blackout period, by default of 10 s, nor one that has expired, after 3 minutes", async () => {
    const { clock, report, picks } = setUp({});
    report(busy(0.2), busy(0.4), busy(0.8));
    await clock.advance(9_000);
    near(picks(300), [100, 100, 100]);
    await clock.advance(1_000);
    near(picks(700), [400, 200, 100]);
    await clock.advance(169_999);
    near(picks(700), [400, 200, 100]);
    await clock.advance(1_000);
    near(picks(300), [100, 100, 100]);
  });

  it("renews weights each second, and counts each report for three minutes and its errors once", async () => {
    const { clock, connections, report, describe } = setUp({});
    report(busy(0.5), { ...busy(0.5), eps: 50 });
    await clock.advance(10_000);
    assert.deepEqual(connections.map(describe), [{ weight: 200 }, { weight: 100 }, { weight: undefined }]);
    await clock.advance(169_999);
    assert.deepEqual(describe(connections[0]!), { weight: 200 });
    await clock.advance(1);
    assert.deepEqual(describe(connections[0]!), { weight: undefined });
    const other = setUp();
    other.report(busy(0.2), busy(0.4), busy(0.8));
    await other.clock.advance(999);
    near(other.picks(300), [100, 100, 100]);
    await other.clock.advance(1);
    near(other.picks(700), [400, 200, 100]);
  });

  it("starts over with an endpoint that is ready again, or registered anew", async () => {
    const starts: ((connection: FakeConnection, rebuild: () => void) => void)[] = [
      (connection, rebuild) => {
        connection.state = "idle";
        rebuild();
        connection.state = "ready";
      },
      (connection) => connection.endpoint = { ...connection.endpoint, incarnation: "2" },
    ];
    for (const start of starts) {
      const { clock, connections, report, picks, rebuild } = setUp({ blackoutPeriodMs: 5_000 });
      report(busy(0.25), busy(0.75), busy(0.75));
      await clock.advance(5_000);
      near(picks(500), [300, 100, 100]);
      start(connections[0]!, rebuild);
      rebuild();
      near(picks(300), [100, 100, 100]);
      report(busy(0.25));
      await clock.advance(5_000);
      near(picks(500), [300, 100, 100]);
    }
  });

  it("bounds what servers say of themselves", async () => {
    const { clock, report, picks } = setUp();
    report(busy(1e-300, 1e5), busy(0.5), busy(0.5));
    await clock.advance(1_000);
    near(picks(1_020), [1_000, 10, 10]);
  });

  it("counts errors and named metrics as it is told", async () => {
    const { clock, report, picks } = setUp({
      blackoutPeriodMs: 0,
      updatePeriodMs: 100,
      errorUtilizationPenalty: 4,
      metricNames: ["named_metrics.queue", "mem_utilization"],
    });
    const init = { rpsFractional: 100, cpuUtilization: 1 };
    report(
      { ...init, namedMetrics: { queue: 0.1 }, memUtilization: 0.2 },
      { ...init, namedMetrics: { queue: 0.4 } },
      { ...init, memUtilization: 0.4, eps: 10 },
    );
    await clock.advance(100);
    near(picks(700), [400, 200, 100]);
  });

  it("tells the weight in use, if there is one", async () => {
    const { clock, connections, report, describe } = setUp({ blackoutPeriodMs: 1_000 });
    report(busy(0.5));
    assert.deepEqual(describe(connections[0]!), { weight: undefined });
    await clock.advance(1_000);
    assert.deepEqual(connections.map(describe), [{ weight: 200 }, { weight: undefined }, { weight: undefined }]);
  });

  it("opens idle connections, and goes on around the circle through new pickers and updates", async () => {
    const { clock, connections, picks, rebuild } = setUp();
    Object.assign(connections[0]!, { state: "idle", available: false });
    rebuild();
    assert.equal(connections[0]!.state, "connecting");
    Object.assign(connections[0]!, { state: "ready", available: true });
    const all = [0, 0, 0];
    for (let i = 0; i < 30; i++) {
      picks(1).forEach((count, at) => all[at]! += count);
      if (i % 2 === 0) rebuild();
      else await clock.advance(1_000);
    }
    assert.deepEqual(all, [10, 10, 10]);
  });

  it("leaves its place in the circle to the policy that follows it", () => {
    const connections = ["a:1", "b:1", "c:1"].map((address) => fakeConnection(address)), env = fakeEnvironment();
    const picker = weightedRoundRobin({ loadReports: {} })(connections, undefined, env);
    for (let i = 0; i < 4; i++) {
      const last = picker.pick(callExcluding()) as FakeConnection;
      const next = roundRobin()(connections, picker, env).pick(callExcluding()) as FakeConnection;
      assert.equal(connections.indexOf(next), (connections.indexOf(last) + 1) % 3);
    }
  });

  it("asks for reports out of band if it is told to, on one stream, and then ignores those of answers", async () => {
    const connections = ["a:1", "b:1"].map((address) => fakeConnection(address));
    const utilization = [0.25, 0.75], asked = [0, 0];
    let open = 0;
    const transports = connections.map((_, i) =>
      createRouterTransport((router) =>
        router.service(OpenRcaService, {
          async *streamCoreMetrics(_request, { signal }) {
            asked[i]!++;
            open++;
            signal.addEventListener("abort", () => open--);
            yield busy(utilization[i]!);
            await new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("over"))));
          },
        })
      )
    );
    const clock = new ManualClock();
    const env = {
      ...fakeEnvironment(clock),
      transport: (of: Connection) => transports[connections.indexOf(of as never)],
    };
    const policy = weightedRoundRobin({ loadReports: { outOfBandPeriodMs: 1_000, blackoutPeriodMs: 0 } });
    const first = policy(connections, undefined, env);
    await eventually("all have reported", () => {
      return connections.every((connection) => first.describe?.(connection)?.["weight"] !== undefined);
    });
    const picker = policy(connections, first, env);
    near(picksOf(picker, connections, 400), [300, 100]);
    picker.done?.(connections[0]!, outcome(busy(100)), callExcluding());
    await clock.advance(1_000);
    near(picksOf(picker, connections, 400), [300, 100]);
    assert.deepEqual(asked, [1, 1]);
    picker.close?.();
    await eventually("the streams have ended", () => open === 0);
  });

  it("needs no timers", () => {
    const { clock, report, picks } = setUp();
    picks(10);
    report(busy(0.5));
    assert.deepEqual(clock.pending, []);
  });

  it("reports to those who ask what each update made of the reports, of connections that are ready", async () => {
    const updates: ReportedWeights[] = [];
    const { clock, connections, report, rebuild, picks } = setUp(
      { blackoutPeriodMs: 2_000, expirationPeriodMs: 5_000 },
      (weights) => void updates.push(weights),
    );
    const update = async (ms: number) => {
      await clock.advance(ms);
      picks(3);
      return updates.splice(0);
    };
    assert.deepEqual(updates.splice(0), [{ weights: [0, 0, 0], notYetUsable: 3, stale: 0, fallback: true }]);
    assert.deepEqual(await update(999), []);
    report(busy(0.2), busy(0.4), undefined);
    assert.deepEqual(await update(1), [{ weights: [0, 0, 0], notYetUsable: 3, stale: 0, fallback: true }]);
    assert.deepEqual(await update(2_000), [{ weights: [500, 250, 0], notYetUsable: 1, stale: 0, fallback: false }]);
    report(busy(0.2));
    assert.deepEqual(await update(4_000), [{ weights: [500, 0, 0], notYetUsable: 1, stale: 1, fallback: true }]);
    connections[2]!.state = "connecting";
    rebuild();
    assert.deepEqual(updates.splice(0), [{ weights: [500, 0], notYetUsable: 0, stale: 1, fallback: true }]);
    for (const connection of connections) connection.state = "connecting";
    rebuild();
    assert.deepEqual(updates, []);
  });
});
