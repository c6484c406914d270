// One key and its lease, attempt by attempt, on a scripted etcd and a clock that the test turns.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EtcdClient } from "../../src/etcd/client/client.ts";
import { LeasedKey } from "../../src/etcd/registration/leased-key.ts";
import { etcdNaming } from "../../src/registry/layout/etcd-naming.ts";
import { goZero } from "../../src/registry/layout/go-zero.ts";
import type { Layout } from "../../src/registry/layout/layout.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { type Call, FakeEtcd } from "./fake-etcd.ts";

const KEY = "/grpclb/a/10.0.0.5:8000";
const down = new Error("connection refused");
const never = new AbortController().signal;
const only = (method: Call["method"], error: Error | "hang") => (call: Call) =>
  call.method === method ? error : undefined;

/** A key of a client whose random numbers are those given, and then 0.5 each. */
function setUp({ layout = etcdNaming({ prefix: "/grpclb" }), numbers = [], endpoints = ["e1:1"] }: {
  layout?: Layout;
  numbers?: readonly number[];
  endpoints?: readonly string[];
} = {}) {
  const etcd = new FakeEtcd(), clock = new ManualClock();
  const left = [...numbers];
  const client = new EtcdClient({
    driver: etcd,
    endpoints: endpoints.map((address) => ({ address })),
    clock,
    random: () => left.shift() ?? 0.5,
    state: { start: 0 },
  });
  const key = new LeasedKey(client, layout, { service: "a", address: "10.0.0.5:8000", ttlSeconds: 15 });
  const value = () => new TextDecoder().decode(etcd.keys.get(KEY)?.value);
  const lease = () => [...etcd.leases.keys()].at(-1) as bigint;
  /** Another program writes the key, under a lease of its own. */
  const taken = () => {
    etcd.leases.set(99n, 60n);
    etcd.put(KEY, "another's", 99n);
  };
  return { etcd, clock, key, value, lease, taken };
}

describe("a leased key", () => {
  it("is spelled with its lease where the layout's keys are made of it", async () => {
    const { etcd, key, lease } = setUp({ layout: goZero() });
    await key.acquire({}, never);
    assert.equal(key.key, `a/${lease()}`);
    assert.deepEqual([...etcd.keys.keys()], [key.key]);
  });

  it("has a lease whose id takes 31 bits from one random number and 32 from the next, and is never 0", async () => {
    for (
      const [numbers, id] of [[[0.5, 0.25], 0x40000000_40000000n], [[0.25, 0.5], 0x20000000_80000000n], [
        [0, 0],
        1n,
      ]] as const
    ) {
      const { etcd, key } = setUp({ numbers });
      await key.acquire({}, never);
      assert.deepEqual([...etcd.leases.keys()], [id]);
    }
  });

  it("that another took is not called ours when a lost lease is replaced", async () => {
    const { etcd, key, value, taken } = setUp();
    await key.acquire({}, never);
    taken();
    assert.equal(await key.reacquire({}, never), "taken");
    assert.deepEqual([value(), key.heldBy], ["another's", 99n]);
    etcd.expire(99n);
    assert.equal(await key.verify({}, never), "put-again");
  });

  it("is spelled without one before it has a lease", () => {
    assert.equal(setUp({ layout: goZero() }).key.key, "a/0");
  });

  it("is ours again once a lost lease is replaced, also when the answer to the put was lost", async () => {
    const { etcd, key, lease } = setUp();
    await key.acquire({}, never);
    etcd.expire(lease());
    await assert.rejects(key.keepAlive(never), /is gone/);
    assert.equal(await key.reacquire({}, never), "ours");
    etcd.expire(lease());
    await assert.rejects(key.keepAlive(never), /is gone/);
    etcd.lateFault = only("txn", down);
    etcd.fault = only("leaseRevoke", down);
    await assert.rejects(key.reacquire({}, never), /connection refused/);
    etcd.lateFault = etcd.fault = () => undefined;
    assert.equal(await key.reacquire({}, never), "ours");
    assert.equal(etcd.leases.size, 1);
  });

  it("that a restored etcd holds under the former lease is taken over, unless another program is faster", async () => {
    for (const [faster, standing] of [[false, "ours"], [true, "taken"]] as const) {
      const { etcd, key, lease, taken } = setUp({ numbers: [0.1, 0.1, 0.2, 0.2] });
      await key.acquire({}, never);
      const former = lease();
      etcd.leases.delete(former);
      await assert.rejects(key.keepAlive(never), /is gone/);
      const txns = etcd.count("txn");
      etcd.fault = ({ method }) => {
        if (faster && method === "txn" && etcd.count("txn") === txns + 2) taken();
        return undefined;
      };
      assert.equal(await key.reacquire({}, never), standing);
      assert.deepEqual([etcd.count("txn"), etcd.keys.get(KEY)?.lease === 99n], [txns + 2, faster]);
      assert.notEqual(etcd.keys.get(KEY)?.lease, former);
    }
  });

  it("costs one read to look at while it is ours, and one transaction to update", async () => {
    const { etcd, key } = setUp();
    await key.acquire({}, never);
    const { length } = etcd.calls;
    assert.equal(await key.verify({}, never), "ours");
    assert.equal(await key.update({ metadata: 1 }, never), "ours");
    assert.deepEqual(etcd.calls.slice(length).map(({ method }) => method), ["range", "txn"]);
  });

  it("names a lease that is gone by the id that etcdctl shows", async () => {
    const { etcd, key, lease } = setUp();
    await key.acquire({}, never);
    const id = lease();
    etcd.expire(id);
    await assert.rejects(key.keepAlive(never), new RegExp(`the lease ${id.toString(16)} is gone`));
    assert.equal(key.granted, false);
  });

  it("is written with new attributes where it was deleted, and not where another took it", async () => {
    const { etcd, key, value, taken } = setUp();
    await key.acquire({}, never);
    assert.equal(await key.update({ metadata: 1 }, never), "ours");
    etcd.remove(KEY);
    assert.equal(await key.update({ metadata: 2 }, never), "put-again");
    assert.match(value(), /"Metadata":2/);
    taken();
    assert.equal(await key.update({ metadata: 3 }, never), "taken");
    assert.equal(value(), "another's");
  });

  it("that another holds costs one read to look at, and no write", async () => {
    const { etcd, key, taken } = setUp();
    await key.acquire({}, never);
    taken();
    const { length } = etcd.calls;
    assert.equal(await key.verify({}, never), "taken");
    assert.deepEqual([etcd.calls.slice(length).map(({ method }) => method), key.heldBy], [["range"], 99n]);
  });

  it("that is neither gone nor shown by the answer is not ours", async () => {
    const { etcd, key } = setUp();
    await key.acquire({}, never);
    etcd.remove(KEY);
    etcd.txn = () => Promise.resolve({ header: etcd.header, succeeded: false, kvs: [] });
    assert.equal(await key.verify({}, never), "taken");
  });
});

describe("the lease of a key", () => {
  it("is another one when the id that was chosen is another program's", async () => {
    const { etcd, key } = setUp({ numbers: [0, 0, 0.25, 0.25] });
    etcd.leases.set(1n, 60n);
    await assert.rejects(key.acquire({}, never), /lease already exists/);
    assert.equal(key.granted, false);
    await key.acquire({}, never);
    assert.equal(etcd.count("leaseKeepAlive"), 0);
    assert.equal(etcd.keys.get(KEY)?.lease, 0x20000000_40000000n);
  });

  it("is not revoked when etcd refused to grant it", async () => {
    const { etcd, key } = setUp();
    etcd.fault = only("leaseGrant", new Error("etcdserver: permission denied"));
    await assert.rejects(key.acquire({}, never), /permission denied/);
    await key.release(never);
    assert.deepEqual(etcd.calls.map(({ method }) => method), ["leaseGrant"]);
  });

  it("is renewed when a grant whose answer was lost is repeated, as its TTL is running already", async () => {
    const { etcd, clock, key } = setUp();
    etcd.lateFault = only("leaseGrant", down);
    await assert.rejects(key.acquire({}, never), /connection refused/);
    etcd.lateFault = () => undefined;
    await clock.advance(9_000);
    assert.equal(await key.acquire({}, never), "ours");
    assert.deepEqual([etcd.count("leaseKeepAlive"), etcd.leases.size], [1, 1]);
    assert.deepEqual([key.renewedAtMs, key.renewAtMs], [9_000, 14_000]);
  });

  it("is not revoked when the put finds it gone", async () => {
    const { etcd, key } = setUp();
    etcd.lateFault = (call) => {
      if (call.method === "leaseGrant") etcd.expire(call.id as bigint);
      return undefined;
    };
    await assert.rejects(key.acquire({}, never), /lease not found/);
    assert.deepEqual(etcd.calls.map(({ method }) => method), ["leaseGrant", "txn"]);
  });

  it("is revoked once when a put fails, also when it is gone by then", async () => {
    for (const gone of [false, true]) {
      const { etcd, key } = setUp();
      etcd.fault = (call) => {
        if (call.method === "leaseRevoke" && gone) etcd.expire(call.id as bigint);
        return call.method === "txn" ? down : undefined;
      };
      await assert.rejects(key.acquire({}, never), /connection refused/);
      assert.deepEqual([key.granted, etcd.leases.size], [false, 0]);
      await key.release(never);
      assert.deepEqual(etcd.calls.map(({ method }) => method), ["leaseGrant", "txn", "leaseRevoke"]);
    }
  });

  it("that was granted is revoked until etcd confirms it, also if the put was given up meanwhile", async () => {
    const { etcd, clock, key } = setUp();
    etcd.fault = only("txn", "hang");
    const stop = new AbortController();
    const rejected = assert.rejects(key.acquire({}, stop.signal), /no longer wanted/);
    await settled();
    stop.abort(new Error("no longer wanted"));
    await rejected;
    let failures = 3;
    etcd.fault = ({ method }) => method === "leaseRevoke" && failures-- > 0 ? down : undefined;
    const released = key.release(never);
    await clock.advance(2_000);
    await released;
    assert.deepEqual([etcd.count("leaseRevoke"), etcd.leases.size], [4, 0]);
  });

  it("holds the process while it is being revoked, and between the attempts", async () => {
    const { etcd, clock, key } = setUp();
    await key.acquire({}, never);
    let fault: Error | "hang" | undefined = "hang";
    etcd.fault = () => fault;
    const released = key.release(never);
    await settled();
    assert.deepEqual([clock.held, clock.pending], [1, [1_000]]);
    await clock.advance(1_000);
    assert.deepEqual([clock.held, clock.pending], [1, [50]]);
    fault = undefined;
    await clock.advance(50);
    await released;
    assert.deepEqual([etcd.leases.size, clock.pending], [0, []]);
  });
});
