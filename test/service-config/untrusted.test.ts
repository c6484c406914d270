import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { FixedCallHedging } from "../../src/call/fixed-hedging.ts";
import { Settings, type SettingsOptions } from "../../src/call/settings.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { ServiceConfigError, untrustedServiceConfig } from "../../src/service-config.ts";
import { ManualClock } from "../support/manual-clock.ts";

const retryPolicy = {
  maxAttempts: 3,
  initialBackoff: "0.1s",
  maxBackoff: "1s",
  backoffMultiplier: 2,
  retryableStatusCodes: ["UNAVAILABLE"],
};

const settingsOf = (options: Partial<SettingsOptions> = {}) =>
  new Settings({ clock: new ManualClock(), random: () => 0.5, ...options });

const configOf = (fields: object) =>
  untrustedServiceConfig(JSON.stringify({ methodConfig: [{ name: [{ service: "proto.Simple" }], ...fields }] })).config;

describe("untrustedServiceConfig", () => {
  it("reads at most 64 KiB", () => {
    const padded = (bytes: number, fill: string) => `{"other":"${fill.repeat(bytes)}"}`;
    assert.deepEqual(untrustedServiceConfig(padded(65_536 - 12, "x")).config, { untrusted: true });
    for (const json of [padded(65_536 - 11, "x"), padded(30_000, "€")]) {
      assert.throws(
        () => untrustedServiceConfig(json),
        /^ServiceConfigError: service config: is longer than 65536 bytes$/,
      );
    }
    assert.throws(() => untrustedServiceConfig({} as string), ServiceConfigError);
    assert.throws(() => untrustedServiceConfig("{}", { nonsense: 1 } as object), /nonsense/);
  });

  it("chooses among the policies that it is given, whatever it says about them", () => {
    const policy = roundRobin();
    const json = JSON.stringify({ loadBalancingConfig: [{ pick_first: {} }, { round_robin: { a: 1 } }] });
    assert.deepEqual(untrustedServiceConfig(json, { policies: { round_robin: policy } }), {
      policy,
      config: { untrusted: true },
    });
    assert.throws(
      () => untrustedServiceConfig(json),
      /has no supported policy \(pick_first, round_robin\): expected one of none/,
    );
    const deprecated = JSON.stringify({ loadBalancingPolicy: "round_robin" });
    assert.equal(untrustedServiceConfig(deprecated, { policies: { round_robin: policy } }).policy, policy);
    assert.throws(() => untrustedServiceConfig(deprecated), /^ServiceConfigError: loadBalancingPolicy: /);
  });

  it("rejects what is invalid in a trusted one", () => {
    assert.throws(() => configOf({ timeout: "1" }), /^ServiceConfigError: methodConfig\[0\]\.timeout: /);
  });
});

describe("a config that is untrusted", () => {
  const { route, routeServerStream } = Simple.method;

  it("shortens timeouts only", () => {
    const long = configOf({ timeout: "60s" }), short = configOf({ timeout: "0.5s" });
    const settings = settingsOf({ defaultTimeoutMs: 1_000 });
    assert.equal(settings.of(route, long).timeoutMs, 1_000);
    assert.equal(settings.of(route, long).maxTimeoutMs, 60_000);
    assert.equal(settings.of(route, short).timeoutMs, 500);
    assert.equal(settings.of(route, short).maxTimeoutMs, 500);
    assert.equal(settings.of(route, configOf({})).timeoutMs, 1_000);
    assert.equal(settingsOf().of(route, long).timeoutMs, 60_000);
    const { untrusted: _, ...trusted } = long;
    assert.equal(settings.of(route, trusted).timeoutMs, 60_000);
  });

  it("retries and hedges only methods that may be processed twice", () => {
    const settings = settingsOf(), usual = settings.of(routeServerStream, undefined);
    const retry = configOf({ retryPolicy });
    assert.notEqual(settings.of(route, retry).retry, usual.retry);
    assert.equal(settings.of(routeServerStream, retry).retry, usual.retry);
    const hedging = configOf({ hedgingPolicy: { maxAttempts: 2 } });
    assert.ok(settings.of(route, hedging).hedging instanceof FixedCallHedging);
    assert.equal(settings.of(routeServerStream, hedging).hedging, undefined);
    assert.equal(settings.of(routeServerStream, hedging).retry, usual.retry);
    const listed = settingsOf({ retry: { methods: ["proto.Simple"], codes: [Code.Aborted] } });
    assert.ok(listed.of(routeServerStream, hedging).hedging instanceof FixedCallHedging);
  });

  it("can't make calls wait", () => {
    assert.equal(settingsOf().of(route, configOf({ waitForReady: true })).waitForReady, false);
    assert.equal(settingsOf({ waitForReady: true }).of(route, configOf({ waitForReady: false })).waitForReady, true);
  });

  it("can't enlarge the retry budget", () => {
    const after = (own: object, given: object, untrusted: boolean) => {
      const settings = settingsOf({ retry: { budget: own } });
      settings.of(route, { retryBudget: given, untrusted });
      let failures = 0;
      for (; settings.throttle!.allows; failures++) settings.throttle!.failed();
      let successes = 0;
      for (; !settings.throttle!.allows; successes++) settings.throttle!.succeeded();
      return [failures, successes];
    };
    const own = { maxTokens: 10, tokenRatio: 0.25 };
    assert.deepEqual(after(own, { maxTokens: 100, tokenRatio: 50 }, false), [50, 1]);
    assert.deepEqual(after(own, { maxTokens: 100, tokenRatio: 50 }, true), [5, 1]);
    assert.deepEqual(after(own, { maxTokens: 4, tokenRatio: 50 }, true), [2, 1]);
    assert.deepEqual(after({}, { tokenRatio: 500 }, true), [500, 1]);
  });
});
