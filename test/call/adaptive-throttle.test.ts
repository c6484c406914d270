import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { adaptiveThrottle, type AdaptiveThrottleOptions, rejectedShare } from "../../src/call/adaptive-throttle.ts";
import { fixedHedging } from "../../src/call/fixed-hedging.ts";
import type { Throttle } from "../../src/call/throttle.ts";
import { markAttempt } from "../../src/connection/mark.ts";
import type { BalancedTransportOptions } from "../../src/transport/options.ts";
import { balanced, failureOf } from "../support/balanced.ts";
import { heldLinks } from "../support/held-links.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

const { route, routeServerStream } = Simple.method;
const refusal = (code: Code) => markAttempt(new ConnectError("no", code), "answered");

function throttled(options: AdaptiveThrottleOptions = {}, random: () => number = () => 0.5) {
  const clock = new ManualClock();
  const throttle = adaptiveThrottle(options)({ now: () => clock.now(), random });
  const calls = (count: number, error?: unknown) => {
    for (let i = 0; i < count; i++) throttle.ended(route, error);
  };
  return { clock, throttle, calls };
}

describe("the share of calls that are rejected", () => {
  it("follows from how many of the recent ones were accepted", () => {
    assert.equal(rejectedShare(0, 0, 2), 0);
    assert.equal(rejectedShare(100, 50, 2), 0);
    assert.equal(rejectedShare(100, 40, 2).toFixed(3), "0.198");
    assert.equal(rejectedShare(100, 0, 2).toFixed(3), "0.990");
    assert.equal(rejectedShare(100, 100, 1), 0);
    assert.equal(rejectedShare(100, 50, 1).toFixed(3), "0.495");
  });
});

describe("adaptive throttling", () => {
  it("rejects with that probability, per method", () => {
    let random = 0;
    const { throttle, calls } = throttled({}, () => random);
    calls(40);
    calls(60, refusal(Code.Unavailable));
    random = 0.199;
    assert.equal(throttle.refuses(route), undefined);
    random = 0.197;
    assert.notEqual(throttle.refuses(route), undefined);
    assert.equal(throttle.refuses(routeServerStream), undefined);
  });

  it("rejects about as many calls as servers don't accept beyond twice what they do", () => {
    let seed = 1;
    const random = () => (seed = seed * 48_271 % 0x7fff_ffff) / 0x7fff_ffff;
    const { clock, throttle } = throttled({}, random);
    let sent = 0;
    // Ten calls per millisecond, of which servers accept one.
    for (let ms = 0; ms < 2_000; ms++) {
      clock.skip(1);
      let accepted = 0;
      for (let i = 0; i < 10; i++) {
        if (throttle.refuses(route) !== undefined) continue;
        throttle.ended(route, accepted++ === 0 ? undefined : refusal(Code.ResourceExhausted));
        if (ms >= 1_000) sent++;
      }
    }
    assert.ok(sent > 1_500 && sent < 2_500, `${sent}`);
  });

  it("counts what a server does not like about a call as accepted, and what it has no strength for as not", () => {
    for (
      const [code, admits] of [
        [Code.NotFound, true],
        [Code.Internal, true],
        [Code.Canceled, true],
        [Code.Unavailable, false],
        [Code.ResourceExhausted, false],
        [Code.DeadlineExceeded, false],
      ] as const
    ) {
      const { throttle, calls } = throttled();
      calls(100, refusal(code));
      assert.equal(throttle.refuses(route) === undefined, admits, Code[code]);
    }
  });

  it("forgets accepted calls as it does others, a twelfth of the window at a time", async () => {
    const { clock, throttle, calls } = throttled();
    calls(60);
    await clock.advance(10_000);
    calls(60);
    for (let seconds = 20; seconds < 120; seconds += 10) {
      await clock.advance(10_000);
      assert.equal(throttle.refuses(route), undefined);
    }
    calls(120, refusal(Code.Unavailable));
    assert.equal(throttle.refuses(route), undefined);
    await clock.advance(10_000);
    assert.equal(throttle.refuses(route), undefined, "a third of the calls is rejected: (180 - 120) / 181");
    await clock.advance(10_000);
    assert.equal(throttle.refuses(route), "servers accepted 0 of the last 120 calls of this method");
  });

  it("forgets after two minutes, or as long as windowMs says", async () => {
    for (const [options, ms] of [[{}, 120_000], [{ windowMs: 12_000 }, 12_000]] as const) {
      const { clock, throttle, calls } = throttled(options);
      calls(100, refusal(Code.Unavailable));
      await clock.advance(ms * 11 / 12 - 1);
      assert.notEqual(throttle.refuses(route), undefined);
      await clock.advance(ms);
      assert.equal(throttle.refuses(route), undefined);
    }
  });
});

describe("the window of adaptive throttling", () => {
  it("has twelve parts, which begin with the first call", async () => {
    const { clock, throttle, calls } = throttled({ windowMs: 12_000 });
    await clock.advance(500);
    assert.equal(throttle.refuses(route), undefined);
    for (const [atMs, untilMs] of [[1_499, 12_500], [13_499, 24_500], [24_500, 36_500]] as const) {
      await clock.advance(atMs - clock.now());
      calls(100, refusal(Code.Unavailable));
      await clock.advance(untilMs - 1 - clock.now());
      assert.notEqual(throttle.refuses(route), undefined, `${atMs}`);
      await clock.advance(1);
      assert.equal(throttle.refuses(route), undefined, `${atMs}`);
    }
  });
});

function transportOf(options: Partial<BalancedTransportOptions> = {}) {
  const { sent, transport } = heldLinks();
  return {
    ...balanced({ throttle: adaptiveThrottle(), retry: false, links: { transport }, random: () => 0.5, ...options }),
    sent,
  };
}

describe("a transport with an adaptive throttle", () => {
  it("fails calls without sending them, and says why", async () => {
    const { client, ready, sent, transport } = transportOf();
    await ready();
    const calls = Array.from({ length: 20 }, () => failureOf(client.route({})));
    await settled();
    assert.equal(sent.length, 20, "calls in flight say nothing yet");
    for (const { fail } of sent) fail(refusal(Code.Unavailable));
    await Promise.all(calls);
    const error = await failureOf(client.route({}));
    assert.ok(error instanceof ConnectError);
    assert.equal(error.code, Code.Unavailable);
    assert.match(error.message, /Route: not sent: servers accepted 0 of the last 20 calls of this method/);
    assert.equal(sent.length, 20);
    const stream = (async () => {
      for await (const _ of client.routeServerStream({}));
    })();
    await settled();
    assert.equal(sent.length, 21);
    sent[20]!.answer();
    await stream;
    await transport.close();
  });

  it("rejects streams, too", async () => {
    const { client, ready, sent, transport } = transportOf();
    await ready();
    const read = async () => {
      for await (const _ of client.routeServerStream({}));
    };
    const calls = Array.from({ length: 20 }, () => failureOf(read()));
    await settled();
    for (const { fail } of sent) fail(refusal(Code.ResourceExhausted));
    await Promise.all(calls);
    assert.match(String(await failureOf(read())), /not sent/);
    await transport.close();
  });

  it("does not hold aborted calls and lost hedges against servers", async () => {
    const hedging = { methods: { "*": { hedging: fixedHedging({ maxAttempts: 3 }) } } };
    for (const options of [{}, { retry: {}, defaultServiceConfig: hedging }]) {
      const { client, ready, sent, transport } = transportOf(options);
      await ready();
      for (let i = 0; i < 30; i++) {
        const abort = new AbortController();
        const call = failureOf(client.route({}, { signal: abort.signal }));
        await settled();
        if ("retry" in options) sent[0]!.answer();
        else abort.abort();
        await call;
        await settled();
        sent.splice(0);
      }
      const call = client.route({ data: "x" });
      await settled();
      sent[0]!.answer();
      assert.match((await call).value, /hello x/);
      await transport.close();
    }
  });

  it("checks its options, and that it was called", () => {
    assert.throws(() => adaptiveThrottle({ k: 0.5 }), RangeError);
    assert.throws(() => adaptiveThrottle({ windowMs: 0 }), RangeError);
    assert.throws(() => adaptiveThrottle({ K: 2 } as never), /did you mean k/);
    const factory = adaptiveThrottle as unknown as Throttle;
    assert.throws(() => transportOf({ throttle: factory }), /Call it: adaptiveThrottle/);
  });
});
