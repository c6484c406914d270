import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { AdaptiveHedging, hedging as hedgingBy, type HedgingOptions } from "../../src/call/adaptive-hedging.ts";
import { fixedHedging } from "../../src/call/fixed-hedging.ts";
import type { HedgingPolicy } from "../../src/call/hedged-attempts.ts";
import type { Hedging, HedgingEnvironment } from "../../src/call/hedging.ts";
import { RetryThrottle } from "../../src/call/retry-throttle.ts";
import { markAttempt } from "../../src/connection/mark.ts";
import type { FixedHedgingOptions } from "../../src/resolver/service-config.ts";
import type { BalancedTransportOptions } from "../../src/transport/options.ts";
import { balanced } from "../support/balanced.ts";
import { heldLinks } from "../support/held-links.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

const { route, routeServerStream } = Simple.method;

function adaptive(options: HedgingOptions = {}, random: () => number = () => 0.5) {
  const clock = new ManualClock(), throttle = new RetryThrottle({ maxTokens: 10 });
  const hedging = new AdaptiveHedging(options, { clock, throttle, random });
  /** So many calls begin, and take this long. */
  const calls = (count: number, latencyMs: number) => {
    for (let i = 0; i < count; i++) {
      hedging.begin(route);
      hedging.took(route, latencyMs);
    }
  };
  return { clock, hedging, throttle, calls };
}

function fixed(options: FixedHedgingOptions, throttle: RetryThrottle): HedgingPolicy {
  const env: HedgingEnvironment = { clock: new ManualClock(), random: () => 0, throttle };
  return fixedHedging(options).start(env as never) as HedgingPolicy;
}

describe("hedging at fixed intervals", () => {
  it("has at most five attempts, and no delay unless one is given", () => {
    const throttle = new RetryThrottle({});
    assert.equal(fixed({ maxAttempts: 3 }, throttle).maxAttempts, 3);
    assert.equal(fixed({ maxAttempts: 9 }, throttle).maxAttempts, 5);
    assert.equal(fixed({ maxAttempts: 3 }, throttle).begin(route), 0);
    assert.equal(fixed({ maxAttempts: 3, delayMs: 20 }, throttle).begin(route), 20);
    const nonFatalCodes = [Code.Aborted];
    const config = fixedHedging({ maxAttempts: 3, nonFatalCodes });
    nonFatalCodes.pop();
    assert.deepEqual({ ...config }, { maxAttempts: 3, delayMs: 0, nonFatalCodes: [Code.Aborted] });
  });

  it("stops when half of the retry budget is used up", () => {
    const throttle = new RetryThrottle({ maxTokens: 2 });
    const hedging = fixed({ maxAttempts: 3 }, throttle);
    assert.equal(hedging.allows, true);
    throttle.failed();
    assert.equal(hedging.allows, false);
  });
});

describe("adaptive hedging", () => {
  it("begins once it has seen a hundred calls, and hedges after as long as all but 2 % of them took", () => {
    const { hedging, calls } = adaptive();
    calls(98, 10);
    calls(1, 200);
    assert.equal(hedging.begin(route), undefined);
    calls(1, 200);
    const delayMs = hedging.begin(route)!;
    assert.ok(delayMs >= 10 && delayMs <= 11, `${delayMs}`);
    calls(2, 200);
    const laterMs = hedging.begin(route)!;
    assert.ok(laterMs >= 200 && laterMs <= 210, `${laterMs}`);
  });

  it("waits for whole milliseconds, which timers are accurate to, and for at least minDelayMs", () => {
    const quick = adaptive(), patient = adaptive({ minDelayMs: 5 }), none = adaptive({ minDelayMs: 0 });
    for (const { calls } of [quick, patient, none]) calls(100, 0.2);
    assert.equal(quick.hedging.begin(route), 1);
    assert.equal(patient.hedging.begin(route), 5);
    assert.equal(none.hedging.begin(route), 1);
  });

  it("knows each method's latencies", () => {
    const { hedging, calls } = adaptive();
    calls(200, 10);
    assert.equal(hedging.begin(routeServerStream), undefined);
  });

  it("adds at most 2 % of the calls, and saves up ten hedges", () => {
    const { hedging, calls } = adaptive();
    calls(49, 10);
    assert.equal(hedging.allows, false);
    calls(2, 10);
    assert.equal(hedging.allows, true);
    hedging.sent();
    assert.equal(hedging.allows, false);
    calls(5_000, 10);
    let sent = 0;
    for (; hedging.allows; sent++) hedging.sent();
    assert.equal(sent, 10);
  });

  it("adds as many as extraLoad says", () => {
    const { hedging, calls } = adaptive({ extraLoad: 0.5 });
    calls(1, 10);
    assert.equal(hedging.allows, false);
    calls(1, 10);
    assert.equal(hedging.allows, true);
    calls(98, 10);
    calls(99, 100);
    assert.equal(hedging.begin(route), 11);
  });

  it("stops when half of the retry budget is used up", () => {
    const { hedging, calls, throttle } = adaptive();
    calls(100, 10);
    assert.equal(hedging.allows, true);
    for (let i = 0; i < 5; i++) throttle.failed();
    assert.equal(hedging.allows, false);
  });

  it("hedges only a tenth where hedges are not answered first, until they are again", () => {
    let random = 0.5;
    const { hedging, calls } = adaptive({}, () => random);
    calls(1_000, 10);
    let lost = 0;
    for (; hedging.allows; lost++) hedging.raced(false);
    assert.equal(lost, 45);
    random = 0.09;
    assert.equal(hedging.allows, true);
    random = 0.1;
    assert.equal(hedging.allows, false);
    hedging.raced(true);
    assert.equal(hedging.allows, true);
  });

  it("goes on where half of the hedges, or all of them, are answered first: that is what they are for", () => {
    const { hedging, calls } = adaptive();
    calls(1_000, 10);
    for (let i = 0; i < 100; i++) hedging.raced(i % 2 === 0);
    assert.equal(hedging.allows, true);
    for (let i = 0; i < 100; i++) hedging.raced(true);
    assert.equal(hedging.allows, true);
  });

  it("covers methods that the schema marks as idempotent, and those that are listed", () => {
    const { hedging } = adaptive();
    assert.deepEqual([route, routeServerStream].map(hedging.covers), [true, false]);
    for (const name of ["proto.Simple", "proto.Simple/RouteServerStream"]) {
      assert.equal(adaptive({ methods: [name] }).hedging.covers(routeServerStream), true);
    }
  });
});

/** A transport with adaptive hedging, whose attempts are held; it has seen calls that took 10 ms. */
async function warm(options: Partial<BalancedTransportOptions> = {}) {
  const { sent, transport } = heldLinks();
  const test = balanced({ hedge: hedgingBy(), links: { transport }, ...options });
  await test.ready();
  for (let i = 0; i < 12; i++) {
    const calls = Array.from({ length: 10 }, () => test.client.route({}));
    await test.clock.advance(10);
    for (const { answer } of sent.splice(0)) answer();
    await Promise.all(calls);
  }
  return { ...test, sent };
}

describe("a transport with hedge: hedging()", () => {
  it("hedges a call that takes unusually long, to another endpoint", async () => {
    const { client, clock, sent, transport } = await warm();
    const call = client.route({ data: "x" });
    await clock.advance(10);
    assert.equal(sent.length, 1);
    await clock.advance(1);
    assert.equal(sent.length, 2);
    assert.notEqual(sent[0]!.address, sent[1]!.address);
    await clock.advance(1_000);
    assert.equal(sent.length, 2);
    sent[1]!.answer();
    assert.equal((await call).value, `${sent[1]!.address}: hello x`);
    assert.equal(sent[0]!.signal!.aborted, true);
    await transport.close();
  });

  it("never hedges more than its share: 120 calls allow two hedges", async () => {
    const { client, clock, sent, transport } = await warm();
    const calls = Array.from({ length: 5 }, () => client.route({}));
    await clock.advance(100);
    assert.equal(sent.length, 7);
    for (const { answer } of sent) answer();
    await Promise.all(calls);
    await transport.close();
  });

  it("counts a call whose hedge won as one that took at least as long", async () => {
    const { client, clock, sent, transport } = await warm({ hedge: hedgingBy({ extraLoad: 0.5 }) });
    for (let i = 0; i < 140; i++) {
      const call = client.route({});
      await clock.advance(11);
      // Every other call finds that hedges are used up.
      sent.at(-1)!.answer();
      await call;
      sent.splice(0);
    }
    for (let i = 0; i < 3; i++) {
      const call = client.route({});
      sent.splice(0)[0]!.answer();
      await call;
    }
    const call = client.route({});
    await clock.advance(11);
    assert.equal(sent.length, 1, "more than half of the calls take 11 ms now");
    await clock.advance(2);
    assert.equal(sent.length, 2);
    sent[0]!.answer();
    await call;
    await transport.close();
  });

  it("retries as without hedges when no other attempt is in flight", async () => {
    const { client, clock, sent, transport } = await warm();
    const call = client.route({ data: "x" });
    await settled();
    sent[0]!.fail(markAttempt(new ConnectError("later", Code.Unavailable), "answered"));
    await clock.advance(1);
    assert.equal(sent.length, 2);
    sent[1]!.answer();
    assert.equal((await call).value, `${sent[1]!.address}: hello x`);
    await transport.close();
  });

  it("waits for the other attempt when one fails with a code that is retried, and retries when both have", async () => {
    const { client, clock, sent, transport } = await warm();
    const call = client.route({ data: "x" });
    await clock.advance(11);
    const unavailable = () => markAttempt(new ConnectError("later", Code.Unavailable), "answered");
    sent[1]!.fail(unavailable());
    await clock.advance(100);
    assert.equal(sent.length, 2);
    sent[0]!.fail(unavailable());
    await clock.advance(100);
    assert.equal(sent.length, 3);
    sent[2]!.answer();
    assert.equal((await call).value, `${sent[2]!.address}: hello x`);
    await transport.close();
  });

  it("hedges without retries, too", async () => {
    const { client, clock, sent, transport } = await warm({ retry: false });
    const call = client.route({ data: "x" });
    await clock.advance(11);
    assert.equal(sent.length, 2);
    sent[0]!.fail(new ConnectError("lost", Code.Unavailable));
    await clock.advance(100);
    sent[1]!.answer();
    assert.equal((await call).value, `${sent[1]!.address}: hello x`);
    await transport.close();
  });

  it("leaves methods alone that may not be processed twice", async () => {
    const { client, clock, sent, transport } = await warm();
    const read = async () => {
      for await (const _ of client.routeServerStream({}));
    };
    for (let i = 0; i < 120; i++) {
      const call = read();
      await settled();
      sent.splice(0)[0]!.answer();
      await call;
    }
    const call = read();
    await clock.advance(1_000);
    assert.equal(sent.length, 1);
    sent[0]!.answer();
    await call;
    await transport.close();
  });

  it("checks its options", () => {
    const made = (options: unknown) => () => hedgingBy(options as HedgingOptions);
    for (const extraLoad of [0, 0.51, Number.NaN]) assert.throws(made({ extraLoad }), RangeError);
    assert.throws(made({ maxAttempts: 1 }), RangeError);
    assert.throws(made({ minDelayMs: -1 }), RangeError);
    assert.throws(made({ methods: ["not a name"] }), TypeError);
    assert.throws(made({ delayMs: 1 }), /has no option "delayMs": did you mean minDelayMs/);
    assert.throws(made(true), TypeError);
    const given = (hedge: unknown) => () => balanced({ hedge: hedge as Hedging });
    assert.throws(given({}), /option hedge is {}: expected hedging, such as hedging\(\)$/);
    assert.throws(given(hedgingBy), /expected hedging, such as hedging\(\). Call it: hedging\(…\)$/);
    assert.throws(given(fixedHedging({ maxAttempts: 2 })), TypeError);
  });
});

describe("a transport without hedging", () => {
  it("gives an attempt the caller's own signal", async () => {
    const { sent, transport } = heldLinks();
    const test = balanced({ links: { transport } });
    await test.ready();
    const { signal } = new AbortController();
    const call = test.transport.unary(route, signal, undefined, undefined, {});
    assert.equal(sent[0]!.signal, signal);
    sent[0]!.answer();
    await call;
    await test.transport.close();
  });
});
