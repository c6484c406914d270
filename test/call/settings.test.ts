import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createRouterTransport, type Interceptor, type Transport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { AdaptiveHedging, hedging as hedgingBy } from "../../src/call/adaptive-hedging.ts";
import { FixedCallHedging, fixedHedging } from "../../src/call/fixed-hedging.ts";
import { balance } from "../../src/call/options.ts";
import { RetryThrottle } from "../../src/call/retry-throttle.ts";
import { Settings, type SettingsOptions } from "../../src/call/settings.ts";
import { rawMethod } from "../../src/raw-method.ts";
import type { Resolution } from "../../src/resolver/resolver.ts";
import type { MethodConfig, ServiceConfig } from "../../src/resolver/service-config.ts";
import type { BalancedTransportOptions } from "../../src/transport/options.ts";
import { type Balanced, balanced, failureOf } from "../support/balanced.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { manualResolver } from "../support/manual-resolver.ts";
import { pulled } from "../support/pulled.ts";
import { simpleRoutes } from "../support/simple.ts";

const endpoints = [{ address: "a:1" }, { address: "b:1" }, { address: "c:1" }];
const unavailable = () => new ConnectError("try later", Code.Unavailable);

/** A balanced transport with a resolver that yields configs, and what its links see of calls. */
interface Configured extends Balanced {
  /** The timeout of each attempt, with its method's name. */
  readonly seen: (readonly [string, number | undefined])[];
  /** How many more attempts are answered with Unavailable. */
  failures: number;
  /** Attempts last as long as this. */
  held: Promise<void> | undefined;
  /** The resolver yields the same endpoints with another config. */
  configure(config: ServiceConfig | undefined): Promise<void>;
  tell(resolution: Resolution): Promise<void>;
  /** The resolver throws. */
  fail(error: Error): Promise<void>;
}

function configured(options: Partial<BalancedTransportOptions> = {}): Configured {
  const resolver = manualResolver();
  const inner = createRouterTransport(simpleRoutes({ name: "a" }));
  const seen: Configured["seen"] = [];
  const attempt = async (name: string, timeoutMs: number | undefined) => {
    seen.push([name, timeoutMs]);
    await test.held;
    if (test.failures > 0) {
      test.failures--;
      throw unavailable();
    }
  };
  const link: Transport = {
    async unary(method, signal, timeoutMs, header, input, contextValues) {
      await attempt(method.name, timeoutMs);
      return await inner.unary(method, signal, timeoutMs, header, input, contextValues);
    },
    async stream(method, signal, timeoutMs, header, input, contextValues) {
      await attempt(method.name, timeoutMs);
      return await inner.stream(method, signal, timeoutMs, header, input, contextValues);
    },
  };
  const rest = balanced({ resolver, links: { transport: () => link }, ...options });
  const tell = async (resolution: Resolution) => {
    resolver.tell(resolution);
    await rest.clock.advance(50);
  };
  const fail = async (error: Error) => {
    resolver.fail(error);
    await rest.clock.advance(50);
  };
  const test: Configured = {
    ...rest,
    seen,
    failures: 0,
    held: undefined,
    tell,
    fail,
    configure: (config) => tell({ endpoints, config }),
  };
  rest.transport.connect({ timeoutMs: 1 }).catch(() => {});
  return test;
}

/** Makes attempts until the call is over, whatever becomes of it; returns how many there were. */
async function attemptsOf(test: Configured, failures: number, call: () => Promise<unknown>): Promise<number> {
  const before = test.seen.length;
  test.failures = failures;
  const over = failureOf(call());
  await test.clock.advance(1_500);
  await over;
  test.failures = 0;
  return test.seen.length - before;
}

const read = async (messages: AsyncIterable<unknown>) => {
  for await (const _ of messages);
};

describe("settings per method", () => {
  it("are those of the method, else of its service, else of all others, each as a whole", async () => {
    const test = configured({ defaultTimeoutMs: 4_000 });
    await test.configure({
      methods: {
        "*": { timeoutMs: 3_000 },
        "proto.Simple": { timeoutMs: 2_000 },
        "proto.Simple/Route": { timeoutMs: 1_000 },
        "proto.Simple/RouteClientStream": { waitForReady: true },
      },
    });
    await test.client.route({});
    await read(test.client.routeServerStream({}));
    await test.client.routeClientStream((async function* () {})());
    const other = rawMethod("/proto.Other/Route", "unary");
    await failureOf(test.transport.unary(other, undefined, undefined, undefined, {}));
    assert.deepEqual(test.seen, [
      ["Route", 1_000],
      ["RouteServerStream", 2_000],
      ["RouteClientStream", 4_000],
      ["Route", 3_000],
    ]);
    await test.transport.close();
  });

  it("bound a call's own timeout, and replace the transport's default", async () => {
    const test = configured({ defaultTimeoutMs: 50 });
    await test.configure({ methods: { "proto.Simple/Route": { timeoutMs: 1_000 } } });
    await test.client.route({});
    for (const timeoutMs of [500, 5_000, 0.5]) await test.client.route({}, { timeoutMs });
    await read(test.client.routeServerStream({}, { timeoutMs: 5_000 }));
    await read(test.client.routeServerStream({}));
    assert.deepEqual(test.seen.map(([, timeoutMs]) => timeoutMs), [1_000, 500, 1_000, 1, 5_000, 50]);
    await test.transport.close();
  });

  it("reach calls with interceptors, too", async () => {
    const through: Interceptor = (next) => async (request) => await next(request);
    const test = configured({ interceptors: [through] });
    await test.configure({ methods: { "proto.Simple": { timeoutMs: 700 } } });
    await test.client.route({}, { timeoutMs: 5_000 });
    await read(test.client.routeServerStream({}));
    assert.deepEqual(test.seen.map(([, timeoutMs]) => timeoutMs), [700, 700]);
    await test.transport.close();
  });

  it("apply to calls of a pull transport from the first one on", async () => {
    const seen: (number | undefined)[] = [];
    const inner = createRouterTransport(simpleRoutes({ name: "a" }));
    const link: Transport = {
      ...inner,
      unary(method, signal, timeoutMs, ...rest) {
        seen.push(timeoutMs);
        return inner.unary(method, signal, timeoutMs, ...rest);
      },
    };
    const config: ServiceConfig = { methods: { "proto.Simple/Route": { timeoutMs: 700 } } };
    const { client, request } = pulled({
      defaultTimeoutMs: 50,
      links: { transport: () => link },
      resolver: { target: "simple", list: () => Promise.resolve({ endpoints, config }) },
    });
    await client.route({});
    await client.route({}, { timeoutMs: 900 });
    await request().client.route({});
    assert.deepEqual(seen, [700, 700, 700]);
  });

  it("leave a call its own timeout where they set none", async () => {
    const test = configured();
    await test.configure({ methods: { "proto.Simple": { waitForReady: true } } });
    await test.client.route({}, { timeoutMs: 900 });
    assert.deepEqual(test.seen, [["Route", 900]]);
    await test.transport.close();
  });

  it("do not hide that a call's own timeout is invalid, or over", async () => {
    const test = configured();
    await test.configure({ methods: { "*": { timeoutMs: 1_000 } } });
    for (
      const [timeoutMs, why] of [[Number.NaN, /invalid_argument/], ["5000", /invalid_argument/], [
        0,
        /deadline/,
      ]] as const
    ) {
      const call = test.transport.unary(Simple.method.route, undefined, timeoutMs as number, undefined, {});
      assert.match(String(await failureOf(call)), why);
    }
    assert.deepEqual(test.seen, []);
    await test.transport.close();
  });

  it("say which methods wait for readiness, and a call's own setting overrides that", async () => {
    const test = configured();
    const config: ServiceConfig = {
      methods: { "proto.Simple": { waitForReady: false }, "proto.Simple/Route": { waitForReady: true } },
    };
    await test.tell({ endpoints: [], config });
    const waiting = test.client.route({ data: "x" });
    const failing = /simple_grpc has no endpoints/;
    assert.match(String(await failureOf(read(test.client.routeServerStream({})))), failing);
    assert.match(String(await failureOf(test.client.route({}, balance({ waitForReady: false })))), failing);
    const patient = read(test.client.routeServerStream({}, balance({ waitForReady: true })));
    assert.equal(test.transport.snapshot().waiting, 2);
    await test.configure(config);
    assert.equal((await waiting).value, "a: hello x");
    await patient;
    await test.transport.close();
  });

  it("leave what they do not mention to the transport's options", async () => {
    const test = configured({ waitForReady: true, defaultTimeoutMs: 5_000, retry: { maxAttempts: 2 } });
    const config: ServiceConfig = { methods: { "*": {} } };
    await test.tell({ endpoints: [], config });
    const waiting = test.client.route({ data: "x" });
    await test.configure(config);
    assert.equal((await waiting).value, "a: hello x");
    assert.equal(await attemptsOf(test, 9, () => test.client.route({})), 2);
    assert.deepEqual(test.seen[1], ["Route", 5_000]);
    await test.transport.close();
  });

  it("say which methods are retried, whether or not the schema marks them as idempotent", async () => {
    const test = configured({ retry: { maxAttempts: 3 } });
    const serverStream = () => read(test.client.routeServerStream({}));
    await test.configure({ methods: { "proto.Simple/RouteServerStream": { retry: { maxAttempts: 2 } } } });
    assert.equal(await attemptsOf(test, 9, serverStream), 2);
    assert.equal(await attemptsOf(test, 9, () => test.client.route({})), 3);
    await test.configure({
      methods: { "proto.Simple/Route": { retry: false }, "proto.Simple": { retry: { codes: [Code.Aborted] } } },
    });
    assert.equal(await attemptsOf(test, 9, () => test.client.route({})), 1);
    assert.equal(await attemptsOf(test, 9, serverStream), 1);
    await test.transport.close();
  });

  it("retry nothing in a transport that never retries", async () => {
    const test = configured({ retry: false });
    await test.configure({ methods: { "*": { retry: {} } }, retryBudget: { maxTokens: 100 } });
    assert.equal(await attemptsOf(test, 9, () => test.client.route({})), 1);
    await test.transport.close();
  });

  it("share one retry budget among all methods", async () => {
    const test = configured();
    await test.configure({
      methods: { "*": { retry: { maxAttempts: 9 } } },
      retryBudget: { maxTokens: 8, tokenRatio: 1 },
    });
    const serverStream = () => read(test.client.routeServerStream({}));
    // From 8 tokens to 4: the 4th failure is not followed by another attempt.
    assert.equal(await attemptsOf(test, 9, () => test.client.route({})), 4);
    assert.equal(await attemptsOf(test, 1, serverStream), 1);
    for (let i = 0; i < 3; i++) await test.client.route({});
    assert.equal(await attemptsOf(test, 1, serverStream), 2);
    await test.transport.close();
  });

  it("keep what is left of the budget when the config changes, and when it goes", async () => {
    const test = configured({ retry: { budget: { maxTokens: 4 } } });
    const methods = { "*": { retry: { maxAttempts: 2 } } };
    const retried = async () => await attemptsOf(test, 1, () => test.client.route({})) === 2;
    await test.configure({ methods, retryBudget: { maxTokens: 4 } });
    assert.equal(await retried(), true);
    // 3.1 of 4 are left.
    await test.configure({ methods, retryBudget: { maxTokens: 40 } });
    const retries: boolean[] = [];
    for (let i = 0; i < 13; i++) retries.push(await retried());
    assert.equal(retries.lastIndexOf(true), 11);
    // About half of 4 are left.
    await test.configure(undefined);
    for (let i = 0; i < 18; i++) await test.client.route({});
    assert.equal(await retried(), true);
    assert.equal(await retried(), false);
    await test.transport.close();
  });

  it("are those with which a call began", async () => {
    const test = configured();
    await test.configure({ methods: { "*": { retry: { maxAttempts: 2, initialBackoffMs: 100 } } } });
    let release = () => {};
    test.held = new Promise((resolve) => release = resolve);
    test.failures = 1;
    const running = test.client.route({ data: "x" });
    await test.configure({ methods: { "*": { timeoutMs: 10, retry: false } } });
    release();
    await test.clock.advance(1_000);
    assert.equal((await running).value, "a: hello x");
    await test.client.route({});
    assert.deepEqual(test.seen, [["Route", undefined], ["Route", undefined], ["Route", 10]]);
    await test.transport.close();
  });

  it("are those with which a call began although it still waits for a connection", async () => {
    const test = configured();
    await test.tell({ endpoints: [], config: { methods: { "*": { waitForReady: true } } } });
    const waiting = test.client.route({});
    await test.configure({ methods: { "*": { timeoutMs: 10 } } });
    await waiting;
    assert.deepEqual(test.seen, [["Route", undefined]]);
    await test.transport.close();
  });

  it("are as in the transport's options again when the config is gone", async () => {
    const test = configured({ defaultTimeoutMs: 50 });
    await test.configure({ methods: { "*": { timeoutMs: 1_000 } } });
    await test.client.route({});
    await test.configure(undefined);
    await test.client.route({});
    assert.deepEqual(test.seen.map(([, timeoutMs]) => timeoutMs), [1_000, 50]);
    await test.transport.close();
  });

  it("are those of the default config until the resolver yields one, which replaces it as a whole", async () => {
    const test = configured({
      defaultServiceConfig: {
        methods: { "*": { timeoutMs: 100 }, "proto.Simple/RouteServerStream": { timeoutMs: 200 } },
      },
    });
    const both = async () => {
      await test.client.route({});
      await read(test.client.routeServerStream({}));
      return test.seen.splice(0).map(([, timeoutMs]) => timeoutMs);
    };
    await test.configure(undefined);
    assert.deepEqual(await both(), [100, 200]);
    await test.configure({ methods: { "proto.Simple/Route": { timeoutMs: 300 } } });
    assert.deepEqual(await both(), [300, undefined]);
    await test.configure({});
    assert.deepEqual(await both(), [undefined, undefined]);
    await test.configure(undefined);
    assert.deepEqual(await both(), [100, 200]);
    await test.transport.close();
  });

  it("stay when the resolver yields an invalid config, which is reported once", async () => {
    const test = configured();
    await test.configure({ methods: { "*": { timeoutMs: 100 } } });
    const bad = { methods: { "*": { timeoutMs: 5_000 }, "proto.Simple": { timeoutMs: -1 } } };
    await test.tell({ endpoints: [{ address: "d:1" }], config: bad });
    await test.tell({ endpoints, config: bad });
    await test.client.route({});
    assert.deepEqual(test.seen, [["Route", 100]]);
    assert.deepEqual(
      test.events.flatMap((event) =>
        event.type === "config-skipped" ? [`${event.target}: ${event.cause.message}`] : []
      ),
      ['simple_grpc: option config.methods["proto.Simple"].timeoutMs is -1: expected milliseconds above 0'],
    );
    assert.deepEqual([...test.links.keys()], ["a:1", "b:1", "c:1", "d:1"]);
    await test.configure({ methods: { "*": { timeoutMs: 200 } } });
    await test.client.route({});
    assert.equal(test.seen.at(-1)![1], 200);
    await test.transport.close();
  });

  it("stay while the resolver fails, and after a time without calls", async () => {
    const test = configured({ idleTimeoutMs: 10_000 });
    await test.tell({
      endpoints,
      config: { methods: { "*": { timeoutMs: 100 } } },
      stale: { sinceMs: 0, cause: new Error("away") },
    });
    await test.client.route({});
    await test.fail(new Error("gone"));
    await test.client.route({});
    await test.clock.advance(20_000);
    assert.equal(test.transport.snapshot().endpoints, undefined);
    const call = test.client.route({});
    await test.configure({ methods: { "*": { timeoutMs: "1s" as never } } });
    await call;
    await test.clock.advance(20_000);
    const another = test.client.route({});
    await test.configure({ methods: { "*": { timeoutMs: 200 } } });
    await another;
    assert.deepEqual(test.seen.map(([, timeoutMs]) => timeoutMs), [100, 100, 100, 200]);
    await test.transport.close();
  });
});

describe("a call that begins before the config is known", () => {
  it("has the time that the config gives it, from its beginning", async () => {
    const test = configured({ defaultTimeoutMs: 10_000 });
    const calls = [{}, { timeoutMs: 5_000 }, { timeoutMs: 500 }].map((options) =>
      failureOf(test.client.route({}, options))
    );
    const stream = failureOf(read(test.client.routeServerStream({})));
    await test.clock.advance(300);
    await test.configure({ methods: { "proto.Simple/Route": { timeoutMs: 1_000 } } });
    await Promise.all([...calls, stream]);
    assert.deepEqual(test.seen.toSorted(), [
      ["Route", 200],
      ["Route", 700],
      ["Route", 700],
      ["RouteServerStream", 9_700],
    ]);
    await test.transport.close();
  });

  it("may have more time than the transport's default, or no limit left but the wait's", async () => {
    const test = configured({ defaultTimeoutMs: 400, links: { auto: false } } as Partial<BalancedTransportOptions>);
    const call = failureOf(test.client.route({}));
    await test.clock.advance(300);
    await test.configure({ methods: { "proto.Simple": { timeoutMs: 60_000 } } });
    await test.clock.advance(300);
    assert.equal(test.transport.snapshot().waiting, 1);
    // Its wait began with it: 10 s, and not 10 s from the config on.
    await test.clock.advance(9_349);
    assert.equal(test.transport.snapshot().waiting, 1);
    await test.clock.advance(1);
    assert.match(String(await call), /unavailable.*no connection within 10000 ms/);
    await test.transport.close();
  });

  it("has the time that the default config gives it, while there is no other", async () => {
    const test = configured({ defaultServiceConfig: { methods: { "*": { timeoutMs: 100 } } } });
    const call = failureOf(test.client.route({}));
    await test.clock.advance(100);
    assert.match(String(await call), /deadline_exceeded.*not known yet/);
    await test.transport.close();
  });

  it("fails at once if its time is over by then", async () => {
    const test = configured();
    const call = failureOf(test.client.route({}));
    await test.clock.advance(300);
    await test.configure({ methods: { "*": { timeoutMs: 200 } } });
    assert.match(String(await call), /deadline_exceeded/);
    assert.deepEqual(test.seen, []);
    await test.transport.close();
  });

  it("waits for readiness, or fails fast, as the config says", async () => {
    const test = configured({ waitForReady: true });
    const impatient = failureOf(test.client.route({}));
    const patient = read(test.client.routeServerStream({}));
    await settled();
    const config: ServiceConfig = { methods: { "proto.Simple/Route": { waitForReady: false } } };
    await test.tell({ endpoints: [], config });
    assert.match(String(await impatient), /has no endpoints/);
    await test.configure(config);
    await patient;
    await test.transport.close();
  });
});

describe("Settings", () => {
  it("are looked up once per method and config", () => {
    const settings = new Settings({ clock: new ManualClock(), random: () => 0 });
    const { routeServerStream } = Simple.method;
    const reads: string[] = [];
    const route: typeof Simple.method.route = {
      ...Simple.method.route,
      get name() {
        reads.push("name");
        return "Route";
      },
    };
    const counted = {
      get timeoutMs() {
        reads.push("timeoutMs");
        return 100;
      },
    };
    const config = { methods: { "proto.Simple": counted } };
    const first = settings.of(route, config);
    assert.equal(settings.of(route, config), first);
    assert.equal(settings.of(routeServerStream, config), first);
    assert.deepEqual(reads, ["timeoutMs", "name"]);
    assert.equal(settings.of(route, undefined), settings.of(routeServerStream, undefined));
    assert.notEqual(settings.of(route, { ...config }), first);
  });

  it("bound a call's own timeout only where the config has one", () => {
    const settings = new Settings({ clock: new ManualClock(), random: () => 0, defaultTimeoutMs: 5 });
    const config = { methods: { "proto.Simple": { waitForReady: true }, "proto.Simple/Route": { timeoutMs: 7 } } };
    const { route, routeServerStream } = Simple.method;
    assert.deepEqual([settings.of(route, config).timeoutMs, settings.of(route, config).maxTimeoutMs], [7, 7]);
    const open = settings.of(routeServerStream, config);
    assert.deepEqual([open.timeoutMs, open.maxTimeoutMs], [5, Infinity]);
  });

  it("hedge as the config says, else as the transport's options do, and not beyond those in one that never retries", () => {
    const kind = (options: Partial<SettingsOptions>, given: MethodConfig) => {
      const settings = new Settings({ clock: new ManualClock(), random: () => 0, ...options });
      const { hedging, retry } = settings.of(Simple.method.route, { methods: { "proto.Simple": given } });
      return [hedging?.constructor, retry !== undefined, settings.throttle !== undefined];
    };
    const fixed = { hedging: fixedHedging({ maxAttempts: 2 }) };
    assert.deepEqual(kind({}, {}), [undefined, true, true]);
    assert.deepEqual(kind({}, fixed), [FixedCallHedging, true, true]);
    assert.deepEqual(kind({ hedge: hedgingBy() }, {}), [AdaptiveHedging, true, true]);
    assert.deepEqual(kind({ hedge: hedgingBy() }, { hedging: false, retry: false }), [undefined, false, true]);
    assert.deepEqual(kind({ hedge: hedgingBy() }, fixed), [FixedCallHedging, true, true]);
    assert.deepEqual(kind({ retry: false }, fixed), [undefined, false, false]);
    assert.deepEqual(kind({ retry: false, hedge: hedgingBy() }, fixed), [AdaptiveHedging, false, true]);
    assert.deepEqual(kind({ retry: false, hedge: hedgingBy() }, { hedging: false }), [undefined, false, true]);
  });

  it("say where a timeout comes from", () => {
    const { route } = Simple.method;
    const own = { methods: { "*": { timeoutMs: 7 } } }, other = { methods: { "*": { timeoutMs: 8 } } };
    const sources = (options: Partial<SettingsOptions>) => {
      const settings = new Settings({ clock: new ManualClock(), random: () => 0, ...options });
      return [undefined, {}, { methods: { "*": {} } }, other].map((config) => settings.of(route, config).timeoutFrom);
    };
    assert.deepEqual(sources({}), [undefined, undefined, undefined, "the service config"]);
    const byOption = Array.from({ length: 3 }, () => "defaultTimeoutMs");
    assert.deepEqual(sources({ defaultTimeoutMs: 5 }), [...byOption, "the service config"]);
    const byDefault = ["defaultServiceConfig", undefined, undefined, "the service config"];
    assert.deepEqual(sources({ defaultServiceConfig: own }), byDefault);
  });

  it("let an untrusted config forbid retries and hedges, but allow them only for methods that may be processed twice", () => {
    const { route, routeServerStream } = Simple.method;
    const retried = (retry: MethodConfig["retry"]) => {
      const settings = new Settings({ clock: new ManualClock(), random: () => 0 });
      const usual = settings.of(route, undefined).retry;
      const config: ServiceConfig = { methods: { "*": retry === undefined ? {} : { retry } }, untrusted: true };
      return [route, routeServerStream].map((method) => {
        const { retry } = settings.of(method, config);
        return retry === undefined ? "never" : retry === usual ? "usual" : "own";
      });
    };
    assert.deepEqual(retried(undefined), ["usual", "usual"]);
    assert.deepEqual(retried(false), ["never", "never"]);
    assert.deepEqual(retried({ maxAttempts: 2, codes: [Code.Unavailable] }), ["own", "usual"]);
    const settings = new Settings({ clock: new ManualClock(), random: () => 0, hedge: hedgingBy() });
    for (const method of [route, routeServerStream]) {
      const hedgingOf = (given: MethodConfig) =>
        settings.of(method, { methods: { "*": given }, untrusted: true }).hedging;
      assert.ok(hedgingOf({}) instanceof AdaptiveHedging);
      assert.equal(hedgingOf({ hedging: false }), undefined);
    }
  });

  it("know methods that are named like members of an object from those that are configured", () => {
    const settings = new Settings({ clock: new ManualClock(), random: () => 0, defaultTimeoutMs: 5 });
    const config = { methods: { "proto.Simple": { timeoutMs: 7 } } };
    for (const path of ["/constructor/toString", "/__proto__/Route"]) {
      assert.equal(settings.of(rawMethod(path, "unary"), config).timeoutMs, 5);
    }
  });
});

describe("RetryThrottle", () => {
  it("allows retries while more than half of its tokens are left", () => {
    const throttle = new RetryThrottle({ maxTokens: 4, tokenRatio: 0.5 });
    throttle.failed();
    assert.equal(throttle.allows, true);
    throttle.failed();
    assert.equal(throttle.allows, false);
    throttle.succeeded();
    assert.equal(throttle.allows, true);
  });

  it("keeps the share of its tokens when its capacity changes", () => {
    const throttle = new RetryThrottle({ maxTokens: 4 });
    throttle.failed();
    throttle.configure({ maxTokens: 100 });
    for (let i = 0; i < 24; i++) throttle.failed();
    assert.equal(throttle.allows, true);
    throttle.failed();
    assert.equal(throttle.allows, false);
  });
});
