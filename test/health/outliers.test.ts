import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code } from "@connectrpc/connect";
import type { EjectOutliersOptions } from "../../src/health/outlier-options.ts";
import { Simple } from "../../gen/simple_pb.ts";
import { Ejected } from "../../src/health/ejected.ts";
import { ejectOutliers } from "../../src/health/outliers.ts";
import { Fleet } from "./fleet.ts";

/** Five failures of one, while another answers. */
function ejectByRun(fleet: Fleet, i = 0, other = fleet.members.length - 1): void {
  fleet.failures(i, 4);
  fleet.calls(other, 1);
  fleet.failures(i, 1);
}

/** So many other endpoints are ready, one after the other. */
function comeAndGo(fleet: Fleet, count: number): void {
  for (let i = 0; i < count; i++) {
    const place = fleet.members.length;
    fleet.add({ address: `other${place}:1` });
    fleet.lose(place);
  }
}

describe("consecutive failures", () => {
  it("eject at once, when there are five without a success between and others answer", () => {
    const fleet = new Fleet(3);
    fleet.failures(0, 4);
    fleet.calls(0, 1);
    fleet.calls(1, 1);
    fleet.failures(0, 4);
    fleet.calls(1, 1);
    assert.deepEqual(fleet.ejected, []);
    fleet.failures(0, 1);
    assert.deepEqual(fleet.ejected, [0]);
    const { health } = fleet.members[0]!;
    assert.ok(health instanceof Ejected);
    assert.equal(health.message, "ejected for 5 s: its last 5 calls failed, the last one with Unavailable");
    assert.equal(health.untilMs, 5_000);
  });

  it("are only those of one minute", async () => {
    const fleet = new Fleet(3);
    fleet.failures(0, 4);
    fleet.calls(1, 1);
    await fleet.clock.advance(60_001);
    fleet.failures(0, 4);
    fleet.calls(1, 1);
    assert.deepEqual(fleet.ejected, []);
    await fleet.clock.advance(60_000);
    fleet.failures(0, 1);
    assert.deepEqual(fleet.ejected, [0]);
  });

  it("eject nobody while no other endpoint answers: the client may have stood still", () => {
    const fleet = new Fleet(3);
    fleet.calls(1, 1);
    fleet.failures(0, 7);
    assert.deepEqual(fleet.ejected, []);
    fleet.calls(1, 1);
    fleet.failures(0, 1);
    assert.deepEqual(fleet.ejected, [0]);
  });

  it("can be others, or none", () => {
    const fleet = new Fleet(3, { consecutiveFailures: { failures: 2, baseEjectionMs: 700 } });
    fleet.failures(0, 1);
    fleet.calls(1, 1);
    fleet.failures(0, 1);
    assert.equal((fleet.members[0]!.health as Ejected).untilMs, 700);
    const off = new Fleet(3, { consecutiveFailures: false });
    for (let i = 0; i < 3; i++) ejectByRun(off);
    assert.deepEqual(off.ejected, []);
  });
});

describe("the life of an ejection", () => {
  it("ends with a trial of one call at a time, and with ever more of them once one succeeded", async () => {
    const fleet = new Fleet(3), member = fleet.members[0]!;
    ejectByRun(fleet);
    await fleet.clock.advance(4_999);
    assert.deepEqual(fleet.ejected, [0]);
    await fleet.clock.advance(1);
    assert.deepEqual([member.health, member.allowed], ["serving", 1]);
    fleet.calls(0, 1, { code: Code.ResourceExhausted });
    assert.equal(member.allowed, 1, "that said nothing: another one");
    fleet.calls(0, 1);
    assert.equal(member.allowed, 1);
    const allowed: number[] = [];
    for (let second = 1; second <= 9; second++) {
      await fleet.clock.advance(1_000);
      fleet.calls(0, 1);
      allowed.push(member.allowed);
    }
    assert.deepEqual(allowed, [2, 4, 8, 16, 32, 64, 128, 256, 512]);
    await fleet.clock.advance(1_000);
    assert.equal(member.allowed, Infinity);
  });

  it("begins again for twice the time when the trial fails, and so on, to at most five minutes", async () => {
    const fleet = new Fleet(3), seconds: number[] = [];
    ejectByRun(fleet);
    for (let i = 0; i < 62; i++) {
      const { untilMs } = fleet.members[0]!.health as Ejected;
      seconds.push((untilMs - fleet.clock.now()) / 1_000);
      await fleet.clock.advance(untilMs - fleet.clock.now());
      fleet.failures(0, 1);
      assert.deepEqual(fleet.ejected, [0]);
    }
    assert.deepEqual(seconds.slice(0, 4), [5, 10, 15, 20]);
    assert.deepEqual(seconds.slice(-4), [295, 300, 300, 300]);
    assert.match((fleet.members[0]!.health as Ejected).message, /^ejected for 300 s: a call failed again/);
  });

  it("is not changed by calls that began before it, nor a trial by calls that began before that", async () => {
    const fleet = new Fleet(3), member = fleet.members[0]!;
    await fleet.clock.advance(1_000);
    ejectByRun(fleet);
    await fleet.clock.advance(100);
    fleet.calls(0, 1, { latencyMs: 500 });
    fleet.failures(0, 10);
    assert.equal((member.health as Ejected).untilMs, 6_000);
    await fleet.clock.advance(5_000);
    fleet.failures(0, 1, { latencyMs: 3_000 });
    fleet.calls(0, 1, { latencyMs: 3_000 });
    assert.equal(member.health, "serving");
    fleet.calls(0, 1, { latencyMs: 3_000, abandoned: true, code: Code.Canceled });
    await fleet.clock.advance(1_000);
    assert.notEqual(member.allowed, Infinity);
    fleet.failures(0, 1);
    assert.deepEqual(fleet.ejected, [0]);
  });

  it("ends early when a call that began since succeeds, as in a panic", async () => {
    const fleet = new Fleet(3);
    ejectByRun(fleet);
    await fleet.clock.advance(100);
    fleet.calls(0, 1);
    assert.deepEqual([fleet.ejected, fleet.members[0]!.allowed], [[], 1]);
  });

  it("gives an endpoint on trial another call when one does not end", async () => {
    const fleet = new Fleet(3), member = fleet.members[0]!;
    ejectByRun(fleet);
    await fleet.clock.advance(5_000);
    member.allowed = 0;
    await fleet.clock.advance(5_000);
    assert.equal(member.allowed, 1);
    member.allowed = 0;
    await fleet.clock.advance(5_000);
    assert.equal(member.allowed, 1);
  });

  it("is shorter again after intervals without one", async () => {
    const fleet = new Fleet(3);
    const lasts = async () => {
      ejectByRun(fleet);
      const { untilMs } = fleet.members[0]!.health as Ejected, forMs = untilMs - fleet.clock.now();
      await fleet.clock.advance(forMs);
      fleet.calls(0, 1);
      return forMs;
    };
    assert.deepEqual([await lasts(), await lasts(), await lasts()], [5_000, 10_000, 15_000]);
    await fleet.clock.advance(20_000);
    assert.equal(await lasts(), 10_000);
    await fleet.clock.advance(600_000);
    assert.equal(await lasts(), 5_000);
  });

  it("outlasts the connection, in all its phases", async () => {
    const fleet = new Fleet(3), member = fleet.members[0]!;
    ejectByRun(fleet);
    fleet.lose(0);
    await fleet.clock.advance(1_000);
    fleet.regain(0);
    assert.equal((member.health as Ejected).untilMs, 5_000);
    fleet.lose(0);
    await fleet.clock.advance(10_000);
    fleet.regain(0);
    assert.deepEqual([member.health, member.allowed], ["serving", 1]);
    fleet.calls(0, 1);
    fleet.lose(0);
    fleet.regain(0);
    assert.equal(member.allowed, 1, "on trial again");
  });

  it("outlasts the endpoint's place in the set, but not its server", async () => {
    const fleet = new Fleet(3);
    ejectByRun(fleet);
    fleet.lose(0);
    const again = fleet.add({ address: "0:1" });
    assert.ok(again.health instanceof Ejected);
    fleet.lose(3);
    assert.equal(fleet.add({ address: "0:1", incarnation: "2" }).health, "serving");
    ejectByRun(fleet, 1, 4);
    assert.deepEqual(fleet.ejected, [1]);
    const member = fleet.members[1]!;
    member.connection.endpoint = { address: "1:1", incarnation: "2" };
    fleet.watch.restarted!(member.connection);
    assert.deepEqual([member.health, member.allowed], ["serving", Infinity]);
    ejectByRun(fleet, 1, 4);
    assert.equal((member.health as Ejected).untilMs - fleet.clock.now(), 5_000, "as the first time");
    fleet.lose(1);
    fleet.regain(1);
    assert.ok(member.health instanceof Ejected, "it was not restarted again");
  });

  it("has no effect on another server at the same address", async () => {
    const fleet = new Fleet(3), member = fleet.members[0]!;
    ejectByRun(fleet);
    fleet.lose(0);
    member.connection.endpoint = { address: "0:1", incarnation: "2" };
    fleet.regain(0);
    await fleet.clock.advance(5_000);
    assert.deepEqual([member.health, member.allowed], ["serving", Infinity]);
  });

  it("does not begin because of what happened before another check found that the server serves", async () => {
    const fleet = new Fleet(3, { consecutiveFailures: false });
    fleet.failures(0, 20);
    fleet.calls(1, 20);
    fleet.watch.recovered!(fleet.members[0]!.connection);
    fleet.calls(0, 20);
    await fleet.clock.advance(10_000);
    assert.deepEqual(fleet.ejected, []);
  });

  it("is forgotten when a hundred other endpoints have come and gone since", () => {
    const fleet = new Fleet(3);
    ejectByRun(fleet);
    fleet.lose(0);
    comeAndGo(fleet, 99);
    assert.ok(fleet.add({ address: "0:1" }).health instanceof Ejected);
    fleet.lose(fleet.members.length - 1);
    comeAndGo(fleet, 1);
    assert.equal(fleet.add({ address: "0:1" }).health, "serving");
  });

  it("is not forgotten while its endpoint is ready, however many others come and go", () => {
    const fleet = new Fleet(3);
    ejectByRun(fleet);
    comeAndGo(fleet, 102);
    fleet.lose(0);
    assert.ok(fleet.add({ address: "0:1" }).health instanceof Ejected);
  });

  it("ends when another check finds that the server serves", () => {
    const fleet = new Fleet(3), member = fleet.members[0]!;
    ejectByRun(fleet);
    fleet.watch.recovered!(member.connection);
    assert.deepEqual([member.health, member.allowed, fleet.clock.pending.length], ["serving", Infinity, 1]);
    fleet.failures(0, 4);
    fleet.calls(1, 1);
    assert.deepEqual(fleet.ejected, []);
  });
});

describe("how many are ejected", () => {
  for (const [size, most] of [[1, 0], [2, 1], [3, 1], [4, 1], [5, 2], [6, 3], [20, 10]] as const) {
    it(`is at most ${most} of ${size}`, () => {
      const fleet = new Fleet(size);
      for (let i = 0; i < size - 1; i++) ejectByRun(fleet, i);
      if (size === 1) ejectByRun(fleet);
      assert.equal(fleet.ejected.length, Math.min(most, size));
      assert.equal(fleet.panic, false);
    });
  }

  it("is what an option says, but one at least", () => {
    for (const [maxEjectionPercent, most] of [[100, 9], [10, 1], [1, 1], [35, 3]] as const) {
      const fleet = new Fleet(10, { maxEjectionPercent });
      for (let i = 0; i < 9; i++) ejectByRun(fleet, i);
      assert.equal(fleet.ejected.length, most);
      // It says which ones it left, each once.
      const left = Array.from({ length: 9 - most }, (_, i) => `${i + most}:1 consecutive_failures`);
      assert.deepEqual(fleet.unenforced, left);
    }
  });

  it("includes those on trial", async () => {
    const fleet = new Fleet(3);
    ejectByRun(fleet, 0);
    await fleet.clock.advance(5_000);
    ejectByRun(fleet, 1);
    assert.deepEqual(fleet.ejected, []);
    fleet.calls(0, 1);
    fleet.calls(2, 1);
    fleet.failures(1, 1);
    assert.deepEqual(fleet.ejected, [1]);
  });

  it("counts only endpoints that are ready", () => {
    const fleet = new Fleet(3);
    ejectByRun(fleet, 0);
    fleet.lose(0);
    ejectByRun(fleet, 1);
    assert.deepEqual(fleet.ejected, [1]);
    fleet.regain(0);
    assert.deepEqual(fleet.ejected, [0, 1], "which is not undone");
    fleet.watch.recovered!(fleet.members[1]!.connection);
    ejectByRun(fleet, 1);
    assert.deepEqual(fleet.ejected, [0], "one is the most again");
  });
});

describe("when all fail", () => {
  it("nothing is ejected, and there is a panic, until one answers", () => {
    const fleet = new Fleet(3);
    ejectByRun(fleet, 0);
    for (const i of [1, 2]) fleet.failures(i, 5);
    assert.equal(fleet.panic, true);
    assert.deepEqual(fleet.ejected, []);
    for (const { health } of fleet.members) assert.match(String(health), /its calls fail, as those to all other/);
    fleet.failures(0, 20);
    assert.equal(fleet.panic, true);
    fleet.calls(1, 1);
    assert.equal(fleet.panic, false);
    assert.deepEqual(fleet.members.map(({ health }) => health), ["serving", "serving", "serving"]);
    fleet.failures(2, 1);
    assert.deepEqual(fleet.ejected, [2], "it has failed before");
  });

  it("the panic lasts, whatever was ejected before and however long all fail", async () => {
    const fleet = new Fleet(6);
    for (const i of [0, 1, 2]) ejectByRun(fleet, i);
    for (const i of [3, 4, 5]) fleet.failures(i, 5);
    assert.deepEqual([fleet.panic, fleet.ejected], [true, []]);
    for (let minute = 0; minute < 5; minute++) {
      for (const i of fleet.members.keys()) fleet.failures(i, 1);
      await fleet.clock.advance(61_000);
    }
    assert.equal(fleet.declared, 1);
    for (const { health } of fleet.members) assert.match(String(health), /^Error: its calls fail/);
    fleet.calls(0, 1);
    assert.deepEqual([fleet.declared, fleet.panic], [2, false]);
  });

  it("nobody is ejected at the end of an interval in which some failed more than others", async () => {
    const fleet = new Fleet(3);
    fleet.failures(0, 1);
    for (const [i, succeeded, failed] of [[0, 10, 20], [1, 20, 5], [2, 20, 5]] as const) {
      fleet.calls(i, succeeded);
      fleet.failures(i, failed);
    }
    assert.deepEqual([fleet.panic, fleet.ejected], [true, []]);
    await fleet.clock.advance(10_000);
    fleet.calls(1, 1);
    assert.deepEqual([fleet.panic, fleet.ejected], [false, []]);
  });

  it("nobody is ejected afterwards for failures of that time", async () => {
    const fleet = new Fleet(3);
    for (const [i, failed] of [30, 20, 20].entries()) fleet.failures(i, failed);
    assert.equal(fleet.panic, true);
    for (const i of [0, 1, 2]) fleet.calls(i, 25);
    await fleet.clock.advance(10_000);
    assert.deepEqual([fleet.panic, fleet.ejected], [false, []]);
  });

  it("nobody is ejected for calls that began in that time, however they end", async () => {
    const fleet = new Fleet(3);
    for (const i of [0, 1, 2]) fleet.failures(i, 5);
    fleet.calls(0, 1);
    assert.equal(fleet.panic, false);
    await fleet.clock.advance(1_000);
    for (const i of [1, 2]) fleet.failures(i, 20, { latencyMs: 1_001 });
    assert.deepEqual([fleet.panic, fleet.ejected], [false, []]);
    fleet.calls(0, 20);
    await fleet.clock.advance(10_000);
    assert.deepEqual([fleet.panic, fleet.ejected], [false, []], "at the end of the interval");
    fleet.failures(1, 1, { latencyMs: 1_000 });
    assert.deepEqual(fleet.ejected, [1], "one that began since was its sixth in a row, while others answered");
  });

  it("no health is reported where panics are off", () => {
    const fleet = new Fleet(3, {}, { panics: false });
    for (const i of [0, 1, 2]) fleet.failures(i, 9);
    assert.deepEqual(fleet.members.map(({ health }) => health), ["serving", "serving", "serving"]);
  });

  it("an endpoint that joins, or that another check finds serving, ends the panic", () => {
    const fleet = new Fleet(2);
    const failAll = () => {
      for (const i of fleet.members.keys()) fleet.failures(i, 5);
      assert.equal(fleet.panic, true);
    };
    failAll();
    fleet.add({ address: "new:1" });
    assert.deepEqual([fleet.panic, fleet.members[0]!.health], [false, "serving"]);
    failAll();
    fleet.watch.recovered!(fleet.members[1]!.connection);
    assert.equal(fleet.panic, false);
    failAll();
    fleet.watch.restarted!(fleet.members[1]!.connection);
    assert.equal(fleet.panic, false);
  });

  it("an endpoint that leaves begins the panic, if it was the only one that answered", () => {
    const fleet = new Fleet(3);
    for (const i of [0, 1]) fleet.failures(i, 5);
    assert.equal(fleet.panic, false);
    fleet.lose(2);
    assert.equal(fleet.panic, true);
    fleet.lose(1);
    assert.equal(fleet.panic, false, "one alone is no fleet");
  });
});

describe("at the end of an interval", () => {
  it("endpoints are ejected that failed more than half of ten calls or more", async () => {
    const fleet = new Fleet(4, { consecutiveFailures: false });
    for (const [i, failed, succeeded] of [[0, 6, 4], [1, 5, 5], [2, 5, 4]] as const) {
      fleet.failures(i, failed);
      fleet.calls(i, succeeded);
    }
    await fleet.clock.advance(9_999);
    assert.deepEqual(fleet.ejected, []);
    await fleet.clock.advance(1);
    assert.deepEqual(fleet.ejected, [0]);
    const { message, untilMs } = fleet.members[0]!.health as Ejected;
    assert.deepEqual([message, untilMs], ["ejected for 30 s: 6 of its 10 calls failed", 40_000]);
  });

  it("the worst are ejected first, and none if all are alike", async () => {
    const fleet = new Fleet(4, { consecutiveFailures: false });
    const endInterval = async (failures: readonly number[]) => {
      failures.forEach((failed, i) => {
        fleet.failures(i, failed);
        fleet.calls(i, 20 - failed);
      });
      await fleet.clock.advance(10_000);
    };
    await endInterval([14, 15, 16, 13]);
    assert.deepEqual(fleet.ejected, []);
    await endInterval([14, 15, 0, 13]);
    assert.deepEqual(fleet.ejected, [1]);
  });

  it("endpoints are ejected whose success rate is far below the others', in fleets of five and more", async () => {
    for (const [size, ejected] of [[4, []], [5, [0]]] as const) {
      const fleet = new Fleet(size, { consecutiveFailures: false });
      for (let i = 0; i < size; i++) fleet.calls(i, 95);
      // The interval begins with the first failure.
      fleet.failures(0, 10);
      fleet.calls(0, 90);
      for (let i = 1; i < size; i++) fleet.calls(i, 100);
      await fleet.clock.advance(10_000);
      assert.deepEqual(fleet.ejected, ejected);
    }
  });

  it("one that both algorithms find is ejected once, and those that are ejected already are not looked at", async () => {
    const fleet = new Fleet(6);
    const sicken = () => {
      for (let i = 1; i < 6; i++) fleet.calls(i, 100);
      fleet.failures(0, 100);
      for (let i = 1; i < 6; i++) fleet.calls(i, 100);
    };
    const once = new Fleet(6, { consecutiveFailures: false });
    once.failures(0, 100);
    for (let i = 1; i < 6; i++) once.calls(i, 100);
    await once.clock.advance(10_000);
    assert.equal((once.members[0]!.health as Ejected).untilMs, 40_000, "the first time");
    ejectByRun(fleet);
    sicken();
    await fleet.clock.advance(0);
    await fleet.clock.advance(4_900);
    assert.equal((fleet.members[0]!.health as Ejected).untilMs, 5_000);
    await fleet.clock.advance(5_100);
    assert.deepEqual(fleet.ejected, []);
  });

  it("the algorithms can be off or have other limits, and the interval and base can be others", async () => {
    const off = new Fleet(6, {
      consecutiveFailures: false,
      failurePercentage: false,
      successRate: false,
      intervalMs: 500,
    });
    const other = new Fleet(2, {
      consecutiveFailures: false,
      failurePercentage: { threshold: 10, requestVolume: 2, minimumHosts: 2 },
      intervalMs: 500,
      baseEjectionMs: 2_000,
      maxEjectionMs: 3_000,
    });
    for (const fleet of [off, other]) {
      fleet.failures(0, 100);
      for (let i = 1; i < fleet.members.length; i++) fleet.calls(i, 100);
      await fleet.clock.advance(500);
    }
    assert.deepEqual([off.ejected, other.ejected], [[], [0]]);
    assert.equal((other.members[0]!.health as Ejected).untilMs, 2_500);
    await other.clock.advance(2_000);
    other.failures(0, 1);
    assert.equal((other.members[0]!.health as Ejected).untilMs, 5_500, "3 s at most");
  });

  it("a fleet without failures has no timer, and what it answered before does not dilute its failures", async () => {
    const fleet = new Fleet(3, { consecutiveFailures: false });
    for (let i = 0; i < 3; i++) fleet.calls(i, 10_000);
    assert.deepEqual(fleet.clock.pending, []);
    fleet.failures(0, 11);
    fleet.calls(0, 9);
    fleet.calls(1, 20);
    await fleet.clock.advance(10_000);
    assert.deepEqual(fleet.ejected, [0]);
    await fleet.clock.advance(30_000);
    fleet.calls(0, 1);
    await fleet.clock.advance(10_000);
    assert.deepEqual(fleet.clock.pending, []);
  });
});

describe("what counts", () => {
  /** How many of ten such calls in a row eject an endpoint while others answer in 10 ms. */
  const ejects = (outcome: Parameters<Fleet["calls"]>[2], options = {}) => {
    const fleet = new Fleet(3, options);
    fleet.calls(1, 20);
    for (let i = 0; i < 10; i++) {
      fleet.calls(0, 1, outcome);
      fleet.calls(1, 1);
    }
    return fleet.ejected.length > 0;
  };

  it("is Unavailable, and a connection that was lost", () => {
    assert.equal(ejects({ code: Code.Unavailable }), true);
    assert.equal(ejects({ code: Code.Unavailable, end: "refused", headerMs: undefined }), false);
    assert.equal(ejects({ code: Code.Unavailable, end: "not-sent", headerMs: undefined }), false);
    assert.equal(ejects({ code: Code.Unavailable, abandoned: true }), false);
  });

  it("is each loss of a connection once, however many calls were in flight", () => {
    const fleet = new Fleet(3);
    const lose = () => {
      fleet.failures(0, 64, { end: "maybe-processed", headerMs: undefined });
      fleet.lose(0);
      fleet.failures(0, 64, { end: "maybe-processed", headerMs: undefined });
      fleet.calls(1, 1);
      fleet.regain(0);
    };
    for (let i = 0; i < 4; i++) lose();
    assert.deepEqual(fleet.ejected, []);
    lose();
    assert.deepEqual(fleet.ejected, [0]);
  });

  it("is a deadline that passed, if the attempt had twice the time that is usual in the fleet", () => {
    const late = (timeoutMs: number | undefined) =>
      ejects({ code: Code.DeadlineExceeded, end: "maybe-processed", headerMs: undefined, timeoutMs });
    assert.deepEqual([late(1), late(15), late(25), late(1_000)], [false, false, true, true]);
    assert.equal(ejects({ code: Code.DeadlineExceeded, timeoutMs: undefined }), true, "the server's own");
    const stream = { code: Code.DeadlineExceeded, end: "maybe-processed", headerMs: 3, timeoutMs: 1_000 } as const;
    assert.equal(ejects(stream), false, "it had answered");
    const other = { ...stream, headerMs: undefined, method: Simple.method.routeServerStream };
    assert.equal(ejects(other), false, "nobody knows how long that takes");
  });

  it("is a deadline of a millisecond in a fleet that answers sooner", () => {
    const fleet = new Fleet(3), quick = { headerMs: 0.25 };
    fleet.calls(1, 20, quick);
    fleet.calls(0, 4, { code: Code.DeadlineExceeded, end: "maybe-processed", headerMs: undefined, timeoutMs: 1 });
    fleet.calls(1, 1, quick);
    fleet.calls(0, 1, { code: Code.DeadlineExceeded, end: "maybe-processed", headerMs: undefined, timeoutMs: 1 });
    assert.deepEqual(fleet.ejected, [0]);
  });

  it("is no other code, unless an option says so; a poisonous request fails everywhere", () => {
    const neutral = [Code.Internal, Code.Unknown, Code.DataLoss, Code.ResourceExhausted, Code.Canceled];
    const answers = [Code.NotFound, Code.InvalidArgument, Code.PermissionDenied, Code.Aborted, Code.Unimplemented];
    for (const code of [...neutral, ...answers]) assert.equal(ejects({ code }), false, Code[code]);
    for (const code of neutral.slice(0, 3)) assert.equal(ejects({ code }, { codes: [code] }), true);
    assert.equal(ejects({ code: Code.Unavailable }, { codes: [Code.Internal] }), false);
  });

  it("is a success that ends a row of failures if the server answered with another code", () => {
    const after = (code: Code, end: "answered" | "maybe-processed" = "answered") => {
      const fleet = new Fleet(3);
      fleet.failures(0, 4);
      fleet.calls(0, 1, { code, end });
      fleet.calls(1, 1);
      fleet.failures(0, 1);
      return fleet.ejected.length;
    };
    assert.deepEqual([after(Code.NotFound), after(Code.InvalidArgument)], [0, 0]);
    assert.deepEqual([after(Code.Internal), after(Code.ResourceExhausted), after(Code.Canceled)], [1, 1, 1]);
    assert.equal(after(Code.NotFound, "maybe-processed"), 1, "that is not the server's");
    const fleet = new Fleet(3);
    fleet.failures(0, 4);
    fleet.calls(1, 1, { code: Code.NotFound });
    fleet.failures(0, 1);
    assert.deepEqual(fleet.ejected, [0], "another server answered");
  });

  it("is nothing of endpoints that nobody knows", () => {
    const fleet = new Fleet(2);
    const { connection } = new Fleet(1).add({ address: "other:1" });
    fleet.watch.ended?.(connection);
    fleet.watch.restarted?.(connection);
    fleet.watch.recovered?.(connection);
    fleet.watch.outcome?.(connection, { code: Code.Unavailable } as never);
    assert.deepEqual(fleet.clock.pending, []);
  });
});

describe("successes that are only counted", () => {
  it("end a row of failures, and show that others answer", () => {
    const fleet = new Fleet(2);
    fleet.failures(0, 4);
    fleet.unheard(0, 1);
    fleet.unheard(1, 1);
    fleet.failures(0, 4);
    assert.deepEqual(fleet.ejected, []);
    fleet.unheard(1, 1);
    fleet.failures(0, 1);
    assert.deepEqual(fleet.ejected, [0]);
  });

  it("keep an endpoint that has recovered from being one of those that all fail", () => {
    const fleet = new Fleet(2);
    fleet.failures(0, 5);
    fleet.unheard(0, 1);
    fleet.failures(1, 4);
    fleet.unheard(1, 1);
    fleet.failures(1, 5);
    assert.deepEqual([fleet.panic, fleet.ejected], [false, []]);
    fleet.failures(0, 5);
    assert.equal(fleet.panic, true);
  });

  it("don't keep one that fails again from being one of them", () => {
    const fleet = new Fleet(2);
    fleet.failures(0, 5);
    fleet.unheard(0, 1);
    fleet.failures(0, 5);
    fleet.failures(1, 5);
    assert.equal(fleet.panic, true);
  });

  it("are part of an interval's calls", async () => {
    const fleet = new Fleet(2, { consecutiveFailures: false });
    for (const i of [0, 1]) fleet.unheard(i, 100);
    fleet.failures(0, 7);
    fleet.unheard(0, 2);
    fleet.calls(0, 1, { code: Code.NotFound });
    fleet.unheard(1, 10);
    await fleet.clock.advance(10_000);
    assert.equal((fleet.members[0]!.health as Ejected).why, "7 of its 10 calls failed");
  });

  it("say nothing of how long calls take", () => {
    const fleet = new Fleet(3);
    fleet.calls(1, 20, { headerMs: NaN });
    for (let i = 0; i < 10; i++) {
      fleet.calls(0, 1, { code: Code.DeadlineExceeded, end: "maybe-processed", headerMs: undefined, timeoutMs: 1 });
      fleet.calls(1, 1, { headerMs: NaN });
    }
    assert.deepEqual(fleet.ejected, []);
    fleet.calls(1, 20);
    for (let i = 0; i < 10; i++) {
      fleet.calls(0, 1, { code: Code.DeadlineExceeded, end: "maybe-processed", headerMs: undefined, timeoutMs: 50 });
      fleet.calls(1, 1, { headerMs: NaN });
    }
    assert.deepEqual(fleet.ejected, [0], "unlike calls that were timed");
  });
});

describe("options of ejection", () => {
  it("are checked", () => {
    assert.throws(() => ejectOutliers({ maxEjectionPercent: 0 }), RangeError);
    assert.throws(() => ejectOutliers({ codes: [99 as Code] }), /codes/);
    const options: [(value: number) => EjectOutliersOptions, number[], number[]][] = [
      [(threshold) => ({ failurePercentage: { threshold } }), [0, 100], [-1, 101, NaN]],
      [(stdevFactor) => ({ successRate: { stdevFactor } }), [0, 1e9], [-1, Infinity, NaN]],
      [(maxEjectionPercent) => ({ maxEjectionPercent }), [1, 100], [0.9, 100.1, NaN]],
      [(requestVolume) => ({ successRate: { requestVolume } }), [1], [0, 1.5]],
      [(minimumHosts) => ({ failurePercentage: { minimumHosts } }), [1], [0, 1.5]],
    ];
    for (const [of, taken, refused] of options) {
      for (const value of taken) assert.equal(typeof ejectOutliers(of(value)), "function");
      for (const value of refused) assert.throws(() => ejectOutliers(of(value)), RangeError, `${value}`);
    }
    assert.throws(() => ejectOutliers({ consecutiveFailures: { failures: 0 } }), /consecutiveFailures\.failures/);
    assert.throws(() => ejectOutliers({ successRate: true as never }), /successRate/);
    assert.throws(() => ejectOutliers({ failurePercentage: { treshold: 5 } as never }), /threshold\?/);
  });
});
