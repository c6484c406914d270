import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { leastRequest } from "../../src/policy/least-request.ts";
import { pickFirst } from "../../src/policy/pick-first.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import type { ServiceConfigSource, ServiceConfigText } from "../../src/resolver/config-source.ts";
import { markHopeless } from "../../src/resolver/hopeless.ts";
import type { Resolution, Resolver } from "../../src/resolver/resolver.ts";
import { withServiceConfig, type WithServiceConfigOptions } from "../../src/service-config/with-service-config.ts";
import { balanced, failureOf } from "../support/balanced.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { manualResolver } from "../support/manual-resolver.ts";

/** A source that a test feeds. */
function manualSource() {
  let wake = () => {};
  const told: { readonly text: ServiceConfigText }[] = [];
  const state = { watches: 0, signals: [] as AbortSignal[], end: false, fail: undefined as unknown };
  const source: ServiceConfigSource = {
    async *watch(signal) {
      state.watches++;
      state.signals.push(signal);
      signal.addEventListener("abort", () => wake());
      while (!signal.aborted) {
        const next = told.shift();
        if (next !== undefined) yield next.text;
        else if (state.fail !== undefined) throw state.fail;
        else if (state.end) return;
        else await new Promise<void>((resolve) => wake = resolve);
      }
    },
  };
  return {
    source,
    state,
    tell(text: ServiceConfigText) {
      told.push({ text });
      wake();
    },
    change(change: Partial<typeof state>) {
      Object.assign(state, change);
      wake();
    },
  };
}

/** A decorated resolver that is read, and what it yielded. */
function setUp(options: WithServiceConfigOptions = {}) {
  const clock = new ManualClock(), endpoints = manualResolver(), config = manualSource();
  const resolver = withServiceConfig(endpoints, config.source, { clock, ...options });
  const stop = new AbortController(), seen: Resolution[] = [];
  const end: { error?: unknown; over: boolean } = { over: false };
  void (async () => {
    try {
      for await (const resolution of resolver.resolve(stop.signal)) seen.push(resolution);
    } catch (error) {
      end.error = error;
    }
    end.over = true;
  })();
  return { clock, endpoints, config, resolver, stop, seen, end };
}

const A = [{ address: "a:1" }], B = [{ address: "b:1" }];
const timeout = (seconds: string) => JSON.stringify({ methodConfig: [{ name: [{}], timeout: seconds }] });

describe("a resolver with a service config", () => {
  it("yields endpoints and config together, and again when either changes", async () => {
    const { clock, config, endpoints, seen, stop } = setUp();
    endpoints.tell({ endpoints: A });
    await settled();
    assert.deepEqual(seen, [], "endpoints wait for the config");
    config.tell(timeout("1s"));
    await settled();
    assert.deepEqual(seen, [{ endpoints: A, config: { methods: { "*": { timeoutMs: 1_000 } }, untrusted: true } }]);
    await clock.advance(20);
    config.tell(timeout("2s"));
    await settled();
    assert.deepEqual(seen.at(-1), {
      endpoints: A,
      config: { methods: { "*": { timeoutMs: 2_000 } }, untrusted: true },
    });
    endpoints.tell({ endpoints: B });
    await settled();
    assert.equal(seen.length, 3);
    const [, second, third] = seen as Resolution[];
    assert.equal(third!.endpoints, B);
    assert.equal(third!.config, second!.config, "the same object while it says the same");
    await clock.advance(20);
    config.tell(undefined);
    await settled();
    assert.deepEqual(seen.at(-1), { endpoints: B });
    stop.abort();
    await settled();
    assert.deepEqual(clock.pending, []);
  });

  it("has the target of the resolver, and what kind of name that is", () => {
    const { source } = manualSource(), resolve = () => manualResolver().resolve(new AbortController().signal);
    const { target, scheme } = withServiceConfig({ target: "simple", scheme: "etcd", resolve }, source);
    assert.deepEqual([target, scheme], ["simple", "etcd"]);
  });

  it("waits for the first config for a second at most", async () => {
    const { clock, config, endpoints, seen, stop } = setUp();
    endpoints.tell({ endpoints: A });
    await clock.advance(999);
    assert.deepEqual(seen, []);
    await clock.advance(1);
    assert.deepEqual(seen, [{ endpoints: A }]);
    config.tell(timeout("1s"));
    await settled();
    assert.equal(seen.length, 2);
    stop.abort();
  });

  it("yields nothing before there are endpoints, also when the config is there first", async () => {
    const { clock, config, endpoints, seen, stop } = setUp();
    config.tell(timeout("1s"));
    await clock.advance(5_000);
    assert.deepEqual(seen, []);
    endpoints.tell({ endpoints: A });
    await settled();
    assert.equal(seen.length, 1);
    stop.abort();
  });

  it("reads a resolver that changes all the time no faster than every 20 ms, and gives up its signal", async () => {
    const clock = new ManualClock(), config = manualSource(), stop = new AbortController();
    let reads = 0, listeners = 0;
    const next = async () => {
      reads++;
      return await Promise.resolve({ done: false, value: { endpoints: A } });
    };
    const resolve = () => ({ [Symbol.asyncIterator]: () => ({ next }) });
    const resolver = withServiceConfig({ resolve } as Resolver, config.source, { clock });
    const { signal } = stop;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners++;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners--;
      removeEventListener.apply(signal, args);
    };
    config.tell("{}");
    const resolutions = resolver.resolve(signal)[Symbol.asyncIterator]();
    await resolutions.next();
    await clock.advance(19);
    assert.equal(reads, 1);
    await clock.advance(1);
    assert.equal(reads, 2);
    await resolutions.return!();
    assert.equal(listeners, 0);
    await settled();
    assert.deepEqual(clock.pending, []);
  });

  it("waits no longer when there is no config", async () => {
    const { config, endpoints, seen, stop } = setUp();
    endpoints.tell({ endpoints: A });
    config.tell(undefined);
    await settled();
    assert.deepEqual(seen, [{ endpoints: A }]);
    stop.abort();
  });

  it("leaves the resolver's own config in place while it has none itself", async () => {
    const { clock, config, endpoints, seen, stop } = setUp();
    const own = { methods: {} };
    endpoints.tell({ endpoints: A, config: own } as Resolution);
    config.tell(undefined);
    await settled();
    assert.equal(seen[0]!.config, own);
    await clock.advance(20);
    config.tell("{}");
    await settled();
    assert.deepEqual(seen.at(-1)!.config, { untrusted: true });
    stop.abort();
  });

  it("reads configs as untrusted, and chooses among the given policies only", async () => {
    const policies = { round_robin: roundRobin(), mine: leastRequest() };
    const { clock, config, endpoints, seen, stop } = setUp({ policies });
    endpoints.tell({ endpoints: A });
    const configs = [
      ["{}", undefined],
      [JSON.stringify({ loadBalancingConfig: [{ other: {} }, { mine: {} }] }), policies.mine],
      [JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }), policies.round_robin],
    ] as const;
    for (const [text, policy] of configs) {
      config.tell(text);
      await clock.advance(20);
      const { config: given } = seen.at(-1)!;
      assert.ok(given !== undefined && !(given instanceof Error));
      assert.equal(given.untrusted, true);
      assert.equal(given.policy, policy);
      assert.equal("policy" in given, policy !== undefined);
    }
    for (
      const [text, message] of [
        ["nonsense", /JSON/],
        [JSON.stringify({ loadBalancingConfig: [{ pick_first: {} }] }), /no supported policy \(pick_first\)/],
        [`"${"x".repeat(65_536)}"`, /longer than 65536 bytes/],
        [new Error("not UTF-8"), /not UTF-8/],
      ] as const
    ) {
      config.tell(text);
      await clock.advance(20);
      assert.match(String(seen.at(-1)!.config), message);
      const before = seen.at(-1)!.config;
      config.tell(text);
      await clock.advance(20);
      assert.equal(seen.at(-1)!.config, before, "an invalid one is the same as long as the text is");
    }
    stop.abort();
  });

  it("begins again with the source when that throws or ends, with backoff, and says so once", async () => {
    const { clock, config, endpoints, seen, stop } = setUp();
    endpoints.tell({ endpoints: A });
    config.tell(timeout("1s"));
    await clock.advance(20);
    config.change({ fail: new Error("the disk is gone") });
    await clock.advance(20);
    assert.match(String(seen.at(-1)!.config), /the service config can't be read: the disk is gone/);
    const reported = seen.length;
    await clock.advance(60_000);
    assert.equal(seen.length, reported);
    const { watches } = config.state;
    assert.ok(watches > 2 && watches < 60, `${watches} watches`);
    config.change({ fail: undefined, end: true });
    await clock.advance(60_000);
    assert.equal(seen.length, reported);
    config.change({ end: false });
    await clock.advance(120_000);
    config.tell(timeout("2s"));
    await settled();
    assert.equal(seen.length, reported + 1);
    config.change({ end: true });
    await clock.advance(20);
    assert.match(String(seen.at(-1)!.config), /its source ended/);
    stop.abort();
    await settled();
    assert.deepEqual(clock.pending, []);
  });

  it("survives a source that throws at once, something that is no error, or is no iterable", async () => {
    const throwing = () => {
      throw new Error("no");
    };
    const ofNoErrors = () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject("no") }) });
    for (const watch of [throwing, ofNoErrors, () => undefined]) {
      const clock = new ManualClock(), endpoints = manualResolver(), stop = new AbortController();
      const resolver = withServiceConfig(endpoints, { watch } as unknown as ServiceConfigSource, { clock });
      endpoints.tell({ endpoints: A });
      const { value } = await resolver.resolve(stop.signal)[Symbol.asyncIterator]().next();
      assert.equal((value as Resolution).endpoints, A);
      assert.match(String((value as Resolution).config), /the service config can't be read/);
      stop.abort();
    }
  });

  it("fails and ends as the resolver does, and stops the source then", async () => {
    for (const how of ["fails", "ends", "is none"]) {
      const clock = new ManualClock(), config = manualSource(), cause = markHopeless(new Error("no such service"));
      const next = async () => {
        if (how === "fails") throw cause;
        return await Promise.resolve({ done: true });
      };
      const resolve = () => how === "is none" ? undefined : { [Symbol.asyncIterator]: () => ({ next }) };
      const resolver = withServiceConfig({ resolve } as unknown as Resolver, config.source, { clock });
      const read = resolver.resolve(new AbortController().signal)[Symbol.asyncIterator]().next();
      if (how === "fails") assert.equal(await failureOf(read), cause);
      else if (how === "ends") assert.equal((await read).done, true);
      else assert.match(String(await failureOf(read)), /expected an AsyncIterable/);
      assert.ok(config.state.signals.every(({ aborted }) => aborted));
      await settled();
      assert.deepEqual(clock.pending, []);
    }
  });

  it("stops both when it is no longer read, or was aborted before", async () => {
    const { config, end, endpoints, stop } = setUp();
    endpoints.tell({ endpoints: A });
    config.tell("{}");
    await settled();
    stop.abort(new Error("enough"));
    await settled();
    assert.equal(end.over, true);
    assert.equal(config.state.signals[0]!.aborted, true);
    const other = manualSource(), clock = new ManualClock();
    const resolver = withServiceConfig(manualResolver(), other.source, { clock });
    const { done } = await resolver.resolve(AbortSignal.abort())[Symbol.asyncIterator]().next() as { done?: boolean };
    assert.equal(done, true);
    assert.deepEqual(clock.pending, []);
  });

  it("has what the resolver has: a target, refresh, and list if the source can be read as well", async () => {
    let refreshed = 0;
    const read = { value: "{}" as ServiceConfigText, fail: false };
    const source: ServiceConfigSource = {
      ...manualSource().source,
      async read() {
        if (read.fail) throw new Error("away");
        return await Promise.resolve(read.value);
      },
    };
    const bare = { resolve: manualResolver().resolve };
    const listing = { ...bare, target: "x", list: async () => await Promise.resolve({ endpoints: A }) };
    assert.deepEqual(Object.keys(withServiceConfig(bare, source)), ["resolve"]);
    assert.deepEqual(Object.keys(withServiceConfig(listing, manualSource().source)), ["target", "resolve"]);
    const resolver = withServiceConfig({ ...listing, refresh: () => void refreshed++ }, source);
    assert.equal(resolver.target, "x");
    resolver.refresh!();
    assert.equal(refreshed, 1);
    const { signal } = new AbortController();
    const first = await resolver.list!(signal);
    assert.deepEqual(first, { endpoints: A, config: { untrusted: true } });
    assert.equal((await resolver.list!(signal)).config, first.config);
    read.value = "nonsense";
    const { config } = await resolver.list!(signal);
    assert.ok(config instanceof Error);
    assert.equal((await resolver.list!(signal)).config, config);
    read.fail = true;
    assert.match(String((await resolver.list!(signal)).config), /away/);
    read.fail = false;
    read.value = undefined;
    assert.deepEqual(await resolver.list!(signal), { endpoints: A });
  });

  it("takes a resolver, a source and options, and nothing else", () => {
    const resolver = manualResolver(), { source } = manualSource();
    const call = (...args: unknown[]) => () => (withServiceConfig as (...args: unknown[]) => Resolver)(...args);
    assert.throws(call(undefined, source), /resolver of withServiceConfig\(\) is undefined: expected a resolver/);
    assert.throws(call({}, source), /resolver of withServiceConfig\(\)/);
    assert.throws(call(resolver, undefined), /source of withServiceConfig\(\) is undefined: expected a source/);
    assert.throws(call(resolver, {}), /source of withServiceConfig\(\)/);
    assert.throws(call(resolver, source, { policies: { a: 1 } }), /policies/);
    assert.throws(call(resolver, source, { nonsense: 1 }), /nonsense/);
    assert.throws(call(resolver, source, { clock: 1 }), /clock/);
  });

  it("shortens the timeouts of a transport's calls, and chooses its policy", async () => {
    const clock = new ManualClock(), endpoints = manualResolver(), config = manualSource();
    const linkTransport = () =>
      createRouterTransport(({ service }) =>
        service(Simple, {
          async route() {
            await new Promise(() => {});
            return {};
          },
        })
      );
    const { events, transport } = balanced({
      clock,
      resolver: withServiceConfig(endpoints, { ...config.source, name: "/config/a" }, {
        clock,
        policies: { pick_first: pickFirst() },
      }),
      links: { transport: linkTransport },
      policy: roundRobin(),
    });
    endpoints.tell({ endpoints: A });
    config.tell(JSON.stringify({
      methodConfig: [{ name: [{}], timeout: "0.5s" }],
      loadBalancingConfig: [{ pick_first: {} }],
    }));
    const failure = failureOf(createClient(Simple, transport).route({}));
    await clock.advance(600);
    assert.equal(ConnectError.from(await failure).code, Code.DeadlineExceeded);
    assert.deepEqual(transport.snapshot().endpoints!.map(({ policy }) => policy), [{ selected: true }]);
    config.tell("nonsense");
    await clock.advance(40);
    assert.match(String(events.find((event) => event.type === "config-skipped")?.cause), /^Error: "\/config\/a": /);
    assert.equal(events.filter(({ type }) => type === "config-skipped").length, 1);
    assert.deepEqual(transport.snapshot().endpoints!.map(({ policy }) => policy), [{ selected: true }]);
    config.tell(undefined);
    await clock.advance(40);
    assert.deepEqual(transport.snapshot().endpoints!.map(({ policy }) => policy), [undefined]);
    await transport.close();
  });
});
