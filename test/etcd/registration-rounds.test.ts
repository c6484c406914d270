// Round by round: when a registration asks etcd, what it reports, and what its end leaves behind. On a scripted etcd and a
// clock that the test turns.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EtcdRegistryOptions } from "../../src/etcd/options.ts";
import { etcdNaming } from "../../src/registry/layout/etcd-naming.ts";
import type { RegisterOptions } from "../../src/registry/registry.ts";
import { settled } from "../support/manual-clock.ts";
import type { Call } from "./fake-etcd.ts";
import { setUp as scripted } from "./scripted.ts";

const KEY = "/grpclb/a/10.0.0.5:8000";
const down = new Error("connection refused"), denied = new Error("etcdserver: permission denied");
/** One that stores attributes, with keys like those of the default one. */
const layout = etcdNaming({ prefix: "/grpclb" });
const only = (method: Call["method"], error: Error | "hang") => (call: Call) =>
  call.method === method ? error : undefined;

/** A registry, and what its registrations do. */
function setUp(options: Partial<EtcdRegistryOptions> = {}) {
  const all = scripted({ layout, ...options });
  const { etcd, clock, registry, events } = all;
  const register = (more: Partial<RegisterOptions> = {}) =>
    registry.register({ service: "a", address: "10.0.0.5:8000", ttlSeconds: 15, ...more });
  /** When each call of a method is made from now on, in milliseconds from now. */
  const timesOf = (method: Call["method"], fault: Error | "hang" | undefined) => {
    const times: number[] = [], fromMs = clock.now();
    etcd.fault = (call) => {
      if (call.method !== method) return undefined;
      times.push(clock.now() - fromMs);
      return fault;
    };
    return times;
  };
  const value = () => new TextDecoder().decode(etcd.keys.get(KEY)?.value);
  const causes = () => events.flatMap((event) => "cause" in event ? [`${event.type}: ${event.cause.message}`] : []);
  return { ...all, register, timesOf, value, causes };
}

describe("a registration", () => {
  it("is written with the attributes that it was registered with, and refuses those that the layout can't store", async () => {
    const { register, value } = setUp();
    register({ metadata: { version: 2 } });
    await settled();
    assert.match(value(), /"version":2/);
    const plain = scripted().registry;
    assert.throws(() => plain.register({ service: "a", address: "10.0.0.5:8000", weight: 2 }), /weight/);
    const registration = plain.register({ service: "a", address: "10.0.0.5:8000" });
    await assert.rejects(registration.update({ zone: "b" }), /zone/);
    await plain.close();
  });

  it("is suspect when its lease has not been renewed for a TTL, whatever it waits for", async () => {
    const { etcd, clock, register, causes } = setUp({ requestTimeoutMs: 20_000 });
    const registration = register();
    await clock.advance(10_000);
    etcd.fault = () => "hang";
    await clock.advance(14_999);
    assert.equal(registration.state, "registered");
    await clock.advance(1);
    assert.equal(registration.state, "suspect");
    assert.deepEqual(causes(), ["registration-suspect: etcd did not answer for 15000 ms"]);
  });

  it("reports that another program took its key when it first sees that, and once", async () => {
    const { etcd, clock, register, types } = setUp();
    register();
    await settled();
    etcd.leases.set(99n, 60n);
    etcd.put(KEY, "another's", 99n);
    await clock.advance(14_999);
    assert.deepEqual(types(), ["registered"]);
    await clock.advance(1);
    assert.deepEqual(types(), ["registered", "key-taken"]);
    await clock.advance(60_000);
    assert.deepEqual(types(), ["registered", "key-taken"]);
  });

  it("that may not take over waits until another's entry is gone, says so once, and never removes it", async () => {
    const { etcd, clock, register, types, causes, value } = setUp();
    etcd.leases.set(99n, 60n);
    etcd.put(KEY, "another's", 99n);
    const registration = register({ takeOver: false });
    await clock.advance(60_000);
    assert.deepEqual([registration.state, types(), value()], ["pending", ["key-taken"], "another's"]);
    assert.match(causes()[0]!, /held by another program, under the lease 63; it is put when that one is gone/);
    const other = register({ takeOver: false });
    await clock.advance(1_000);
    await other.close();
    assert.equal(value(), "another's");
    etcd.expire(99n);
    await clock.advance(6_000);
    await registration.ready;
    assert.deepEqual([registration.state, types().at(-1)], ["registered", "registered"]);
    assert.match(value(), /10\.0\.0\.5:8000/);
    await registration.close();
    assert.equal(etcd.keys.has(KEY), false);
  });

  it("that may not take over writes a key that nobody has at once", async () => {
    const { register, types } = setUp();
    register({ takeOver: false });
    await settled();
    assert.deepEqual(types(), ["registered"]);
  });

  it("whose connection is lost while it retries keeps to its backoff", async () => {
    const { etcd, clock, register, timesOf } = setUp({ random: () => 0.999 });
    register();
    await settled();
    etcd.fault = () => down;
    // The backoff grows to 2 s.
    await clock.advance(20_000);
    const before = etcd.count("leaseKeepAlive");
    while (etcd.count("leaseKeepAlive") === before) await clock.advance(1);
    const times = timesOf("leaseKeepAlive", down);
    etcd.lose("e1:1");
    await clock.advance(2_500);
    assert.deepEqual(times, [1_998]);
  });

  it("looks at its key when a caller wants it renewed right after a failure", async () => {
    const { etcd, clock, register } = setUp();
    const registration = register();
    await settled();
    etcd.fault = only("leaseKeepAlive", down);
    await clock.advance(5_000);
    etcd.fault = () => undefined;
    await registration.renew();
    assert.equal(etcd.count("range"), 1);
  });

  it("with a short TTL keeps to its backoff, unless etcd refuses the user: then it is a sixth of the TTL", async () => {
    for (const [fault, delays] of [[down, [0, 50, 100, 200, 400]], [denied, [0, 500, 500, 500, 500]]] as const) {
      const { clock, register, timesOf } = setUp();
      register({ ttlSeconds: 3 });
      await clock.advance(999);
      const times = timesOf("leaseKeepAlive", fault);
      await clock.advance(1 + 2_000);
      const gaps = times.map((ms, i) => ms - (times[i - 1] ?? 1));
      assert.deepEqual(gaps.slice(0, 5), delays);
    }
  });

  it("that etcd refuses waits 30 s while it has no lease", async () => {
    const { clock, register, timesOf } = setUp();
    const times = timesOf("leaseGrant", denied);
    register();
    await clock.advance(60_000);
    assert.deepEqual(times, [0, 30_000, 60_000]);
  });

  it("that has no token stays at its endpoint, and one that got no answer goes to the next", async () => {
    for (const [method, next] of [["authenticate", "e1:1"], ["leaseGrant", "e2:1"]] as const) {
      const { etcd, clock, registry, register } = setUp({
        endpoints: ["e1:1", "e2:1"],
        username: "u",
        password: "secret",
        random: () => 0.25,
      });
      etcd.password = "secret";
      let failures = 1;
      etcd.fault = (call) => call.method === method && failures-- > 0 ? down : undefined;
      register();
      await clock.advance(2_000);
      const endpoints = etcd.calls.filter(({ method }) => method === "txn").map(({ endpoint }) => endpoint);
      assert.deepEqual(endpoints, [next]);
      await registry.close();
    }
  });

  it("cancels a look at its key when its lease is gone", async () => {
    const { etcd, clock, register, types } = setUp();
    register();
    await clock.advance(14_999);
    let canceled = false;
    etcd.gate = ({ method }, signal) => {
      if (method !== "range") return undefined;
      signal.addEventListener("abort", () => (canceled = true));
      return new Promise(() => {});
    };
    await clock.advance(1);
    etcd.expire([...etcd.leases.keys()][0] as bigint);
    assert.equal(canceled, false);
    await clock.advance(5_000);
    assert.deepEqual([canceled, types(), etcd.keys.size], [true, ["registered", "lease-lost", "registered"], 1]);
  });
});

describe("a caller of a registration", () => {
  it("of renew keeps the process alive, and leaves no timer behind", async () => {
    const { etcd, clock, register } = setUp();
    const registration = register();
    await settled();
    let open = () => {};
    etcd.gate = () => new Promise((resolve) => (open = resolve));
    const renewed = registration.renew();
    await settled();
    assert.equal(clock.held, 1);
    etcd.gate = () => undefined;
    open();
    await renewed;
    await settled();
    assert.deepEqual([clock.held, clock.pending], [0, [5_000, 15_000]]);
  });

  it("of renew hears after 10 s that etcd did not answer", async () => {
    const { etcd, clock, register } = setUp({ requestTimeoutMs: 20_000 });
    const registration = register({ ttlSeconds: 60 });
    await settled();
    etcd.fault = () => "hang";
    const renewing = assert.rejects(registration.renew(), /^Error: etcd did not answer within 10000 ms$/);
    await clock.advance(10_000);
    await renewing;
  });

  it("of update waits until the attributes are in etcd", async () => {
    const { etcd, clock, register, value } = setUp();
    const registration = register();
    await settled();
    etcd.fault = () => down;
    let updated = false;
    const updating = registration.update({ metadata: 7 }).then(() => (updated = true));
    await clock.advance(10_000);
    assert.equal(updated, false);
    etcd.fault = () => undefined;
    await clock.advance(2_000);
    await updating;
    assert.match(value(), /"Metadata":7/);
  });

  it("hears when the registration is closed first", async () => {
    const { etcd, clock, register } = setUp();
    const registration = register();
    await settled();
    etcd.fault = () => "hang";
    const rejected = [registration.renew(), registration.update({})].map((waiting) =>
      assert.rejects(waiting, /the registration was closed/)
    );
    await settled();
    const closed = registration.close();
    await clock.advance(2_000);
    await Promise.all([...rejected, closed]);
    assert.deepEqual(clock.pending, []);
  });
});

describe("a registration that is closed", () => {
  it("is the same with await using", async () => {
    const { etcd, register } = setUp();
    const registration = register();
    await settled();
    await registration[Symbol.asyncDispose]();
    assert.deepEqual([registration.state, etcd.leases.size], ["closed", 0]);
  });

  it("cancels the look at its key", async () => {
    const { etcd, clock, register } = setUp();
    const registration = register();
    await settled();
    etcd.fault = only("range", "hang");
    await clock.advance(15_000);
    assert.equal(etcd.count("range"), 1);
    await registration.close();
    await settled();
    assert.deepEqual([clock.pending, etcd.leases.size], [[], 0]);
  });

  it("asks, waits for and reports nothing more, whatever etcd is answering", async () => {
    for (const atMs of [0, 5_000, 15_000]) {
      for (let turns = 0; turns < 60; turns++) {
        const { etcd, clock, registry, register, types } = setUp();
        const registration = register();
        if (atMs > 0) {
          await clock.advance(atMs - 1);
          // The rest without letting anything settle.
          clock.skip(1);
          void registration.renew().catch(() => {});
        }
        for (let turn = 0; turn < turns; turn++) await Promise.resolve();
        const before = types().length;
        await registration.close();
        const { length } = etcd.calls;
        await settled();
        const left = [etcd.leases.size, clock.pending, etcd.calls.length - length, types().slice(before)];
        assert.deepEqual(left, [0, [], 0, []], `closed ${turns} turns after ${atMs} ms`);
        await registry.close();
      }
    }
  });

  it("is forgotten by its registry", async (t) => {
    const { registry, register } = setUp();
    const registration = register();
    await registration.close();
    const again = t.mock.method(registration, "close");
    await registry.close();
    assert.equal(again.mock.callCount(), 0);
  });
});
