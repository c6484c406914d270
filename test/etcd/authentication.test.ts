// How a registry gets its user's token, on a scripted etcd and a clock that the test turns: etcd checks each password with
// a tenth of a second of CPU, so that many programs at once are answered late, and must not ask again and again.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EtcdRegistryOptions } from "../../src/etcd/options.ts";
import { createRegistryOver } from "../../src/etcd/registry.ts";
import type { RegistryEvent } from "../../src/registry/event.ts";
import type { RegisterOptions, Registration } from "../../src/registry/registry.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { type Call, FakeEtcd } from "./fake-etcd.ts";

const user = { username: "u", password: "secret" };

function setUp(options: Partial<EtcdRegistryOptions> = {}, clock = new ManualClock(), etcd = new FakeEtcd()) {
  etcd.password = "secret";
  const events: RegistryEvent[] = [];
  let seed = 1;
  const registry = createRegistryOver(() => etcd, {
    endpoints: ["e1:1"],
    ...user,
    clock,
    random: () => (seed = (seed * 16807) % 2147483647) / 2147483647,
    onEvent: (event) => events.push(event),
    ...options,
  });
  const register = (more: Partial<RegisterOptions> = {}): Registration =>
    registry.register({ service: "a", address: "10.0.0.5:8000", ttlSeconds: 15, ...more });
  const types = () => events.map(({ type }) => type);
  return { etcd, clock, events, registry, register, types };
}

/** Follows a service; says what the newest set is. */
function follow({ registry }: { registry: ReturnType<typeof createRegistryOver> }, service = "a") {
  const stop = new AbortController();
  const seen: { count: number | undefined; stale: boolean }[] = [];
  const ended = (async () => {
    for await (const { endpoints, stale } of registry.resolver(service).resolve(stop.signal)) {
      seen.push({ count: endpoints?.length, stale: stale !== undefined });
    }
  })();
  return { seen, stop: () => (stop.abort(), ended) };
}

/** Makes authentications wait until they are let go, and counts those that etcd works on. */
function held(etcd: FakeEtcd) {
  const waiting: (() => void)[] = [];
  let most = 0;
  etcd.gate = (call, signal) => {
    if (call.method !== "authenticate") return undefined;
    return new Promise((resolve) => {
      waiting.push(resolve);
      most = Math.max(most, waiting.length);
      signal.addEventListener("abort", () => waiting.splice(waiting.indexOf(resolve), 1));
    });
  };
  return {
    get waiting() {
      return waiting.length;
    },
    get most() {
      return most;
    },
    async next() {
      waiting.shift()?.();
      await settled();
    },
  };
}

const only = (method: Call["method"], error: Error | "hang") => (call: Call) =>
  call.method === method ? error : undefined;
const failing = new Error("etcdserver: request timed out");

describe("the authentication of an etcd user", () => {
  it("is one for all that a registry does, at a time", async () => {
    const one = setUp();
    const authentications = held(one.etcd);
    const registrations = [1, 2, 3].map((n) => one.register({ address: `10.0.0.${n}:8000` }));
    const watches = [follow(one), follow(one, "b")];
    const listed = one.registry.resolver("c").list!(new AbortController().signal);
    await one.clock.advance(20_000);
    assert.deepEqual([authentications.waiting, one.etcd.calls.length], [1, 1]);
    assert.deepEqual(one.events, []);
    await authentications.next();
    await listed;
    assert.deepEqual(registrations.map(({ state }) => state), ["registered", "registered", "registered"]);
    assert.ok(watches.every(({ seen }) => seen.at(-1)?.stale === false));
    assert.equal(one.etcd.count("authenticate"), 1);
    await Promise.all(watches.map((watch) => watch.stop()));
    await one.registry.close();
  });

  it("takes turns with those of other registries of the process for the same user, whatever their passwords", async () => {
    const etcd = new FakeEtcd(), clock = new ManualClock();
    const authentications = held(etcd);
    const endpoints = ["e1:1", "e2:1"];
    const same = [{ endpoints }, { endpoints: endpoints.toReversed(), password: "wrong" }, { endpoints }];
    const registries = same.map((options) => setUp(options, clock, etcd));
    const other = setUp({ endpoints, username: "another" }, clock, etcd);
    for (const { register } of [...registries, other]) register();
    await settled();
    assert.equal(authentications.waiting, 2, "one of the user's, and one of another's");
    for (let turns = 0; turns < 4; turns++) await authentications.next();
    assert.deepEqual([etcd.count("authenticate"), authentications.most], [4, 2]);
    assert.deepEqual(registries[1]!.types(), ["auth-refused"]);
    await Promise.all([...registries, other].map(({ registry }) => registry.close()));
  });

  it("leaves the queue when its registry is closed", async () => {
    const etcd = new FakeEtcd(), clock = new ManualClock();
    const authentications = held(etcd);
    const [first, second, third] = [setUp({}, clock, etcd), setUp({}, clock, etcd), setUp({}, clock, etcd)];
    first.register();
    second.register();
    const last = third.register({ address: "10.0.0.7:8000" });
    await settled();
    await second.registry.close();
    await first.registry.close();
    await settled();
    assert.deepEqual([etcd.count("authenticate"), authentications.waiting, last.state], [2, 1, "pending"]);
    await authentications.next();
    assert.equal(last.state, "registered");
    await third.registry.close();
    assert.deepEqual(clock.pending, []);
  });

  it("may take 60 s, and 2 minutes after one that took longer", async () => {
    const { etcd, clock, register, events, registry } = setUp();
    etcd.fault = only("authenticate", "hang");
    register();
    const told = () => events.map((event) => (event as { cause: Error }).cause.message.replace(/.*answer /, ""));
    await clock.advance(59_999);
    assert.deepEqual(told(), []);
    await clock.advance(1);
    assert.deepEqual(told(), ["within 60000 ms"]);
    await clock.advance(600_000);
    assert.deepEqual(told().slice(0, 3), ["within 60000 ms", "within 120000 ms", "within 120000 ms"]);
    await registry.close();
  });

  it("that fails is tried again after pauses that grow to tens of seconds", async () => {
    const one = setUp();
    const atMs: number[] = [];
    one.etcd.fault = (call) => {
      if (call.method === "authenticate") atMs.push(one.clock.now());
      return call.method === "authenticate" ? failing : undefined;
    };
    const registrations = [1, 2, 3].map((n) => one.register({ address: `10.0.0.${n}:8000` }));
    const watch = follow(one);
    await one.clock.advance(600_000);
    const pauses = atMs.slice(1).map((at, i) => at - atMs[i]!);
    assert.ok(pauses[0]! <= 1_500, `the first after ${pauses[0]} ms`);
    assert.ok(pauses.slice(6).every((pause) => pause >= 20_000 && pause <= 60_000), `${pauses}`);
    assert.ok(new Set(pauses.slice(6)).size > 1, "with jitter");
    // Everybody is told, and when it is tried again.
    const [failed] = one.events.filter(({ type }) => type === "registration-failed");
    assert.equal((failed as { retryInMs: number }).retryInMs, Math.round(pauses[0]!));
    await assert.rejects(one.registry.resolver("b").list!(new AbortController().signal), /request timed out/);
    assert.equal(one.etcd.count("authenticate"), atMs.length);
    one.etcd.fault = () => undefined;
    await one.clock.advance(60_000);
    assert.ok(registrations.every(({ state }) => state === "registered"));
    await watch.stop();
    await one.registry.close();
  });

  it("that was never sent is tried again within 2 s", async () => {
    const { etcd, clock, register, registry } = setUp({ endpoints: ["e1:1", "e2:1"] });
    etcd.unsent = () => true;
    etcd.fault = () => new Error("connection refused");
    const registration = register();
    await clock.advance(600_000);
    assert.ok(etcd.count("authenticate") >= 300);
    assert.ok(etcd.calls.every(({ endpoint }, i) => endpoint !== etcd.calls[i + 1]?.endpoint), "at another each time");
    etcd.fault = () => undefined;
    await clock.advance(2_000);
    assert.equal(registration.state, "registered");
    await registry.close();
  });

  it("that was never sent is made at another endpoint at once, so that a list finds the one that is up", async () => {
    const { etcd, clock, registry } = setUp({ endpoints: ["e1:1", "e2:1", "e3:1"] });
    etcd.unsent = () => true;
    etcd.fault = ({ endpoint }) => endpoint === "e3:1" ? undefined : new Error("connection refused");
    const listed = registry.resolver("a").list!(new AbortController().signal);
    await settled();
    assert.deepEqual(await listed, { endpoints: [] });
    assert.equal(clock.now(), 0);
    await registry.close();
  });

  it("with a wrong password is made every 30 s for all, whenever they began, and is right for all at once", async () => {
    const one = setUp();
    one.etcd.password = "another";
    const registrations: Registration[] = [];
    for (let n = 0; n < 20; n++) {
      registrations.push(one.register({ address: `10.0.0.${n}:8000` }));
      await one.clock.advance(7_000);
    }
    await one.clock.advance(160_000);
    assert.equal(one.etcd.count("authenticate"), 11, "in 300 s");
    assert.ok(registrations.every(({ state }) => state === "pending"));
    one.etcd.password = "secret";
    await one.clock.advance(30_000);
    assert.ok(registrations.every(({ state }) => state === "registered"));
    await one.registry.close();
  });

  it("is made less and less often while one new token after another is refused", async () => {
    const { etcd, clock, register, registry } = setUp();
    const registration = register();
    await settled();
    // As by members that don't share their tokens.
    etcd.fault = (call) => {
      if (call.method !== "range" && call.method !== "txn") return undefined;
      return new Error("etcdserver: invalid auth token");
    };
    await clock.advance(600_000);
    assert.ok(etcd.count("authenticate") < 40, `${etcd.count("authenticate")} in 600 s`);
    assert.equal(registration.state, "registered");
    const closing = registry.close();
    await clock.advance(2_000);
    await closing;
  });

  it("goes on while the token that is there stays in use, where an etcd endpoint still takes it", async () => {
    const one = setUp({ endpoints: ["e1:1", "e2:1"] });
    const watch = follow(one);
    await settled();
    const used = one.etcd.calls[0]!.endpoint;
    const authentications = held(one.etcd);
    // Restarted: it knows no token any more. The other does.
    one.etcd.forgotten.set(used, one.etcd.token);
    one.etcd.stream.fail();
    const listed = [1, 2, 3].map(() => one.registry.resolver("b").list!(new AbortController().signal));
    await one.clock.advance(3_000);
    assert.equal(authentications.waiting, 1);
    assert.equal(watch.seen.at(-1)?.stale, false, "the watch is on the other endpoint, with the old token");
    one.etcd.token = "token-2";
    await authentications.next();
    await Promise.all(listed);
    assert.equal(one.etcd.calls.at(-1)?.token, "token-2");
    assert.equal(one.etcd.count("authenticate"), 2);
    await watch.stop();
    await one.registry.close();
  });
});

describe("a lease whose user has no good token", () => {
  it("is kept alive without one where etcd asks for none, however long the authentication takes", async () => {
    const one = setUp();
    const states: string[] = [];
    const registration = one.register({ onState: (state) => states.push(state) });
    await one.clock.advance(12_000);
    const authentications = held(one.etcd);
    one.etcd.token = "token-2";
    const before = one.etcd.count("leaseKeepAlive");
    // It is not asked for at once, as by everybody else.
    await one.clock.advance(3_500);
    assert.equal(authentications.waiting, 0);
    for (let asked = 0; asked < 2; asked++) {
      await one.clock.advance(64_000);
      assert.equal(authentications.waiting, 1);
    }
    assert.ok(one.etcd.count("leaseKeepAlive") - before >= 10, "every third of the TTL");
    assert.deepEqual([one.etcd.count("leaseGrant"), states], [1, ["registered"]]);
    // With the token it looks at its key, and makes the update that waited.
    one.etcd.remove("/grpclb/a/10.0.0.5:8000");
    const updated = registration.update({});
    await authentications.next();
    await one.clock.advance(0);
    await updated;
    assert.ok(one.etcd.keys.has("/grpclb/a/10.0.0.5:8000"));
    await one.registry.close();
  });

  it("is reported as refused once for each authentication, however often renewals fail", async () => {
    const one = setUp();
    one.etcd.checksKeepAlive = true;
    one.register();
    await one.clock.advance(12_000);
    one.etcd.password = "another";
    one.etcd.token = "token-2";
    await one.clock.advance(100_000);
    const refused = one.types().filter((type) => type === "auth-refused").length;
    assert.deepEqual([refused, one.etcd.count("authenticate")], [4, 1 + 4]);
    await one.registry.close();
  });

  for (const asked of ["update", "renew"] as const) {
    it(`${asked} asks for a new token at once`, async () => {
      const one = setUp({ random: () => 0.9 });
      const registration = one.register({ ttlSeconds: 60 });
      await settled();
      one.etcd.token = "token-2";
      // A look at the key waits before it asks for a token.
      await one.clock.advance(61_000);
      assert.equal(one.etcd.count("authenticate"), 1);
      let done = false;
      void registration[asked]({}).then(() => (done = true), () => {});
      await one.clock.advance(0);
      assert.deepEqual([one.etcd.count("authenticate"), done], [2, true]);
      await one.registry.close();
    });
  }

  it("waits for a new one only where etcd refuses the old one", async () => {
    const one = setUp();
    one.etcd.checksKeepAlive = true;
    const states: string[] = [];
    one.register({ onState: (state) => states.push(state) });
    await one.clock.advance(12_000);
    const authentications = held(one.etcd);
    one.etcd.token = "token-2";
    await one.clock.advance(8_000);
    assert.equal(authentications.waiting, 1);
    await authentications.next();
    const last = one.etcd.calls.findLast(({ method }) => method === "leaseKeepAlive");
    assert.equal(last?.token, "token-2");
    assert.deepEqual([one.etcd.count("leaseGrant"), states], [1, ["registered"]]);
    await one.registry.close();
  });

  it("is revoked within 2 s of close, or left to its TTL", async () => {
    const one = setUp();
    const registration = one.register();
    await one.clock.advance(12_000);
    held(one.etcd);
    one.etcd.token = "token-2";
    let closed = false;
    const closing = registration.close().then(() => (closed = true));
    await one.clock.advance(1_999);
    assert.equal(closed, false);
    assert.ok(one.clock.held > 0);
    await one.clock.advance(1);
    await closing;
    await one.registry.close();
    assert.deepEqual(one.clock.pending, []);
  });

  it("a list that waits for a token holds the process", async () => {
    const one = setUp();
    const authentications = held(one.etcd);
    const listed = one.registry.resolver("a").list!(new AbortController().signal);
    await settled();
    assert.equal(one.clock.held, 1);
    await authentications.next();
    await listed;
    assert.equal(one.clock.held, 0);
    await one.registry.close();
  });
});
