import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createContextKey, createContextValues } from "@connectrpc/connect";
import { balance, balanceKey, type BalanceSettings } from "../../src/call/options.ts";
import type { BalancedTransportOptions } from "../../src/transport/options.ts";
import { createBalancedTransport } from "../../src/transport/transport.ts";
import type { ConnectOptions } from "../../src/transport/connect.ts";
import { createMemoryRegistry } from "../../src/registry/memory.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { balanced } from "../support/balanced.ts";
import { fakeConnector } from "../support/fake-links.ts";

describe("createBalancedTransport", () => {
  const good = { resolver: staticResolver(["a:1"]), connector: fakeConnector().connector };

  for (
    const [name, value, error, why] of [
      ["resolver", undefined, TypeError, /option resolver is undefined: expected a resolver/],
      ["resolver", createMemoryRegistry(), TypeError, /option resolver is a registry: expected registry\.resolver\(s/],
      ["connector", "grpc", TypeError, /option connector is "grpc": expected a connector/],
      ["policy", "round_robin", TypeError, /option policy is "round_robin": expected a policy/],
      ["onEvent", {}, TypeError, /option onEvent is \{\}: expected a function/],
      ["onAttempt", 1, TypeError, /option onAttempt is 1: expected a function/],
      ["random", 0.5, TypeError, /option random is 0\.5: expected a function/],
      ["interceptors", () => {}, TypeError, /option interceptors is a function: expected an array/],
      ["clock", { now: 1 }, TypeError, /option clock is an object: expected a clock/],
      ["waitForReady", "yes", TypeError, /option waitForReady is "yes": expected true or false/],
      ["defaultTimeoutMs", 0, RangeError, /option defaultTimeoutMs is 0: expected milliseconds above 0/],
      ["waitTimeoutMs", Number.NaN, TypeError, /option waitTimeoutMs is NaN: expected milliseconds above 0/],
      ["idleTimeoutMs", -1, RangeError, /option idleTimeoutMs is -1: expected milliseconds above 0/],
      ["removedStreamGraceMs", "1s", TypeError, /option removedStreamGraceMs is "1s": expected milliseconds/],
      ["backoff", 1_000, TypeError, /option backoff is 1000: expected an object/],
      ["backoff", { initialMs: "1s" }, TypeError, /option backoff\.initialMs is "1s": expected milliseconds/],
      ["backoff", { maxMs: 0 }, RangeError, /option backoff\.maxMs is 0/],
      ["backoff", { factor: 0.5 }, RangeError, /option backoff\.factor is 0\.5: expected a number from 1/],
      ["backoff", { jitter: 2 }, RangeError, /option backoff\.jitter is 2: expected a number from 0 to 1, or "full"/],
      ["retry", true, TypeError, /option retry is true: expected an object or false/],
      ["retry", { maxAttempts: 1.5 }, RangeError, /option retry\.maxAttempts is 1\.5/],
      [
        "retry",
        { codes: ["unavailable"] },
        TypeError,
        /option retry\.codes is an array: expected an array of Connect codes/,
      ],
      [
        "retry",
        { methods: "proto.Simple" },
        TypeError,
        /option retry\.methods is "proto\.Simple": expected an array of names/,
      ],
      ["retry", { initialBackoffMs: -1 }, RangeError, /option retry\.initialBackoffMs is -1/],
      [
        "retry",
        { backoffMultiplier: "2" },
        TypeError,
        /option retry\.backoffMultiplier is "2": expected a number from 1/,
      ],
      ["retry", { budget: 10 }, TypeError, /option retry\.budget is 10: expected an object/],
      ["retry", { budget: { maxTokens: 0 } }, RangeError, /option retry\.budget\.maxTokens is 0/],
    ] as const
  ) {
    it(`refuses ${name}: ${typeof value === "object" ? JSON.stringify(value) : String(value)}`, () => {
      assert.throws(
        () => createBalancedTransport({ ...good, [name]: value } as unknown as BalancedTransportOptions),
        (thrown) => thrown instanceof error && why.test(thrown.message),
      );
    });
  }

  it("takes some fields of the backoff, and the defaults for the rest", async () => {
    const { transport, clock, links } = balanced({
      resolver: staticResolver(["a:1"]),
      links: { auto: false },
      backoff: { maxMs: 1_200, jitter: 0 },
    });
    transport.connect({ timeoutMs: 60_000 }).catch(() => {});
    await clock.advance(0);
    for (const delayMs of [1_000, 1_200, 1_200]) {
      const { opened } = links.get("a:1")!;
      links.get("a:1")!.refuse();
      await clock.advance(delayMs - 1);
      assert.equal(links.get("a:1")!.opened, opened);
      await clock.advance(21);
      assert.equal(links.get("a:1")!.opened, opened + 1);
    }
    await transport.close();
  });

  it("rejects connect() with what is wrong about its options", async () => {
    const { transport } = balanced();
    const connect = (options: unknown) => transport.connect(options as ConnectOptions);
    await assert.rejects(connect(null), /connect\(\) takes an options object, not null/);
    await assert.rejects(connect({ timeoutMs: "5s" }), /option timeoutMs is "5s": expected milliseconds/);
    await assert.rejects(connect({ timeoutMs: 0 }), RangeError);
    await assert.rejects(connect({ signal: {} }), /option signal is \{\}: expected an AbortSignal/);
  });

  it("rejects close() with what is wrong about its grace, and closes nothing then", async () => {
    const { transport, client, ready } = balanced();
    await ready();
    await assert.rejects(
      transport.close("1s" as unknown as number),
      /close\(\) takes a number of milliseconds, not 1s/,
    );
    await assert.rejects(transport.close(-1), RangeError);
    assert.equal((await client.route({ data: "x" })).code, 200);
    await transport.close();
  });
});

describe("balance()", () => {
  it("refuses settings of the wrong type", () => {
    const make = (settings: unknown, options?: unknown) => () => balance(settings as BalanceSettings, options as never);
    assert.throws(make(undefined), /balance\(\) takes an options object, not undefined/);
    assert.throws(make(null), TypeError);
    assert.throws(make({ waitForReady: 1 }), /option waitForReady is 1: expected true or false/);
    assert.throws(make({ hashKey: 1 }), /option hashKey is 1: expected a string/);
    assert.throws(make({ onAttempt: "log" }), /option onAttempt is "log": expected a function/);
    assert.throws(make({}, null), /balance\(\) takes Connect's call options, not null/);
    assert.throws(
      make({}, { contextValues: {} }),
      /^TypeError: balance\(\) takes Connect's call options with contextValues, not \{\}$/,
    );
  });

  it("makes context values that can be changed, as the caller's are", () => {
    const key = createContextKey("none");
    const inner = createContextValues();
    const contextValues = balance({ waitForReady: true }, { contextValues: inner }).contextValues!;
    assert.equal(contextValues.set(key, "mine"), contextValues);
    assert.deepEqual([contextValues.get(key), inner.get(key)], ["mine", "mine"]);
    assert.equal(contextValues.delete(key), contextValues);
    assert.deepEqual([contextValues.get(key), inner.get(key)], ["none", "none"]);
    assert.deepEqual(contextValues.get(balanceKey), { waitForReady: true });
  });

  it("keeps options, context values and earlier settings, and does not change them", () => {
    const key = createContextKey("none");
    const contextValues = createContextValues().set(key, "mine");
    const onAttempt = () => {};
    const first = balance({ onAttempt, waitForReady: true }, { timeoutMs: 5, contextValues });
    const second = balance({ waitForReady: false }, first);
    assert.equal(second.timeoutMs, 5);
    assert.equal(second.contextValues!.get(key), "mine");
    assert.deepEqual(second.contextValues!.get(balanceKey), { onAttempt, waitForReady: false });
    assert.deepEqual(first.contextValues!.get(balanceKey), { onAttempt, waitForReady: true });
    assert.equal(contextValues.get(balanceKey), undefined);
  });

  it("keeps what was said before where nothing is said, and takes getters for what they say", () => {
    class Patient {
      get waitForReady() {
        return true;
      }
    }
    const first = balance({ waitForReady: true });
    const second = balance({ waitForReady: undefined } as never, first);
    assert.equal(second.contextValues!.get(balanceKey)!.waitForReady, true);
    const third = balance(new Patient(), balance({ waitForReady: false }));
    assert.equal(third.contextValues!.get(balanceKey)!.waitForReady, true);
  });

  it("reaches the call through interceptors too", async () => {
    const { client, clock, links, transport } = balanced({
      interceptors: [(next) => (request) => next(request)],
      resolver: staticResolver(["a:1"]),
      links: { auto: false },
    });
    const call = client.route({ data: "x" }, balance({ waitForReady: true }));
    await clock.advance(40);
    links.get("a:1")!.refuse();
    await clock.advance(1_500);
    links.get("a:1")!.ready();
    await clock.advance(40);
    assert.equal((await call).value, "a:1: hello x");
    await transport.close();
  });
});
