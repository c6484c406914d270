import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createRouterTransport, type Transport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { Connection, Outcome } from "../../src/connection/connection.ts";
import { drop } from "../../src/policy/drop.ts";
import type { CallInfo, Picker, Policy, PolicyEnvironment } from "../../src/policy/policy.ts";
import { prequal, type PrequalOptions } from "../../src/policy/prequal.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { trailerOf } from "../../src/server/load-trailer.ts";
import { balanced } from "../support/balanced.ts";
import { callExcluding, fakeEnvironment } from "../support/fake-connections.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { pulled } from "../support/pulled.ts";

const { route, routeServerStream } = Simple.method;

interface Fake extends Connection {
  state: Connection["state"];
  available: boolean;
  inFlight: number;
  failure: Error | undefined;
}

/** A probe that a server has not answered yet. */
interface Probe {
  readonly index: number;
  readonly timeoutMs: number | undefined;
  /** With the named metrics; 1: serving, 2: not serving. */
  answer(metrics?: Record<string, number>, status?: number): Promise<void>;
  fail(code: Code, metrics?: Record<string, number>): Promise<void>;
}

function trailer(metrics: Record<string, number> | undefined): Headers {
  return new Headers(metrics && { "endpoint-load-metrics-bin": trailerOf({ namedMetrics: metrics }) });
}

/** So many servers, whose loads the test knows, and a policy on top. Where that has no opinion, `otherwise` is picked. */
class Fleet {
  readonly clock = new ManualClock();
  readonly connections: Fake[];
  readonly probes: Probe[] = [];
  /** Which servers are drawn for the next probes; after them server 0, which the tests do not look at. */
  draws: number[] = [];
  /** What the policy for all other cases was told. */
  readonly told: string[] = [];
  picker!: Picker;
  readonly #policy: Policy;
  readonly #env: PolicyEnvironment;
  readonly otherwise: Fake;
  set: Fake[];
  /** What links throw instead of sending a probe. */
  thrown: Error | undefined;

  constructor(count: number, options: PrequalOptions = {}) {
    this.connections = Array.from({ length: count }, (_, i) => fake(`server-${i}:1`));
    this.set = this.connections;
    this.otherwise = fake("otherwise:1");
    this.#policy = prequal({ otherwise: this.#otherwisePolicy(), ...options });
    this.#env = {
      now: () => this.clock.now(),
      random: () => {
        return ((this.draws.shift() ?? 0) + 0.5) / this.set.length;
      },
      update() {},
      timer: () => assert.fail("no timers: where calls belong to requests, they may not fire"),
      transport: (connection) => this.#transport(connection),
    };
    this.build();
  }

  build(): void {
    this.picker = this.#policy(this.set, this.picker, this.#env);
  }

  #otherwisePolicy(): Policy {
    return (_, previous) => {
      this.told.push(`build after ${previous === undefined ? "none" : "another"}`);
      return {
        pick: (
          call,
        ) => (this.told.push(`pick ${call.method.name}`), this.otherwise.available ? this.otherwise : "wait"),
        done: (connection, { code }) => void this.told.push(`done ${connection.endpoint.address} ${code}`),
        describe: () => ({ weight: 1 }),
        close: () => void this.told.push("close"),
      };
    };
  }

  #transport(connection: Connection): Transport | undefined {
    const index = this.connections.indexOf(connection as Fake);
    if (this.connections[index]?.state !== "ready") return undefined;
    return {
      unary: (method, signal, timeoutMs, header, input) => {
        if (this.thrown !== undefined) throw this.thrown;
        return new Promise((resolve, reject) => {
          assert.equal(`${method.parent.typeName}/${method.name}`, "grpc.health.v1.Health/Check");
          assert.deepEqual([signal, header, input], [undefined, undefined, {}]);
          this.probes.push({
            index,
            timeoutMs,
            answer: (metrics, status = 1) => {
              const value = new Uint8Array(status === 0 ? [] : [8, status]);
              resolve({ message: { value }, trailer: trailer(metrics) } as never);
              return settled();
            },
            fail: (code, metrics) => {
              reject(new ConnectError("no", code, trailer(metrics)));
              return settled();
            },
          });
        });
      },
      stream: () => assert.fail("no streams"),
    };
  }

  /** What the next call is given: a server's number, `otherwise`, or what else the picker says. */
  pick(excluded: readonly number[] = [], method: CallInfo["method"] = route): number | string {
    const call = {
      method,
      excluded: (connection: Connection) => excluded.includes(this.connections.indexOf(connection as Fake)),
    } as unknown as CallInfo;
    const picked = this.picker.pick(call);
    if (typeof picked === "string") return picked;
    if (picked instanceof Error) return picked.message;
    if (picked === this.otherwise) return "otherwise";
    return this.connections.indexOf(picked as Fake);
  }

  /** A call to a server has ended. */
  done(index: number, outcome: Partial<Outcome> = {}, method: CallInfo["method"] = route): void {
    const whole: Outcome = {
      method,
      timeoutMs: undefined,
      end: "answered",
      abandoned: false,
      latencyMs: 5,
      headerMs: 5,
      trailer: new Headers(),
      ...outcome,
    };
    this.picker.done!(this.connections[index]!, whole, { method } as CallInfo);
  }

  /** Makes calls worth a probe. */
  slow(method: CallInfo["method"] = route): void {
    this.done(0, { headerMs: 5 }, method);
  }

  /** A server is probed, by a call whose pick does not matter, and reports. */
  async report(index: number, inFlight: number, latencyMs?: number): Promise<void> {
    const probe = await this.probe(index);
    await probe.answer({ rif: inFlight, ...latencyMs !== undefined && { latency_ms: latencyMs } });
  }

  /** A probe that is sent to a server, by a call that is given no other server. */
  async probe(index: number): Promise<Probe> {
    await settled();
    this.draws = [index];
    const before = this.probes.length;
    assert.equal(this.pick(this.connections.map((_, i) => i)), "otherwise");
    await settled();
    assert.equal(this.probes.length, before + 1, "one was sent");
    assert.equal(this.probes[before]!.index, index);
    return this.probes[before]!;
  }
}

function fake(address: string): Fake {
  const state = { state: "ready", available: true, inFlight: 0, failure: undefined } as const;
  return { endpoint: { address }, place: 0, ...state, connect() {}, disconnect() {} };
}

/** Whose calls take long enough for probes, of which there may be any number. */
function slowFleet(count: number, options?: PrequalOptions): Fleet {
  const fleet = new Fleet(count, { maxProbesPerSecond: 1e6, ...options });
  fleet.slow();
  return fleet;
}

describe("prequal", () => {
  it("picks the server with the fewest requests in flight; of several, the one that answers fastest", async () => {
    const fleet = slowFleet(8);
    await fleet.report(1, 3, 1);
    await fleet.report(2, 1, 0.9);
    await fleet.report(3, 1, 0.8);
    await fleet.report(4, 1);
    assert.deepEqual([fleet.pick(), fleet.pick(), fleet.pick()], [3, 2, 4]);
  });

  it("leaves the call to the other policy until two reports are there to choose from", async () => {
    const fleet = slowFleet(8);
    assert.equal(fleet.pick(), "otherwise");
    await fleet.report(1, 0);
    assert.equal(fleet.pick(), "otherwise");
    await fleet.report(2, 0);
    assert.equal(fleet.pick([1]), "otherwise");
    assert.equal(typeof fleet.pick(), "number");
  });

  it("counts this client's own requests as they are now, and only those of others as they were reported", async () => {
    const fleet = slowFleet(8);
    const [, one, two] = fleet.connections as [Fake, Fake, Fake];
    one.inFlight = 4;
    await fleet.report(1, 5);
    await fleet.report(2, 2);
    assert.equal(fleet.pick(), 2);
    one.inFlight = 0;
    await fleet.report(2, 2);
    assert.equal(fleet.pick(), 1, "1 of others, none of its own");
    two.inFlight = 7;
    await fleet.report(2, 3);
    two.inFlight = 0;
    await fleet.report(1, 1);
    assert.equal(fleet.pick(), 2, "never fewer than none");
  });

  it("uses a report once, and only the four newest", async () => {
    const fleet = slowFleet(8);
    for (const i of [1, 2, 3, 4, 5]) await fleet.report(i, i);
    assert.deepEqual([fleet.pick(), fleet.pick(), fleet.pick(), fleet.pick()], [2, 3, 4, "otherwise"]);
    await fleet.report(6, 9);
    await fleet.report(5, 10);
    await fleet.report(6, 11);
    assert.equal(fleet.pick(), 5, "the newest report of each");
    const two = slowFleet(8);
    for (const i of [1, 1, 2]) await two.report(i, i);
    assert.deepEqual([two.pick(), two.pick()], [1, "otherwise"], "of which there is only one");
  });

  it("forgets a report that is too old, counted from when it was asked for", async () => {
    const fleet = slowFleet(8, { maxAgeMs: 300 });
    const slow = await fleet.probe(1);
    assert.equal(slow.timeoutMs, 300);
    await fleet.clock.advance(200);
    await slow.answer({ rif: 0 });
    for (const i of [2, 3, 4]) await fleet.report(i, i);
    await fleet.clock.advance(100);
    assert.equal(fleet.pick(), 1);
    await fleet.clock.advance(200);
    for (const i of [5, 6]) await fleet.report(i, i);
    assert.equal(fleet.pick(), 3);
    await fleet.clock.advance(1);
    assert.equal(fleet.pick(), 5);
  });

  it("skips servers that are not available, and those that the call excludes", async () => {
    const fleet = slowFleet(8);
    await fleet.report(1, 1);
    await fleet.report(2, 9);
    for (const i of [3, 4]) await fleet.report(i, i);
    assert.equal(fleet.pick([1, 3]), 4);
    fleet.connections[1]!.available = false;
    assert.equal(fleet.pick(), 3);
    fleet.connections[1]!.available = true;
    await fleet.report(5, 10);
    assert.equal(fleet.pick(), 2, "a report from before does not count");
  });

  it("sends one probe per call, after the requests of the turn, to servers that can be asked", async () => {
    const fleet = slowFleet(8);
    // Server 4 is not available, and 3 is being asked.
    fleet.draws = [3, 4, 4, 5, 3, 3, 6];
    fleet.connections[4]!.available = false;
    for (let i = 0; i < 3; i++) fleet.pick();
    assert.deepEqual(fleet.probes, [], "not yet");
    await settled();
    assert.deepEqual(fleet.probes.map(({ index }) => index), [3, 5, 6], "three draws per probe");
    fleet.connections[7]!.state = "idle";
    fleet.draws = [7];
    fleet.pick();
    await settled();
    assert.equal(fleet.probes.length, 3);
    fleet.connections[7]!.state = "ready";
    fleet.draws = [3, 3, 3, 7];
    fleet.pick();
    await settled();
    assert.equal(fleet.probes.length, 3, "the fourth would be that of another probe");
    await fleet.probe(7);
  });

  it("sends none for calls that get no connection", async () => {
    const fleet = slowFleet(8);
    fleet.otherwise.available = false;
    assert.equal(fleet.pick(), "wait");
    await settled();
    const failing = new Fleet(8, { otherwise: () => ({ pick: () => drop(new Error("too much")) }) });
    failing.slow();
    assert.equal(failing.pick(), "too much");
    await settled();
    assert.deepEqual([fleet.probes, failing.probes], [[], []]);
  });

  it("leaves methods alone whose calls take less than a millisecond, or of which nothing is known", async () => {
    const fleet = new Fleet(8);
    assert.equal(fleet.pick(), "otherwise");
    await settled();
    assert.deepEqual(fleet.probes, []);
    fleet.slow();
    await fleet.report(1, 0);
    await fleet.report(2, 0);
    assert.equal(fleet.pick([], routeServerStream), "otherwise");
    fleet.done(0, { headerMs: 0.2 }, routeServerStream);
    assert.equal(fleet.pick([], routeServerStream), "otherwise");
    fleet.done(3, { headerMs: 0.1, trailer: trailer({ rif: 0 }) }, routeServerStream);
    assert.equal(fleet.pick([1]), "otherwise", "nor are their reports read");
    for (const [headerMs, worthwhile] of [[1, false], [1.01, true]] as const) {
      const other = slowFleet(8);
      for (let i = 0; i < 300; i++) other.done(0, { headerMs });
      other.pick();
      await settled();
      assert.equal(other.probes.length, Number(worthwhile));
    }
    // Most of this method's calls are fast from now on.
    for (let i = 0; i < 40; i++) fleet.done(0, { headerMs: 0.5 });
    assert.equal(fleet.pick(), "otherwise");
    for (let i = 0; i < 100; i++) fleet.done(0, { headerMs: i % 3 === 0 ? 0.5 : 9 });
    assert.equal(typeof fleet.pick(), "number");
    // These say nothing.
    const silent = [{ headerMs: 0, code: Code.NotFound }, { headerMs: undefined }, { headerMs: 0, abandoned: true }];
    for (let i = 0; i < 300; i++) fleet.done(0, silent[i % 3]);
    await fleet.report(3, 0);
    assert.equal(typeof fleet.pick(), "number");
  });

  it("probes no more often than it may, with a little to catch up, and leaves the calls beyond to the other", async () => {
    const fleet = slowFleet(100, { maxProbesPerSecond: 100 });
    const sent = async (calls: number) => {
      const before = fleet.probes.length;
      fleet.draws = Array.from({ length: calls }, (_, i) => before + i);
      for (let i = 0; i < calls; i++) fleet.pick();
      await settled();
      return fleet.probes.length - before;
    };
    assert.equal(await sent(10), 2);
    await fleet.clock.advance(10);
    assert.equal(await sent(10), 1);
    await fleet.clock.advance(9);
    assert.equal(await sent(10), 0);
    await fleet.clock.advance(5_000);
    for (const i of [1, 2, 3]) fleet.done(i, { trailer: trailer({ rif: i }) });
    assert.deepEqual([fleet.pick(), fleet.pick(), fleet.pick()], [1, "otherwise", "otherwise"], "2 of 3 are read");
    const rare = slowFleet(8, { maxProbesPerSecond: 1 });
    rare.draws = [1, 2];
    rare.pick();
    rare.pick();
    await settled();
    assert.equal(rare.probes.length, 1);
    const usual = new Fleet(5);
    usual.slow();
    for (const i of [1, 2, 3, 4]) usual.done(i, { trailer: trailer({ rif: 9 }) });
    for (let i = 0; i < 19; i++) usual.pick([0, 1, 2, 3, 4]);
    assert.equal(typeof usual.pick(), "number", "20 of 1,000 a second");
    assert.equal(usual.pick(), "otherwise");
    usual.clock.skip(0.9995);
    assert.equal(usual.pick(), "otherwise");
  });

  it("takes reports from the answers to calls, too, also failed ones", async () => {
    const fleet = slowFleet(8);
    for (const i of [5, 6]) fleet.done(i, { trailer: trailer({ rif: 7 }) });
    fleet.done(1, { trailer: trailer({ rif: 2 }) });
    fleet.done(2, { code: Code.NotFound, trailer: trailer({ rif: 1 }) });
    fleet.done(3, { end: "maybe-processed", code: Code.DeadlineExceeded, trailer: trailer({ rif: 0 }) });
    fleet.done(4, { abandoned: true, trailer: trailer({ rif: 0 }) });
    assert.deepEqual([fleet.pick(), fleet.pick()], [2, 1]);
    fleet.done(7, { trailer: trailer({ rif: 1 }) });
    fleet.done(7, {});
    assert.equal(fleet.pick(), 7, "an answer without a report changes nothing");
  });

  it("keeps calls from a server for a while that fails them because it is not well", async () => {
    const fleet = slowFleet(8, { maxAgeMs: 500 });
    for (const code of [Code.Unavailable, Code.ResourceExhausted]) {
      for (const i of [1, 2, 3, 4]) await fleet.report(i, i);
      fleet.done(1, { code, trailer: trailer({ rif: 0 }) });
      assert.equal(fleet.pick(), 2);
      await fleet.report(1, 0);
      assert.equal(fleet.pick(), 3);
      await fleet.clock.advance(500);
    }
    await fleet.report(1, 0);
    await fleet.report(2, 1);
    assert.equal(fleet.pick(), 1);
  });

  it("gives no calls to a server that says it is not serving", async () => {
    const fleet = slowFleet(8);
    await fleet.report(1, 0);
    for (const i of [2, 3, 4]) await fleet.report(i, 5);
    await (await fleet.probe(1)).answer({ rif: 0 }, 2);
    assert.notEqual(fleet.pick(), 1);
    await (await fleet.probe(1)).answer({ rif: 0 }, 0);
    assert.equal(fleet.pick(), 1, "unknown is all right");
  });

  it("forgets a server whose probe fails or takes too long, and asks it again after a while", async () => {
    const fleet = slowFleet(8, { maxAgeMs: 400 });
    for (const i of [1, 2, 3]) await fleet.report(i, i);
    await (await fleet.probe(1)).fail(Code.DeadlineExceeded);
    assert.equal(fleet.pick(), 2);
    await settled();
    const before = fleet.probes.length;
    await fleet.clock.advance(399);
    fleet.draws = [1, 1, 1];
    fleet.pick();
    await settled();
    assert.equal(fleet.probes.length, before);
    await fleet.clock.advance(1);
    await fleet.report(1, 0);
  });

  it("takes a server without reports for as loaded as the others, and asks it again half a minute later", async () => {
    const fleet = slowFleet(8);
    for (let i = 0; i < 60; i++) await fleet.report(1 + i % 2, 4);
    await (await fleet.probe(3)).fail(Code.Unimplemented);
    await (await fleet.probe(4)).answer();
    await (await fleet.probe(5)).fail(Code.NotFound, { rif: 2 });
    assert.equal(fleet.pick(), 5, "an error with a report is one");
    await settled();
    await fleet.clock.advance(29_900);
    for (const index of [3, 4]) {
      const before = fleet.probes.length;
      fleet.draws = [index];
      fleet.pick([0, 1, 2, 3, 4, 5, 6, 7]);
      await settled();
      assert.equal(fleet.probes.length, before, "no probe is sent there");
    }
    await fleet.report(1, 9);
    await fleet.report(2, 9);
    assert.deepEqual([fleet.pick(), fleet.pick()].sort(), [3, 4]);
    await fleet.clock.advance(100);
    await fleet.report(3, 1);
    await fleet.report(1, 2);
    assert.equal(fleet.pick(), 3);
  });

  it("leaves calls to the other policy while most servers report nothing, and finds out when they do", async () => {
    const half = slowFleet(6);
    for (const i of [1, 2, 3]) await (await half.probe(i)).answer({ queue: 3 });
    for (const i of [4, 5]) await half.report(i, 0);
    assert.equal(typeof half.pick(), "number");
    const fleet = slowFleet(7);
    const known = async () => {
      for (const i of [4, 5]) fleet.done(i, { trailer: trailer({ rif: 0 }) });
    };
    for (const i of [1, 2, 3, 6]) await (await fleet.probe(i)).fail(Code.PermissionDenied);
    await known();
    assert.equal(fleet.pick(), "otherwise");
    fleet.build();
    assert.equal(fleet.pick(), "otherwise");
    // Its health service does not report, but its answers to calls do.
    fleet.done(1, { trailer: trailer({ rif: 3 }) });
    assert.equal(fleet.pick(), 5);
    await (await fleet.probe(5)).fail(Code.Unimplemented);
    await known();
    fleet.done(5, { trailer: trailer({ rif: 0 }) });
    await fleet.clock.advance(30_000);
    await fleet.report(2, 1);
    await fleet.report(3, 0);
    assert.equal(fleet.pick(), 3, "asked half a minute later");
  });

  it("does not count servers that have left, also if they say later that they don't report", async () => {
    const fleet = slowFleet(7);
    for (const i of [1, 2, 3]) await (await fleet.probe(i)).fail(Code.Unimplemented);
    for (const i of [4, 5]) await fleet.report(i, 0);
    const probe = await fleet.probe(6);
    fleet.set = fleet.connections.slice(0, 6);
    fleet.build();
    await probe.fail(Code.Unimplemented);
    assert.equal(typeof fleet.pick(), "number", "3 of 6");
    // It is back, and counts.
    fleet.set = fleet.connections;
    fleet.build();
    for (const i of [4, 5]) await fleet.report(i, 0);
    assert.equal(fleet.pick(), "otherwise", "4 of 7");
  });

  it("asks a server at once that was connected again, and does not count those that fail", async () => {
    const fleet = slowFleet(7);
    for (const i of [0, 1, 2, 3]) await (await fleet.probe(i)).fail(Code.Unimplemented);
    for (const i of [4, 5, 6]) await fleet.report(i, 0);
    assert.equal(fleet.pick(), "otherwise", "4 of 7");
    for (const i of [0, 1]) fleet.connections[i]!.failure = new Error("refused");
    fleet.build();
    assert.equal(typeof fleet.pick(), "number", "2 of 5");
    const third = fleet.connections[2]!;
    for (const i of [0, 1]) fleet.connections[i]!.failure = undefined;
    third.state = "connecting";
    fleet.build();
    assert.equal(fleet.picker.describe!(third)!["reportsLoad"], undefined);
    third.state = "ready";
    fleet.build();
    await fleet.report(2, 0);
    assert.equal(fleet.picker.describe!(third)!["reportsLoad"], true);
  });

  it("ignores reports that make no sense", async () => {
    for (const rif of [NaN, -1, Infinity, -Infinity]) {
      const fleet = slowFleet(8);
      fleet.done(1, { trailer: trailer({ rif }) });
      fleet.done(2, { trailer: trailer({ rif: 5 }) });
      assert.equal(fleet.pick(), "otherwise", `${rif}`);
    }
    const fleet = slowFleet(8);
    fleet.done(2, { trailer: new Headers({ "endpoint-load-metrics-bin": "?" }) });
    fleet.done(3, { trailer: trailer({ rif: 1e300 }) });
    fleet.done(4, { trailer: trailer({ rif: 1, latency_ms: NaN }) });
    fleet.done(5, { trailer: trailer({ rif: 1, latency_ms: -5 }) });
    fleet.done(6, { trailer: trailer({ rif: 1, latency_ms: 1e9 }) });
    const picks = [fleet.pick(), fleet.pick(), fleet.pick(), fleet.pick()];
    assert.deepEqual([picks[0], picks.slice(1, 3).sort(), picks[3]], [6, [4, 5], "otherwise"]);
  });

  it("lets a server that joins count as loaded as the others for some seconds, though less and less", async () => {
    const fleet = slowFleet(5, { minServers: 2 });
    const joins = (index: number, ready: boolean) => {
      Object.assign(fleet.connections[index]!, { state: ready ? "ready" : "connecting", available: ready });
    };
    joins(4, false);
    fleet.build();
    await fleet.clock.advance(1_000);
    for (let i = 0; i < 60; i++) await fleet.report(1 + i % 2, 10);
    joins(4, true);
    fleet.build();
    const chosen = async (others: number) => {
      for (const i of [1, 2, 3]) await fleet.report(i, others);
      await fleet.report(4, 0);
      return fleet.pick() === 4;
    };
    assert.equal(await chosen(9), false);
    await fleet.clock.advance(2_500);
    assert.equal(await chosen(6), true);
    assert.equal(await chosen(3), false);
    await fleet.clock.advance(2_500);
    assert.equal(await chosen(1), true);
    // When many join at once, it is this client that is new.
    for (let i = 0; i < 60; i++) await fleet.report(1 + i % 2, 10);
    for (const i of [3, 4]) joins(i, false);
    fleet.build();
    for (const i of [3, 4]) joins(i, true);
    fleet.build();
    assert.equal(await chosen(1), true);
  });

  it("counts a server that joined as it says from five seconds on", async () => {
    for (const [ms, expected] of [[4_999, 1], [5_000, 4]] as const) {
      const fleet = slowFleet(5, { minServers: 2 });
      Object.assign(fleet.connections[4]!, { state: "connecting", available: false });
      fleet.build();
      for (let i = 0; i < 60; i++) await fleet.report(1 + i % 2, 10);
      Object.assign(fleet.connections[4]!, { state: "ready", available: true });
      fleet.build();
      await fleet.clock.advance(ms);
      await fleet.report(4, 0, 1);
      await fleet.report(1, 0, 9);
      assert.equal(fleet.pick(), expected, "the one that answers faster, if both have as many");
    }
  });

  it("counts one as it says that joins three others: more than a fourth of them are new", async () => {
    for (const [count, expected] of [[4, 3], [5, 1]] as const) {
      const fleet = slowFleet(count, { minServers: 2 }), joined = count - 1;
      Object.assign(fleet.connections[joined]!, { state: "connecting", available: false });
      fleet.build();
      for (let i = 0; i < 60; i++) await fleet.report(1 + i % 2, 10);
      Object.assign(fleet.connections[joined]!, { state: "ready", available: true });
      fleet.build();
      await fleet.report(1, 1);
      await fleet.report(joined, 0);
      assert.equal(fleet.pick(), expected);
    }
  });

  it("takes a server without reports for idle while the others' loads are not known", async () => {
    const fleet = slowFleet(8);
    await (await fleet.probe(3)).fail(Code.Unimplemented);
    fleet.draws = [3];
    assert.equal(fleet.pick(), "otherwise");
    await settled();
    fleet.done(1, { trailer: trailer({ rif: 1 }) });
    assert.equal(fleet.pick(), 3);
  });

  it("takes a latency that is not reported for worse than any", async () => {
    const fleet = slowFleet(8);
    fleet.done(1, { trailer: trailer({ rif: 1, latency_ms: 1e9 }) });
    fleet.done(2, { trailer: trailer({ rif: 1 }) });
    assert.equal(fleet.pick(), 1);
    await fleet.report(4, 2);
    assert.equal(
      (fleet.picker.describe!(fleet.connections[2]!) as object as { reportedLatencyMs: unknown })
        .reportedLatencyMs,
      undefined,
    );
  });

  it("takes nothing over from another policy's picker but for the other policy, whatever that calls its parts", () => {
    const connections = ["a:1", "b:1"].map(fake), env = fakeEnvironment(new ManualClock(), () => 0);
    const before = { ...roundRobin()(connections, undefined, env), otherwise: {}, loads: {}, medians: {} };
    const picker = prequal({ otherwise: roundRobin() })(connections, before as unknown as Picker, env);
    assert.equal(picker.pick(callExcluding()), connections[0]);
  });

  it("does nothing of this with fewer servers than it takes", async () => {
    const fleet = slowFleet(4);
    fleet.done(1, { trailer: trailer({ rif: 0 }) });
    fleet.done(2, { trailer: trailer({ rif: 0 }) });
    assert.equal(fleet.pick(), "otherwise");
    await settled();
    assert.deepEqual(fleet.probes, []);
    const two = slowFleet(2, { minServers: 2 });
    await two.report(0, 0);
    await two.report(1, 1);
    assert.equal(two.pick(), 0);
    two.done(0, { trailer: trailer({ rif: 0 }) });
    two.connections[1]!.available = false;
    two.build();
    two.connections[1]!.available = true;
    assert.equal(two.pick(), "otherwise");
  });

  it("keeps what it knows from picker to picker, and tells the other policy of everything", async () => {
    const fleet = slowFleet(8);
    await fleet.report(1, 0);
    await fleet.report(2, 1);
    const before = fleet.picker;
    fleet.build();
    assert.notEqual(fleet.picker, before);
    assert.equal(fleet.pick(), 1);
    fleet.done(1, { code: Code.Internal });
    fleet.picker.close!();
    assert.deepEqual(fleet.told.filter((line) => !line.startsWith("pick")), [
      "build after none",
      "done server-0:1 undefined",
      "build after another",
      `done server-1:1 ${Code.Internal}`,
      "close",
    ]);
  });

  it("shows in snapshots what is known of a server", async () => {
    const fleet = slowFleet(8);
    await fleet.clock.advance(1_000);
    await fleet.report(1, 4, 12.5);
    await fleet.report(2, 3);
    await (await fleet.probe(3)).fail(Code.Unimplemented);
    await fleet.clock.advance(40);
    const shown = [4, 1, 2, 3].map((i) => fleet.picker.describe!(fleet.connections[i]!));
    assert.deepEqual(JSON.parse(JSON.stringify(shown)), [
      { weight: 1 },
      { weight: 1, reportsLoad: true, reportedInFlight: 4, reportedLatencyMs: 12.5, reportAgeMs: 40 },
      { weight: 1, reportsLoad: true, reportedInFlight: 3, reportAgeMs: 40 },
      { weight: 1, reportsLoad: false },
    ]);
  });

  it("balances over links that carry no probes, also where nothing happens between calls", async () => {
    const router = createRouterTransport(({ service }) => service(Simple, { route: () => ({ value: "answer" }) }));
    const { client, clock, transport } = pulled({
      policy: prequal({ maxProbesPerSecond: 1e6 }),
      addresses: ["a:1", "b:1", "c:1", "d:1", "e:1", "f:1"],
      random: Math.random,
      links: {
        transport: () => ({
          ...router,
          unary: (...args) => {
            clock.skip(5);
            return router.unary(...args);
          },
        }),
      },
    });
    const known = () => transport.snapshot().endpoints!.map(({ policy }) => policy!["reportsLoad"]);
    for (let i = 0; i < 100; i++) assert.equal((await client.route({})).value, "answer");
    assert.ok(known().filter((reports) => reports === false).length > 3, known().join());
    assert.ok(transport.snapshot().endpoints!.every(({ picks, inFlight }) => picks > 0 && inFlight === 0));
  });

  it("survives a link that throws", async () => {
    const fleet = slowFleet(8);
    for (const i of [1, 2, 3]) await fleet.report(i, i);
    fleet.draws = [1];
    fleet.thrown = new Error("not today");
    fleet.pick([0, 1, 2, 3]);
    await settled();
    fleet.thrown = undefined;
    assert.equal(fleet.pick(), 2, "as if the probe had failed");
    await fleet.clock.advance(1_000);
    await fleet.report(1, 0);
  });

  it("opens idle connections, whatever the other policy does", () => {
    const opened: string[] = [];
    const idle: Fake = {
      ...fake("idle:1"),
      state: "idle",
      available: false,
      connect: () => void opened.push("idle:1"),
    };
    const before: Picker = { pick: () => "wait" };
    const env = fakeEnvironment(new ManualClock(), () => 0);
    const otherwise: Policy = (_, previous) => {
      assert.equal(previous, before, "what was there before");
      return { pick: () => "wait" };
    };
    prequal({ otherwise })([idle, fake("ready:1")], before, env);
    assert.deepEqual(opened, ["idle:1"]);
  });

  it("checks its options, and says so where it is passed on uncalled", () => {
    const wrong = (options: object, what: RegExp) => assert.throws(() => prequal(options as PrequalOptions), what);
    wrong({ maxAgeMs: 0 }, /RangeError: option maxAgeMs is 0: expected milliseconds above 0/);
    wrong({ maxProbesPerSecond: 0 }, /RangeError: option maxProbesPerSecond is 0: expected a number above 0/);
    wrong({ maxProbesPerSecond: Infinity }, /RangeError/);
    wrong({ minServers: 0 }, /RangeError: option minServers is 0: expected a whole number from 1/);
    wrong({ otherwise: prequal }, /TypeError: option otherwise is the function prequal: .*Call it/);
    wrong({ poolSize: 4 }, /TypeError: prequal\(\) has no option "poolSize"/);
    assert.throws(() => balanced({ policy: prequal as never }), /Call it: prequal\(…\)/);
  });
});
