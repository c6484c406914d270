import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { HealthEnvironment } from "../../src/health/health.ts";
import type { Connection } from "../../src/connection/connection.ts";
import { pickFirst } from "../../src/policy/pick-first.ts";
import type { BalancedTransportOptions } from "../../src/transport/options.ts";
import { balanced, failureOf } from "../support/balanced.ts";
import { callExcluding, fakeConnection, fakeEnvironment } from "../support/fake-connections.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { manualResolver } from "../support/manual-resolver.ts";

/** A transport whose links open when the test says so. */
function setUp(addresses: readonly string[], options: Partial<BalancedTransportOptions> = {}) {
  const resolver = manualResolver();
  const all = balanced({ policy: pickFirst(), resolver, links: { auto: false }, ...options });
  const tell = (...addresses: string[]) => resolver.tell({ endpoints: addresses.map((address) => ({ address })) });
  tell(...addresses);
  const states = () =>
    Object.fromEntries(
      all.transport.snapshot().endpoints!.map(({ endpoint, state }) => [endpoint.address, state]),
    );
  const opened = () => [...all.links].filter(([, { opened }]) => opened > 0).map(([address]) => address);
  /** A call, and who answers it. */
  const call = () => all.client.route({}).then(({ value }) => value.split(": ")[0], (error) => error);
  return { ...all, tell, states, opened, call };
}

describe("pickFirst", () => {
  it("sends all calls to the first endpoint, and opens no other", async () => {
    const { clock, links, call, states, transport } = setUp(["c:1", "a:1", "b:1"]);
    const first = call();
    await clock.advance(20);
    assert.deepEqual(states(), { "a:1": "idle", "b:1": "idle", "c:1": "connecting" });
    links.get("c:1")!.ready();
    assert.equal(await first, "c:1");
    await clock.advance(10_000);
    for (let i = 0; i < 3; i++) assert.equal(await call(), "c:1");
    assert.deepEqual(states(), { "a:1": "idle", "b:1": "idle", "c:1": "ready" });
    await transport.close();
    assert.deepEqual(clock.pending, []);
  });

  it("tries the next one after 250 ms, uses the first that is ready, and lets the others go", async () => {
    const { clock, links, call, opened, states, transport } = setUp(["a:1", "b:1", "c:1", "d:1"]);
    const first = call();
    await clock.advance(249);
    assert.deepEqual(opened(), ["a:1"]);
    await clock.advance(1);
    assert.deepEqual(opened(), ["a:1", "b:1"]);
    await clock.advance(250);
    assert.deepEqual(opened(), ["a:1", "b:1", "c:1"]);
    const given = ["a:1", "c:1"].map((address) => links.get(address)!);
    links.get("b:1")!.ready();
    assert.equal(await first, "b:1");
    await clock.advance(1_000);
    assert.deepEqual(states(), { "a:1": "idle", "b:1": "ready", "c:1": "idle", "d:1": "idle" });
    assert.deepEqual(given.map(({ closed }) => closed), [true, true]);
    await transport.close();
  });

  it("tries the next one at once when one has failed", async () => {
    const { clock, links, call, opened, transport } = setUp(["a:1", "b:1", "c:1"]);
    const first = call();
    await clock.advance(0);
    links.get("a:1")!.refuse();
    await clock.advance(20);
    assert.deepEqual(opened(), ["a:1", "b:1"]);
    links.get("b:1")!.refuse();
    await clock.advance(20);
    links.get("c:1")!.ready();
    assert.equal(await first, "c:1");
    await transport.close();
  });

  it("fails calls once all have failed, until one can be connected, each after its backoff", async () => {
    const { clock, links, call, tell, transport } = setUp(["a:1", "b:1"]);
    const first = call();
    await clock.advance(0);
    links.get("a:1")!.refuse();
    await clock.advance(20);
    links.get("b:1")!.refuse();
    await clock.advance(20);
    assert.match(String(await first), /every endpoint is failing: .*a:1/);
    await clock.advance(2_000);
    assert.deepEqual([links.get("a:1")!.opened, links.get("b:1")!.opened], [2, 2], "both are tried");
    assert.match(String(await call()), /every endpoint is failing/);
    // A new one is tried at once, and until it is ready, calls fail.
    tell("a:1", "b:1", "c:1");
    await clock.advance(20);
    assert.equal(links.get("c:1")!.opened, 1);
    assert.match(String(await call()), /every endpoint is failing/);
    links.get("c:1")!.ready();
    await clock.advance(20);
    assert.equal(await call(), "c:1");
    await transport.close();
  });

  it("keeps its connection while the endpoint stays in the set, and begins anew when it leaves", async () => {
    const { clock, links, call, opened, tell, transport } = setUp(["b:1"]);
    const first = call();
    await clock.advance(0);
    links.get("b:1")!.ready();
    assert.equal(await first, "b:1");
    tell("a:1", "b:1", "c:1");
    await clock.advance(1_000);
    assert.equal(await call(), "b:1");
    assert.deepEqual(opened(), ["b:1"]);
    tell("a:1", "c:1");
    await clock.advance(20);
    assert.deepEqual(opened(), ["b:1", "a:1"]);
    links.get("a:1")!.ready();
    await clock.advance(20);
    assert.equal(await call(), "a:1");
    await transport.close();
  });

  it("opens nothing after its connection is lost, until a call begins with the first endpoint again", async () => {
    const { clock, links, call, states, transport } = setUp(["a:1", "b:1"]);
    const first = call();
    await clock.advance(0);
    links.get("a:1")!.refuse();
    await clock.advance(20);
    links.get("b:1")!.ready();
    assert.equal(await first, "b:1");
    links.get("b:1")!.events.lost();
    await clock.advance(60_000);
    assert.deepEqual(states(), { "a:1": "idle", "b:1": "idle" });
    const second = call();
    await clock.advance(20);
    assert.deepEqual(states(), { "a:1": "connecting", "b:1": "idle" });
    links.get("a:1")!.ready();
    assert.equal(await second, "a:1");
    await transport.close();
  });

  it("is opened again by connect()", async () => {
    const { clock, links, call, states, transport } = setUp(["a:1"]);
    const first = call();
    await clock.advance(0);
    links.get("a:1")!.ready();
    await first;
    links.get("a:1")!.events.lost();
    await clock.advance(1_000);
    assert.deepEqual(states(), { "a:1": "idle" });
    const connected = transport.connect();
    await clock.advance(20);
    links.get("a:1")!.ready();
    await clock.advance(20);
    await connected;
    assert.deepEqual(states(), { "a:1": "ready" });
    await transport.close();
  });

  it("tries the others when a health check holds its endpoint back as failing", async () => {
    let env: HealthEnvironment | undefined;
    const ready = new Map<string, Connection>();
    const { clock, links, call, states, transport } = setUp(["a:1", "b:1"], {
      health: [(given) => {
        env = given;
        return { ready: (connection) => void ready.set(connection.endpoint.address, connection) };
      }],
      panicShare: 0,
    });
    const first = call();
    await clock.advance(0);
    links.get("a:1")!.ready();
    assert.equal(await first, "a:1");
    env!.report(ready.get("a:1")!, new Error("NOT_SERVING"));
    await clock.advance(20);
    const second = call();
    await clock.advance(20);
    assert.deepEqual(states(), { "a:1": "ready", "b:1": "connecting" });
    links.get("b:1")!.ready();
    assert.equal(await second, "b:1");
    await clock.advance(20);
    assert.deepEqual(states(), { "a:1": "idle", "b:1": "ready" });
    await transport.close();
  });

  it("goes back to an endpoint that is healthy again before another is ready", async () => {
    let env: HealthEnvironment | undefined, connection: Connection | undefined;
    const { clock, links, call, states, transport } = setUp(["a:1", "b:1"], {
      health: [(given) => (env = given, { ready: (ready) => void (connection = ready) })],
      panicShare: 0,
    });
    const first = call();
    await clock.advance(0);
    links.get("a:1")!.ready();
    await first;
    env!.report(connection!, new Error("NOT_SERVING"));
    await clock.advance(20);
    links.get("b:1")!.refuse();
    await clock.advance(20);
    assert.match(String(await call()), /every endpoint is failing/);
    env!.report(connection!, "serving");
    await clock.advance(20);
    assert.equal(await call(), "a:1");
    assert.equal(states()["a:1"], "ready");
    await transport.close();
  });

  it("fails calls while there are no endpoints, and tries the first that come", async () => {
    const { clock, links, call, tell, transport } = setUp([]);
    assert.match(String(await failureOf(call().then((error) => Promise.reject(error)))), /there are no endpoints/);
    tell("a:1");
    await clock.advance(20);
    links.get("a:1")!.ready();
    await clock.advance(20);
    assert.equal(await call(), "a:1");
    await transport.close();
  });

  it("begins anew after the transport was idle", async () => {
    const { clock, links, call, tell, transport } = setUp(["a:1"], { idleTimeoutMs: 1_000 });
    const first = call();
    await clock.advance(0);
    links.get("a:1")!.ready();
    await first;
    await clock.advance(5_000);
    assert.equal(transport.snapshot().endpoints, undefined);
    const second = call();
    tell("a:1");
    await clock.advance(40);
    links.get("a:1")!.ready();
    await clock.advance(40);
    assert.equal(await second, "a:1");
    await transport.close();
  });

  it("keeps to the first over links without states", async () => {
    const { call, clock, transport } = balancedStateless();
    assert.deepEqual([await call(), await call()], ["a:1", "a:1"]);
    await transport.close();
    assert.deepEqual(clock.pending, []);
  });

  it("goes on at once past one that waits for its backoff, and waits for one that is being opened", async () => {
    const clock = new ManualClock();
    const connections = [
      fakeConnection("a:1", { place: 0, state: "transient_failure", available: false, failure: new Error("refused") }),
      fakeConnection("b:1", { place: 1, state: "connecting", available: false }),
      fakeConnection("c:1", { place: 2, state: "idle", available: false }),
    ];
    const picker = pickFirst()(connections, undefined, fakeEnvironment(clock));
    assert.equal(connections[2]!.state, "idle");
    assert.equal(picker.pick(callExcluding()), "wait");
    await clock.advance(250);
    assert.equal(connections[2]!.state, "connecting");
  });

  it("stays with its endpoint although the first one is ready again", () => {
    const [a, b] = [fakeConnection("a:1"), fakeConnection("b:1", { place: 1 })];
    // Over links without states, whatever doesn't fail is ready.
    b.disconnect = () => {};
    Object.assign(a, { state: "transient_failure", available: false, failure: new Error("refused"), disconnect() {} });
    const policy = pickFirst(), env = fakeEnvironment();
    const first = policy([a, b], undefined, env);
    assert.equal(first.pick(callExcluding()), b);
    Object.assign(a, { state: "ready", available: true, failure: undefined });
    assert.equal(policy([a, b], first, env).pick(callExcluding()), b);
  });

  it("keeps no other connection beside its own, whoever opened it, and wants its own each time", () => {
    let connects = 0;
    const a = fakeConnection("a:1", { connect: () => connects++ }), b = fakeConnection("b:1", { place: 1 });
    const policy = pickFirst(), env = fakeEnvironment(), first = policy([a], undefined, env);
    assert.equal(connects, 1);
    const second = policy([a, b], first, env);
    assert.deepEqual([a.state, b.state, connects], ["ready", "idle", 2]);
    b.state = "connecting";
    policy([a, b], second, env);
    assert.deepEqual([a.state, b.state, connects], ["ready", "idle", 3]);
  });

  it("has one timer: that of the endpoint tried last", async () => {
    const clock = new ManualClock(), env = fakeEnvironment(clock), policy = pickFirst();
    const connections = ["a:1", "b:1", "c:1"].map((address, place) => {
      return fakeConnection(address, { place, state: "idle", available: false });
    });
    const first = policy(connections, undefined, env);
    await clock.advance(100);
    Object.assign(connections[0]!, { state: "transient_failure", failure: new Error("refused") });
    policy(connections, first, env);
    assert.deepEqual(connections.map(({ state }) => state), ["transient_failure", "connecting", "idle"]);
    assert.deepEqual(clock.pending, [250]);
  });

  it("does not wait in a new search for what another policy still opens from the last one", async () => {
    const clock = new ManualClock(), env = fakeEnvironment(clock), policy = pickFirst();
    const [a, b] = ["a:1", "b:1"].map((address, place) => {
      return fakeConnection(address, { place, state: "idle", available: false });
    }) as [ReturnType<typeof fakeConnection>, ReturnType<typeof fakeConnection>];
    b.disconnect = () => {};
    let picker = policy([a, b], undefined, env);
    await clock.advance(250);
    assert.equal(b.state, "connecting");
    Object.assign(a, { state: "ready", available: true });
    picker = policy([a, b], picker, env);
    Object.assign(a, { state: "idle", available: false });
    picker = policy([a, b], picker, env);
    assert.equal(picker.pick(callExcluding()), "wait");
    policy([a, b], picker, env);
    assert.deepEqual([a.state, b.state], ["connecting", "connecting"]);
  });

  it("puts endpoints in order only when there are others", () => {
    let looks = 0;
    const connections = ["b:1", "a:1"].map((address, place) => {
      return Object.defineProperty(fakeConnection(address), "place", { get: () => (looks++, place) });
    });
    const policy = pickFirst(), env = fakeEnvironment(), first = policy(connections, undefined, env);
    assert.equal(first.pick(callExcluding()), connections[0]);
    const before = looks, second = policy(connections, first, env);
    assert.equal(looks, before);
    policy([...connections], second, env);
    assert.ok(looks > before);
  });

  it("has no timer once it has an endpoint, nor once all have failed, and asks for a new picker once", async () => {
    const clock = new ManualClock(), env = fakeEnvironment(clock), policy = pickFirst();
    const connections = ["a:1", "b:1"].map((address, place) => {
      return fakeConnection(address, { place, state: "idle", available: false });
    });
    let picker = policy(connections, undefined, env);
    await clock.advance(250);
    assert.deepEqual(connections.map(({ state }) => state), ["connecting", "connecting"]);
    Object.assign(connections[1]!, { state: "ready", available: true });
    picker = policy(connections, picker, env);
    assert.deepEqual([connections[0]!.state, clock.pending], ["idle", []]);
    Object.assign(connections[1]!, { state: "idle", available: false });
    picker = policy(connections, picker, env);
    for (let i = 0; i < 3; i++) assert.equal(picker.pick(callExcluding()), "wait");
    assert.equal(env.updates, 1);
    const failed = { state: "transient_failure", failure: new Error("refused") } as const;
    for (const connection of connections) Object.assign(connection, failed);
    picker = policy(connections, picker, env);
    assert.ok(picker.pick(callExcluding()) instanceof Error);
    assert.deepEqual([env.updates, clock.pending], [1, []]);
  });

  it("begins anew, one after the other, with a set that follows an empty one", () => {
    const idle = () =>
      ["a:1", "b:1"].map((address, place) => {
        return fakeConnection(address, { place, state: "idle", available: false });
      });
    const env = fakeEnvironment(), policy = pickFirst();
    const failing = idle().map((connection) => {
      return Object.assign(connection, { state: "transient_failure", failure: new Error("refused") });
    });
    for (const before of [undefined, policy(failing, undefined, env)]) {
      const empty = policy([], before, env), connections = idle();
      const picker = policy(connections, empty, env);
      assert.equal(picker.pick(callExcluding()), "wait");
      assert.deepEqual(connections.map(({ state }) => state), ["connecting", "idle"]);
    }
    // Also with those that had failed, whose backoff is over.
    const empty = policy([], policy(failing, undefined, env), env);
    for (const connection of failing) Object.assign(connection, { state: "idle", failure: undefined });
    policy(failing, empty, env);
    assert.deepEqual(failing.map(({ state }) => state), ["connecting", "idle"]);
  });

  it("waits for its endpoint if that has no room, or if the call excludes it", () => {
    const connections = [fakeConnection("a:1"), fakeConnection("b:1", { place: 1, state: "idle", available: false })];
    const picker = pickFirst()(connections, undefined, fakeEnvironment());
    assert.equal(picker.pick(callExcluding()), connections[0]);
    assert.equal(picker.pick(callExcluding(connections[0]!)), "wait");
    connections[0]!.available = false;
    assert.equal(picker.pick(callExcluding()), "wait");
    assert.deepEqual(connections.map((connection) => picker.describe?.(connection)), [
      { selected: true },
      { selected: false },
    ]);
  });

  it("tries endpoints in a random order if it shuffles, the same one through all its pickers", async () => {
    const first = new Set<string>();
    for (let seed = 0; seed < 20; seed++) {
      let random = seed / 20;
      const { clock, opened, call, transport } = setUp(["a:1", "b:1", "c:1"], {
        policy: pickFirst({ shuffle: true }),
        random: () => random = (random + 0.37) % 1,
      });
      void call();
      await clock.advance(100);
      assert.equal(opened().length, 1);
      first.add(opened()[0]!);
      await clock.advance(600);
      assert.equal(opened().length, 3, "each is tried once");
      await transport.close();
    }
    assert.equal(first.size, 3);
  });

  it("takes shuffle, and nothing else", () => {
    assert.throws(() => pickFirst({ shuffle: 1 as never }), /^TypeError: option shuffle is 1: expected true or false$/);
    assert.throws(() => pickFirst({ shuffled: true } as never), /has no option "shuffled": did you mean shuffle\?/);
  });
});

function balancedStateless() {
  const all = balanced({ policy: pickFirst(), links: { stateless: true } });
  return { ...all, call: () => all.client.route({}).then(({ value }) => value.split(": ")[0]) };
}
