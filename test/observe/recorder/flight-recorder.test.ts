import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { Simple } from "../../../gen/simple_pb.ts";
import { fixedHedging } from "../../../src/call/fixed-hedging.ts";
import type { CallStart } from "../../../src/call/observer.ts";
import { markAttempt } from "../../../src/connection/mark.ts";
import { note } from "../../../src/connection/note.ts";
import { type FlightRecorder, flightRecorder } from "../../../src/observe/recorder/flight-recorder.ts";
import { staticResolver } from "../../../src/resolver/static.ts";
import type { BalancedTransportOptions } from "../../../src/transport/options.ts";
import { balanced, failureOf } from "../../support/balanced.ts";
import type { FakeLinkOptions } from "../../support/fake-links.ts";
import { heldLinks } from "../../support/held-links.ts";
import { settled } from "../../support/manual-clock.ts";
import { manualResolver } from "../../support/manual-resolver.ts";
import { pulled } from "../../support/pulled.ts";
import { simpleRoutes } from "../../support/simple.ts";

type Options = Partial<BalancedTransportOptions> & { links?: FakeLinkOptions };

/** A transport with a recorder, over links whose attempts the test answers. */
function recorded(options: Options = {}) {
  const recorder = options.recorder ?? flightRecorder();
  const { sent, transport } = heldLinks();
  return { ...balanced({ recorder, ...options, links: { transport, ...options.links } }), recorder, sent };
}

/** The same over links that answer at once. */
const answering = (options: Options = {}) =>
  recorded({
    ...options,
    links: { transport: ({ address }) => createRouterTransport(simpleRoutes({ name: address })), ...options.links },
  });

const answer = (code: Code, text = "no") => markAttempt(new ConnectError(text, code), "answered");

describe("a flight recorder", () => {
  it("says the same of a call whenever it is read, although the clocks don't tick together", async (t) => {
    t.mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
    const recorder = flightRecorder(), { client, clock, ready, transport } = balanced({ recorder });
    await ready();
    await client.route({ data: "a" });
    const [first] = recorder.calls();
    t.mock.timers.setTime(1_000_012);
    await clock.advance(10);
    assert.deepEqual(recorder.calls(), [first]);
    await transport.close();
  });

  it("has what a call did, and where its time went", async () => {
    const resolver = manualResolver();
    const { client, clock, links, recorder, sent, transport } = recorded({
      resolver,
      random: () => 0.5,
      links: { auto: false },
    });
    const call = client.route({}, { timeoutMs: 5_000 });
    await clock.advance(10);
    resolver.tell({ endpoints: [{ address: "a:1" }, { address: "b:1" }] });
    await clock.advance(30);
    links.get("a:1")!.ready();
    links.get("b:1")!.ready();
    await clock.advance(5);
    sent[0]!.fail(answer(Code.Unavailable, "busy"));
    await clock.advance(1_000);
    assert.deepEqual(recorder.calls(), [], "calls in flight are not in it");
    const before = Date.now();
    sent[1]!.answer();
    await call;
    const [found, ...more] = recorder.calls();
    const { startedMs, latencyMs, waited, attempts, ...rest } = found!;
    assert.equal(more.length, 0);
    assert.deepEqual(rest, {
      target: "simple_grpc",
      method: "proto.Simple/Route",
      kind: "unary",
      timeoutMs: 5_000,
      code: "OK",
      moreAttempts: 0,
    });
    assert.equal(latencyMs, 1_045);
    assert.ok(Math.abs(startedMs + latencyMs - before) < 60_000, `${startedMs}`);
    clock.skip(10_000_000);
    assert.ok(Math.abs(recorder.calls()[0]!.startedMs + latencyMs + 10_000_000 - Date.now()) < 60_000);
    assert.deepEqual([waited.resolutionMs, waited.connectionMs, waited.roomMs], [10, 30, 0]);
    assert.ok(waited.backoffMs > 0);
    const [first, second] = attempts;
    assert.deepEqual({ ...first, endpoint: "" }, {
      endpoint: "",
      number: 1,
      hedge: false,
      startedMs: 40,
      waitMs: 40,
      latencyMs: 5,
      end: "answered",
      code: "UNAVAILABLE",
      error: "busy",
    });
    assert.deepEqual([first!.endpoint, second!.endpoint].sort(), ["a:1", "b:1"]);
    assert.equal(second!.waitMs, waited.backoffMs);
    assert.equal(second!.startedMs, 45 + waited.backoffMs);
    assert.deepEqual([second!.latencyMs, second!.end, second!.code], [1_000 - waited.backoffMs, "answered", "OK"]);
    assert.deepEqual(JSON.parse(JSON.stringify(found)), found);
    await transport.close();
  });

  it("has calls that never got an attempt", async () => {
    const { client, clock, links, ready, recorder, transport } = recorded({ resolver: staticResolver(["a:1"]) });
    await ready();
    links.get("a:1")!.room = 0;
    const late = failureOf(client.route({}, { timeoutMs: 70 }));
    await clock.advance(100);
    await late;
    const [{ attempts, code, error, latencyMs, waited }] = recorder.calls({ which: "failed" }) as [
      ReturnType<FlightRecorder["calls"]>[0],
    ];
    assert.deepEqual([code, latencyMs, waited.roomMs, attempts], ["DEADLINE_EXCEEDED", 70, 70, []]);
    assert.match(error!, /^proto.Simple\/Route: no time left: a:1 has 1 endpoint/);
    assert.equal(recorder.calls({ which: "failed" }).length, 1);
    await transport.close();
    await failureOf(client.route({}));
    assert.equal(recorder.calls()[0]!.code, "FAILED_PRECONDITION");
  });

  it("keeps the last calls, the newest first, and no more", async () => {
    const { client, clock, ready, recorder, transport } = answering({ recorder: flightRecorder({ calls: 5 }) });
    await ready();
    for (let i = 0; i < 12; i++) {
      await client.route({}, { timeoutMs: 1_000 + i });
      await clock.advance(1);
    }
    const timeouts = (limit?: number) => recorder.calls(limit ? { limit } : {}).map(({ timeoutMs }) => timeoutMs);
    assert.deepEqual(timeouts(), [1_011, 1_010, 1_009, 1_008, 1_007]);
    assert.deepEqual(timeouts(2), [1_011, 1_010]);
    assert.equal(timeouts(100).length, 5);
    await transport.close();
  });

  it("keeps this library's own texts whole, which say at length what is the matter", async () => {
    const addresses = Array.from({ length: 9 }, (_, i) => `a-server-with-a-long-name-${i}.example.com:8000`);
    const { client, clock, links, recorder, transport } = recorded({
      resolver: staticResolver(addresses),
      links: { auto: false },
    });
    const failure = failureOf(client.route({}));
    await clock.advance(40);
    for (const link of links.values()) link.refuse();
    await clock.advance(40);
    await failure;
    const { error } = recorder.calls()[0]!;
    assert.ok(error!.length > 200);
    assert.match(error!, /and 6 more that failed$/);
    await transport.close();
  });

  it("keeps a thousand calls unless told otherwise", async () => {
    const { client, ready, recorder, transport } = answering();
    await ready();
    for (let i = 0; i < 1_010; i++) await client.route({});
    assert.equal(recorder.calls().length, 1_000);
    assert.equal(recorder.calls({ limit: 1 }).length, 1);
    await transport.close();
  });

  it("keeps a hundred failed and a hundred slow calls apart from a flood of others", async () => {
    const { client, clock, ready, recorder, sent, transport } = recorded({ recorder: flightRecorder({ calls: 3 }) });
    await ready();
    for (let i = 0; i < 120; i++) {
      const call = failureOf(client.route({}));
      await settled();
      clock.skip(i);
      sent.pop()!.fail(answer(Code.NotFound, `no ${i}`));
      await call;
    }
    for (let i = 0; i < 150; i++) {
      const call = client.route({});
      await settled();
      sent.pop()!.answer();
      await call;
    }
    assert.deepEqual(recorder.calls().map(({ code }) => code), ["OK", "OK", "OK"]);
    const failed = recorder.calls({ which: "failed" });
    assert.deepEqual([failed.length, failed[0]!.error, failed[99]!.error], [100, "no 119", "no 20"]);
    assert.ok(failed.every(({ code }) => code === "NOT_FOUND"));
    const slow = recorder.calls({ which: "slowest" });
    assert.deepEqual(slow.map(({ latencyMs }) => latencyMs), Array.from({ length: 100 }, (_, i) => 119 - i));
    assert.equal(recorder.calls({ which: "slowest", limit: 7 }).length, 7);
    await transport.close();
  });

  it("forgets what was slow an hour ago, and not what was half an hour ago", async () => {
    const { client, clock, ready, recorder, sent, transport } = recorded({ ejectOutliers: false });
    await ready();
    const take = async (ms: number) => {
      const call = client.route({});
      await settled();
      clock.skip(ms);
      sent.pop()!.answer();
      await call;
    };
    const slowest = () => recorder.calls({ which: "slowest" }).map(({ latencyMs }) => latencyMs);
    await take(500);
    clock.skip(1_799_000);
    await take(300);
    clock.skip(1_000);
    await take(2);
    assert.deepEqual(slowest(), [500, 300, 2]);
    clock.skip(1_800_000);
    await take(1);
    assert.deepEqual(slowest(), [2, 1]);
    clock.skip(10_000_000);
    await take(3);
    assert.deepEqual(slowest(), [3]);
    await transport.close();
  });

  it("doesn't count a call as failed that its caller aborted, but one that its server cancelled", async () => {
    const { client, ready, recorder, sent, transport } = recorded();
    await ready();
    const abort = new AbortController();
    const aborted = failureOf(client.route({}, { signal: abort.signal }));
    await settled();
    abort.abort();
    await aborted;
    await failureOf(client.route({}, { signal: abort.signal }));
    assert.deepEqual(recorder.calls().map(({ code }) => code), ["CANCELLED", "CANCELLED"]);
    assert.deepEqual(recorder.calls({ which: "failed" }), []);
    const cancelled = failureOf(client.route({}));
    await settled();
    sent.at(-1)!.fail(answer(Code.Canceled));
    await cancelled;
    assert.equal(recorder.calls({ which: "failed" }).length, 1);
    await transport.close();
  });

  it("says of a stream how long its response took to begin, which is how slow it was", async () => {
    const { client, clock, ready, recorder, sent, transport } = recorded();
    await ready();
    const reader = client.routeServerStream({})[Symbol.asyncIterator]();
    const first = reader.next();
    await clock.advance(40);
    sent[0]!.answer();
    await first;
    await clock.advance(3_600_000);
    while (!(await reader.next()).done);
    const call = client.route({});
    await clock.advance(100);
    sent[1]!.answer();
    await call;
    assert.deepEqual(
      recorder.calls({ which: "slowest" }).map(({ kind, latencyMs, attempts: [attempt] }) => [
        kind,
        latencyMs,
        attempt!.firstByteMs,
        attempt!.latencyMs,
      ]),
      [["unary", 100, undefined, 100], ["server_streaming", 3_600_040, 40, 3_600_040]],
    );
    await transport.close();
  });

  it("keeps the first three attempts of a call and the last, and counts the others", async () => {
    const addresses = ["a:1", "b:1", "c:1", "d:1", "e:1", "f:1", "g:1"];
    const { client, ready, recorder, sent, transport } = recorded({ resolver: staticResolver(addresses) });
    await ready();
    const call = client.route({});
    for (let i = 0; i < 6; i++) {
      await settled();
      sent[i]!.fail(markAttempt(new ConnectError(`away ${i}`, Code.Unavailable), "refused"));
    }
    await settled();
    sent[6]!.answer();
    await call;
    const [{ attempts, moreAttempts }] = recorder.calls() as [ReturnType<FlightRecorder["calls"]>[0]];
    assert.deepEqual(attempts.map(({ number, end, error }) => [number, end, error]), [
      [1, "refused", "away 0"],
      [2, "refused", "away 1"],
      [3, "refused", "away 2"],
      [7, "answered", undefined],
    ]);
    assert.equal(moreAttempts, 3);
    await transport.close();
  });

  it("leaves out what was no attempt, because the connection was full", async () => {
    let full = true;
    const { sent, transport: held } = heldLinks();
    const { client, clock, ready, recorder, transport } = recorded({
      resolver: staticResolver(["a:1"]),
      links: {
        transport: (endpoint) => {
          const inner = held(endpoint);
          const unary: typeof inner.unary = (...args) => {
            if (!full) return inner.unary(...args);
            full = false;
            return Promise.reject(note(markAttempt(new ConnectError("full", Code.Unavailable), "not-sent"), "full"));
          };
          return { ...inner, unary };
        },
      },
    });
    await ready();
    const call = client.route({});
    await clock.advance(100);
    sent[0]!.answer();
    await call;
    const [{ attempts, moreAttempts }] = recorder.calls() as [ReturnType<FlightRecorder["calls"]>[0]];
    assert.deepEqual(attempts.map(({ number, end }) => [number, end]), [[1, "answered"]]);
    assert.equal(moreAttempts, 0);
    await transport.close();
  });

  it("has hedges, and doesn't take one that ends late for an attempt of another call", async () => {
    const { sent, transport: deaf } = heldLinks({ deaf: true });
    const { client, clock, ready, recorder, transport } = recorded({
      recorder: flightRecorder({ calls: 2 }),
      defaultServiceConfig: { methods: { "*": { hedging: fixedHedging({ maxAttempts: 2, delayMs: 100 }) } } },
      links: { transport: deaf },
    });
    await ready();
    const call = client.route({});
    await clock.advance(150);
    sent[1]!.answer();
    await call;
    const next = client.route({});
    await settled();
    sent[2]!.answer();
    await next;
    const ends = () =>
      recorder.calls().map(({ attempts }) => attempts.map(({ hedge, latencyMs, end }) => [hedge, latencyMs, end]));
    assert.deepEqual(ends(), [
      [[false, 0, "answered"]],
      [[false, undefined, undefined], [true, 50, "answered"]],
    ]);
    assert.equal("code" in recorder.calls()[1]!.attempts[0]!, false);
    await clock.advance(10);
    sent[0]!.answer();
    await settled();
    assert.deepEqual(ends()[1], [[false, 160, "answered"], [true, 50, "answered"]]);
    await transport.close();
  });

  it("holds no metadata and no messages, and texts cut and escaped", async () => {
    const secret = "hunter2";
    const error = answer(Code.Internal, `\u001b[31m\u202e${"x".repeat(500)}${secret}`);
    error.metadata.set("token", secret);
    const { client, ready, recorder, sent, transport } = recorded({
      resolver: { ...staticResolver(["a:1"]), target: "name\nof\u202e it" },
    });
    await ready();
    const call = failureOf(client.route({ data: secret }, { headers: { authorization: secret } }));
    await settled();
    sent[0]!.fail(error);
    await call;
    for (const which of ["last", "failed", "slowest"] as const) {
      const [found] = recorder.calls({ which });
      assert.ok(!JSON.stringify(found).includes(secret));
      assert.equal(found!.target, "name\\u000aof\\u202e it");
      assert.match(found!.error!, /^\\u001b\[31m\\u202ex{100,}…$/);
      assert.ok(found!.error!.length <= 200);
      assert.equal(found!.attempts[0]!.error, found!.error);
    }
    await transport.close();
  });

  it("uses what it recorded a call with for the next one", () => {
    const recorder = flightRecorder({ calls: 1 });
    const clock = { now: () => 0, timer: () => ({ cancel() {} }) };
    const start = { clock, method: Simple.method.route, startedMs: 0, target: "t" } as unknown as CallStart;
    const used = new Set<object>();
    for (let i = 0; i < 1_000; i++) {
      const both = [recorder.callStarted(start), recorder.callStarted(start)];
      for (const watch of both) {
        used.add(watch);
        watch.ended!({ attempts: 0, code: undefined, error: undefined, latencyMs: i % 7 });
      }
    }
    // The last one, the hundred slowest, and two in flight.
    assert.ok(used.size <= 103, `${used.size}`);
    assert.equal(recorder.calls().length, 1);
  });

  it("is what a transport's recorder returns, and may be shared", async () => {
    const recorder = flightRecorder();
    const one = answering({ recorder }), two = pulled({ recorder, addresses: ["p:1"] });
    assert.equal(one.transport.recorder, recorder);
    assert.equal(two.transport.recorder, recorder);
    assert.equal(balanced().transport.recorder, undefined);
    await one.ready();
    await one.client.route({});
    await Promise.all([two.client.route({}), two.clock.advance(100)]);
    await Promise.all([two.request().client.route({}), two.clock.advance(100)]);
    assert.deepEqual(recorder.calls().map(({ target }) => target), ["simple", "simple", "a:1,b:1,c:1"]);
    await one.transport.close();
  });

  it("refuses what it can't use", () => {
    assert.throws(() => flightRecorder({ calls: 0 }), /option calls is 0: expected a whole number from 1 to 1000000/);
    assert.throws(() => flightRecorder({ calls: "9" } as never), TypeError);
    assert.throws(() => flightRecorder({ size: 9 } as never), /flightRecorder\(\) has no option "size"/);
    assert.throws(
      () => flightRecorder().calls({ which: "first" } as never),
      /option which is "first": expected "last"/,
    );
    assert.throws(() => flightRecorder().calls({ limit: 0 }), RangeError);
    assert.throws(() => balanced({ recorder: {} as FlightRecorder }), /option recorder is \{\}: expected a flight/);
    assert.throws(() => balanced({ recorder: flightRecorder as never }), /Call it: flightRecorder\(…\)/);
    for (const which of ["last", "failed", "slowest"] as const) assert.deepEqual(flightRecorder().calls({ which }), []);
  });
});
