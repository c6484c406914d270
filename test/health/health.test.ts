import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { balance } from "../../src/call/options.ts";
import type { Connection, Health } from "../../src/connection/connection.ts";
import type { HealthCheck, HealthEnvironment } from "../../src/health/health.ts";
import { HealthHost } from "../../src/health/health-host.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { view } from "../../src/policy/view.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { balanced, failureOf } from "../support/balanced.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { manualResolver } from "../support/manual-resolver.ts";

/** A check that says what the test says, and writes down what it is told. */
function manual(first: Health = "serving") {
  let env: HealthEnvironment | undefined;
  const byAddress = new Map<string, Connection>();
  const told: string[] = [];
  const check: HealthCheck = (environment) => {
    env = environment;
    return {
      ready(connection) {
        byAddress.set(connection.endpoint.address, connection);
        told.push(`ready ${connection.endpoint.address}`);
        environment.report(connection, first);
      },
      ended: ({ endpoint }) => void told.push(`ended ${endpoint.address}`),
      close: () => void told.push("close"),
    };
  };
  const say = (address: string, health: Health) => env!.report(byAddress.get(address)!, health);
  return { check, told, say };
}

/** Asks the server itself as soon as it is ready: a check by probes. */
const probing: HealthCheck = (env) => ({
  ready(connection, transport) {
    env.report(connection, "unknown");
    transport.unary(Simple.method.route, undefined, 1_000, undefined, { data: "how are you?" }).then(
      () => env.report(connection, "serving"),
      (error: Error) => env.report(connection, error),
    );
  },
});

/** Holds a connection back for `holdMs` after a failed attempt: a check by what calls get. */
function afterFailure(holdMs: number): HealthCheck {
  return (env) => ({
    outcome(connection, { code }) {
      if (code === undefined) return;
      env.report(connection, new Error("it failed a call"));
      env.timer(holdMs, () => env.report(connection, "serving"));
    },
  });
}

describe("health checks", () => {
  it("hold connections back: for a while calls wait for them, and fail where all are held back for a reason", async () => {
    const { check, say } = manual("unknown");
    const { client, clock, events, transport } = balanced({ health: [check], panicShare: 0 });
    const call = client.route({ data: "x" });
    await clock.advance(100);
    assert.equal(transport.snapshot().waiting, 1);
    assert.deepEqual(transport.snapshot().endpoints!.map(({ state, available }) => [state, available]), [
      ["ready", false],
      ["ready", false],
      ["ready", false],
    ]);
    say("b:1", "serving");
    await clock.advance(20);
    assert.equal((await call).value, "b:1: hello x");
    for (const address of ["a:1", "b:1", "c:1"]) say(address, new Error("closed for lunch"));
    await clock.advance(20);
    const error = await failureOf(client.route({})) as ConnectError;
    assert.equal(error.code, Code.Unavailable);
    assert.match(error.message, /every endpoint is failing.*3 ready.*a:1 is held back: closed for lunch/);
    const patient = client.route({ data: "y" }, balance({ waitForReady: true }));
    await clock.advance(20);
    say("c:1", "serving");
    await clock.advance(20);
    assert.equal((await patient).value, "c:1: hello y");
    const healths = events.filter((event) => event.type === "connection-health").map((event) => event.health);
    assert.equal(healths.filter((health) => health === "failing").length, 3);
    await transport.close();
  });

  it("are notified of connections that become ready, and that no longer are, once each", async () => {
    const { check, told, say } = manual();
    const { clock, links, ready, transport } = balanced({ health: [check], resolver: staticResolver(["a:1", "b:1"]) });
    assert.deepEqual(told, []);
    await ready();
    assert.deepEqual(told.splice(0), ["ready a:1", "ready b:1"]);
    say("a:1", new Error("ill"));
    await clock.advance(20_000);
    links.get("a:1")!.events.lost(new Error("gone"));
    say("a:1", new Error("too late"));
    await clock.advance(40);
    assert.deepEqual(told.splice(0), ["ended a:1", "ready a:1"]);
    assert.equal(transport.snapshot().endpoints![0]!.health, "serving", "what was reported is forgotten");
    await Promise.all([transport.close(), transport.close()]);
    assert.deepEqual(told, ["close"]);
    say("b:1", new Error("after the end"));
  });

  it("see links without states as ready from the beginning", async () => {
    const { check, told } = manual();
    const { client, transport } = balanced({ health: [check], links: { stateless: true } });
    await client.route({ data: "x" });
    assert.deepEqual(told.splice(0), ["ready a:1", "ready b:1", "ready c:1"]);
    await transport.close();
  });

  it("may probe a server with calls that count nowhere", async () => {
    const attempts: string[] = [];
    const { client, clock, ready, transport } = balanced({
      health: [probing],
      onAttempt: ({ endpoint }) => void attempts.push(endpoint.address),
      links: {
        transport: ({ address }) =>
          createRouterTransport(({ service }) =>
            service(Simple, {
              route({ data }) {
                if (address === "a:1" && data !== "") throw new ConnectError("unwell", Code.Unavailable);
                return { value: address };
              },
            })
          ),
      },
    });
    await ready();
    await clock.advance(40);
    const { endpoints } = transport.snapshot();
    assert.deepEqual(endpoints!.map(({ picks, inFlight }) => [picks, inFlight]), [[0, 0], [0, 0], [0, 0]]);
    assert.match(String(endpoints![0]!.health), /unwell/);
    const values = new Set<string>();
    for (let i = 0; i < 6; i++) values.add((await client.route({})).value);
    assert.deepEqual([...values].sort(), ["b:1", "c:1"]);
    assert.equal(attempts.length, 6);
    await transport.close();
  });

  it("may judge by what calls get, once for a transport and whatever its pickers", async () => {
    const { client, clock, ready, transport } = balanced({
      health: [afterFailure(5_000)],
      links: {
        transport: ({ address }) =>
          createRouterTransport(({ service }) =>
            service(Simple, {
              route() {
                if (address === "b:1") throw new ConnectError("broken", Code.Internal);
                return { value: address };
              },
            })
          ),
      },
    });
    await ready();
    const seen = async () => {
      let failed = 0;
      for (let i = 0; i < 9; i++) {
        await client.route({}).catch(() => failed++);
        await clock.advance(20);
      }
      return failed;
    };
    assert.equal(await seen(), 1);
    await clock.advance(5_000);
    assert.equal(await seen(), 1, "it had another chance");
    await transport.close();
  });

  it("serve where all say so, and are ignored below the panic share", async () => {
    const one = manual(), two = manual();
    const { clock, ready, transport } = balanced({ health: [one.check, two.check], panicShare: 0.5 });
    await ready();
    const available = () => transport.snapshot().endpoints!.map((endpoint) => endpoint.available);
    one.say("a:1", new Error("ill"));
    two.say("a:1", "unknown");
    assert.match(String(transport.snapshot().endpoints![0]!.health), /ill/, "a reason says more than nothing");
    assert.deepEqual(available(), [false, true, true]);
    one.say("a:1", "serving");
    assert.deepEqual(available(), [false, true, true], "the other has not said so");
    two.say("b:1", new Error("ill"));
    assert.deepEqual(available(), [false, false, true], "nobody knows whether the first is ill");
    two.say("a:1", new Error("ill, too"));
    assert.deepEqual(available(), [true, true, true], "one of three is less than half");
    two.say("a:1", "serving");
    assert.deepEqual(available(), [true, false, true]);
    await clock.advance(100);
    await transport.close();
  });

  it("cause no panic as long as they don't know: calls wait", async () => {
    const { check, say } = manual("unknown");
    const { transport } = balanced({ health: [check], panicShare: 0.5 });
    const connected = transport.connect().catch(() => {});
    await settled();
    const state = () => {
      const { panic, endpoints } = transport.snapshot();
      return [panic, ...endpoints!.map(({ available }) => available)];
    };
    assert.deepEqual(state(), [false, false, false, false]);
    say("a:1", new Error("ill"));
    assert.deepEqual(state(), [false, false, false, false]);
    say("b:1", new Error("ill"));
    assert.deepEqual(state(), [true, true, true, true]);
    say("b:1", "serving");
    assert.deepEqual(state(), [false, false, true, false]);
    await Promise.all([transport.close(), connected]);
  });

  it("end a panic when enough other connections become ready, and have their say in those that return later", async () => {
    const { check, say } = manual();
    const resolver = manualResolver();
    const { clock, links, ready, transport } = balanced({ health: [check], panicShare: 0.5, resolver });
    const tell = (...addresses: string[]) => {
      resolver.tell({ endpoints: addresses.map((address) => ({ address })) });
      return clock.advance(100);
    };
    const connected = ready();
    await tell("a:1", "b:1", "c:1");
    await connected;
    for (const address of ["a:1", "b:1"]) say(address, new Error("ill"));
    assert.equal(transport.snapshot().panic, true);
    await tell("a:1", "b:1", "c:1", "d:1", "e:1");
    assert.equal(transport.snapshot().panic, false, "three of five serve");
    say("c:1", new Error("ill, too"));
    assert.equal(transport.snapshot().panic, true);
    await clock.advance(20_000);
    links.get("a:1")!.events.lost(new Error("gone"));
    assert.equal(transport.snapshot().panic, false, "two of four serve");
    await clock.advance(100);
    say("c:1", "serving");
    say("a:1", new Error("still ill"));
    assert.deepEqual(transport.snapshot().endpoints!.map(({ available }) => available), [
      false,
      false,
      true,
      true,
      true,
    ]);
    await transport.close();
  });

  it("cause no event of a connection that is not held back, when one report leads to another", async () => {
    const { check, say } = manual();
    const told: string[] = [];
    const { ready, transport } = balanced({
      health: [check],
      panicShare: 0.5,
      onEvent(event) {
        if (event.type !== "connection-health") return;
        told.push(`${event.endpoint.address} ${event.health}`);
        if (event.endpoint.address === "a:1") say("b:1", new Error("as ill as the other"));
      },
    });
    await ready();
    say("a:1", new Error("ill"));
    assert.deepEqual(told, ["a:1 failing", "a:1 serving"]);
    await transport.close();
  });

  it("may declare a panic, unless the panic share is 0", async () => {
    for (const panicShare of [0.1, 0]) {
      let env: HealthEnvironment | undefined;
      const { events, transport } = balanced({
        panicShare,
        health: [(environment) => {
          env = environment;
          return { ready: (connection) => environment.report(connection, "unknown") };
        }],
      });
      assert.equal(env!.panic(true), panicShare > 0, "before there is a connection");
      const connected = transport.connect().catch(() => {});
      await settled();
      const { panic, endpoints } = transport.snapshot();
      assert.deepEqual([panic, endpoints![2]!.available], [panicShare > 0, panicShare > 0]);
      env!.panic(false);
      assert.deepEqual([transport.snapshot().panic, transport.snapshot().endpoints![2]!.available], [false, false]);
      assert.equal(events.filter(({ type }) => type === "panic-changed").length, panicShare > 0 ? 2 : 0);
      await Promise.all([transport.close(), connected]);
      env!.panic(true);
      assert.equal(transport.snapshot().panic, false);
    }
  });

  it("hear of a sample of the successes if that is enough, of all failures, and of all on connections in question", async () => {
    const heard: string[] = [];
    let environment: HealthEnvironment | undefined, connection: Connection | undefined;
    let fail = false;
    const { client, ready, transport } = balanced({
      retry: false,
      ejectOutliers: false,
      resolver: staticResolver(["a:1"]),
      health: [(env) => {
        environment = env;
        return {
          sampled: true,
          ready: (one) => void (connection = one),
          outcome: (_, { code, latencyMs }) => void heard.push(`${code} ${latencyMs}`),
        };
      }],
      links: {
        transport: () =>
          createRouterTransport(({ service }) =>
            service(Simple, {
              route() {
                if (fail) throw new ConnectError("no", Code.Internal);
                return {};
              },
              async *routeServerStream() {
                yield {};
              },
            })
          ),
      },
    });
    await ready();
    for (let i = 0; i < 600; i++) await client.route({});
    assert.deepEqual(heard.splice(0), Array(32 + 2).fill("undefined 0"));
    assert.deepEqual([environment!.successes(), environment!.successes(connection)], [600, 600]);
    fail = true;
    await failureOf(client.route({}));
    assert.deepEqual(heard.splice(0), [`${Code.Internal} NaN`]);
    assert.equal(environment!.successes(), 600);
    fail = false;
    for await (const _ of client.routeServerStream({})) {
      // To its end.
    }
    assert.deepEqual(heard.splice(0), ["undefined NaN"], "a stream that began to answer");
    environment!.allow(connection!, 100);
    await client.route({});
    environment!.allow(connection!, Infinity);
    await client.route({});
    assert.deepEqual(heard.splice(0), ["undefined 0"]);
    await transport.close();
  });

  it("hear of no more successes because someone observes the calls", async () => {
    let heard = 0, observed = 0;
    const { client, ready, transport } = balanced({
      ejectOutliers: false,
      resolver: staticResolver(["a:1"]),
      observers: [{ callStarted: () => ({ attemptEnded: () => void observed++ }) }],
      health: [() => ({ sampled: true, outcome: () => void heard++ })],
      links: { transport: () => createRouterTransport(({ service }) => service(Simple, { route: () => ({}) })) },
    });
    await ready();
    for (let i = 0; i < 600; i++) await client.route({});
    assert.deepEqual({ heard, observed }, { heard: 32 + 2, observed: 600 });
    await transport.close();
  });

  it("hear of all attempts, with times, if one of them wants that", async () => {
    const heard: number[] = [];
    const { client, ready, transport } = balanced({
      health: [() => ({ outcome: (_, { latencyMs }) => void heard.push(latencyMs) })],
    });
    await ready();
    for (let i = 0; i < 100; i++) await client.route({});
    assert.deepEqual(heard, Array(100).fill(0));
    await transport.close();
  });

  it("have no say in a connection that was lost: calls wait for it, and the panic share is that of the others", async () => {
    const { check, say } = manual();
    const { client, clock, links, transport } = balanced({ health: [check], panicShare: 0.5, links: { auto: false } });
    const connected = transport.connect();
    await clock.advance(40);
    for (const link of links.values()) link.ready();
    await clock.advance(40);
    await connected;
    const available = () => transport.snapshot().endpoints!.map((endpoint) => endpoint.available);
    for (const address of ["a:1", "b:1"]) say(address, new Error("ill"));
    assert.deepEqual(available(), [true, true, true], "one of three is less than half");
    await client.route({});
    await clock.advance(20_000);
    links.get("b:1")!.events.lost(new Error("gone"));
    assert.deepEqual(available(), [false, false, true], "one of two is not");
    links.get("c:1")!.events.lost(new Error("gone, too"));
    links.get("a:1")!.events.lost(new Error("and this one"));
    assert.deepEqual(transport.snapshot().endpoints!.map(({ health }) => health), ["unknown", "unknown", "unknown"]);
    const call = client.route({ data: "x" });
    await clock.advance(40);
    assert.equal(transport.snapshot().waiting, 1);
    links.get("b:1")!.ready();
    await clock.advance(40);
    assert.equal((await call).value, "b:1: hello x");
    await transport.close();
  });

  it("fail no call that can wait for a connection which was held back and is opened again", async () => {
    const { check, say } = manual();
    const { client, clock, links, transport } = balanced({
      health: [check],
      resolver: staticResolver(["a:1"]),
      links: { auto: false },
    });
    const call = client.route({ data: "x" });
    await clock.advance(40);
    links.get("a:1")!.ready();
    await call;
    say("a:1", new Error("ill"));
    links.get("a:1")!.events.lost(new Error("gone"));
    const next = client.route({ data: "y" });
    await clock.advance(40);
    links.get("a:1")!.ready();
    await clock.advance(40);
    assert.equal((await next).value, "a:1: hello y");
    await transport.close();
  });

  it("see the connection itself where a policy picked a view of it", async (t) => {
    const seen: Connection[] = [];
    const inner = roundRobin();
    const { client, ready, transport } = balanced({
      policy: (connections, ...rest) => inner(connections.map((connection) => view(connection, {})), ...rest),
      health: [() => ({
        ready: (connection) => void seen.push(connection),
        outcome: (connection) => assert.ok(seen.includes(connection)),
      })],
    });
    await ready();
    const print = t.mock.method(console, "error", () => {});
    await client.route({ data: "x" });
    assert.equal(print.mock.callCount(), 0);
    await transport.close();
  });

  it("hear nothing of attempts where none asks for it, and nothing at all where there is none", async () => {
    const options = {
      panicShare: 0,
      clock: new ManualClock(),
      random: () => 0,
      successes: () => 0,
      onUnenforced: () => {},
      onHealth() {},
      onPanic() {},
    };
    assert.equal(new HealthHost({ ...options, checks: [] }).outcomes, undefined);
    assert.equal(new HealthHost({ ...options, checks: [() => ({ ready() {} })] }).outcomes, undefined);
    assert.notEqual(new HealthHost({ ...options, checks: [() => ({ outcome() {} })] }).outcomes, undefined);
  });

  it("are asked anew about a connection that was lost, and no more once they are closed", async () => {
    const { check, told, say } = manual();
    const { clock, events, links, ready, transport } = balanced({ health: [check], panicShare: 0.5 });
    await ready();
    const health = () => events.flatMap((event) => event.type === "connection-health" ? [event.health] : []);
    for (const address of ["a:1", "b:1"]) say(address, new Error("ill"));
    assert.deepEqual(health().splice(0), ["failing", "serving"], "one of three is less than half");
    events.length = 0;
    links.get("a:1")!.events.lost(new Error("reset"));
    // Now one of two serves.
    assert.deepEqual(health().splice(0), ["failing"]);
    events.length = 0;
    await clock.advance(20);
    await transport.close();
    events.length = told.length = 0;
    for (const address of ["b:1", "c:1"]) say(address, "unknown");
    assert.deepEqual([events, told, clock.pending], [[], [], []]);
  });

  it("may say at first that a connection serves, which changes nothing", async () => {
    const { check } = manual("serving");
    const { events, ready, transport } = balanced({ health: [check] });
    await ready();
    assert.deepEqual(events.filter(({ type }) => type === "connection-health"), []);
    await transport.close();
  });

  it("have their timers cancelled when the transport is closed", async () => {
    const { clock, ready, transport } = balanced({
      health: [(env) => {
        env.timer(60_000, () => assert.fail("it is closed"));
        return {};
      }],
      idleTimeoutMs: Infinity,
    });
    await ready();
    assert.deepEqual(clock.pending.length, 1);
    await transport.close();
    assert.deepEqual(clock.pending, []);
  });

  it("take no connection from an empty set that they only hold back", async () => {
    const { check, say } = manual();
    const resolver = manualResolver();
    const { client, clock, ready, transport } = balanced({ health: [check], resolver });
    resolver.tell({ endpoints: [{ address: "a:1" }, { address: "b:1" }] });
    await ready();
    resolver.tell({ endpoints: [] });
    await clock.advance(40);
    for (const address of ["a:1", "b:1"]) say(address, "unknown");
    await clock.advance(40);
    say("b:1", "serving");
    await clock.advance(40);
    assert.equal((await client.route({ data: "x" })).value, "b:1: hello x");
    await transport.close();
  });

  it("have no effect when they throw", async (t) => {
    const print = t.mock.method(console, "error", () => {});
    const fail = () => {
      throw new Error("mine");
    };
    const { client, ready, transport } = balanced({
      health: [() => ({ ready: fail, ended: fail, outcome: fail, close: fail })],
    });
    await ready();
    assert.equal((await client.route({ data: "x" })).code, 200);
    await transport.close();
    assert.equal(print.mock.callCount(), 5);
  });

  it("are options that are checked", () => {
    assert.throws(() => balanced({ health: [{} as HealthCheck] }), /health/);
    assert.throws(() => balanced({ panicShare: 2 }), RangeError);
    assert.throws(
      () => balanced({ health: [(() => undefined) as unknown as HealthCheck] }),
      /health check returned undefined/,
    );
    let env: HealthEnvironment | undefined;
    balanced({
      health: [(environment) => {
        env = environment;
        return {};
      }],
    });
    assert.throws(() => env!.report({} as Connection, "fine" as Health), TypeError);
    env!.report({} as Connection, "unknown");
  });
});
