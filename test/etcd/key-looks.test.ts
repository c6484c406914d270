// When a registration looks at its key, on a scripted etcd and a clock that the test turns.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EtcdClient } from "../../src/etcd/client/client.ts";
import { KeyLooks, type LookOptions } from "../../src/etcd/registration/key-looks.ts";
import { LeasedKey } from "../../src/etcd/registration/leased-key.ts";
import type { Waiter } from "../../src/registry/waiters.ts";
import { etcdNaming } from "../../src/registry/layout/etcd-naming.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { FakeEtcd } from "./fake-etcd.ts";

const KEY = "/grpclb/a/10.0.0.5:8000";
const never = new AbortController().signal;
const waiter: Waiter = { resolve() {}, reject() {} };

/** The looks at a key that was acquired, and none of which has been made. */
async function setUp({ ttlSeconds = 15, password }: { ttlSeconds?: number; password?: string } = {}) {
  const etcd = new FakeEtcd(), clock = new ManualClock();
  const endpoints = [{ address: "e1:1" }];
  etcd.password = password;
  const user = password === undefined ? undefined : { name: "u", password };
  const client = new EtcdClient({ driver: etcd, endpoints, user, clock, random: () => 0.5 });
  const layout = etcdNaming({ prefix: "/grpclb" });
  const key = new LeasedKey(client, layout, { service: "a", address: "10.0.0.5:8000", ttlSeconds });
  await key.acquire({}, never);
  const looks = new KeyLooks(clock, key);
  const look = async (options: Partial<LookOptions> = {}) => {
    const untilMs = clock.now() + 5_000, wake = new AbortController();
    return await looks.look({ attributes: {}, updates: [], known: "ours", hurried: false, untilMs, wake, ...options });
  };
  /** How many reads the looks have cost. */
  const reads = () => etcd.count("range");
  /** Answers to reads wait until the test opens this. */
  let open = () => {};
  const hold = () => {
    const opened = new Promise<void>((resolve) => (open = resolve));
    etcd.gate = ({ method }) => method === "range" ? opened : undefined;
  };
  return { etcd, clock, looks, look, reads, hold, open: () => open() };
}

describe("the looks at a key", () => {
  it("are due at first, and then once per TTL, but no more often than every 5 s", async () => {
    for (const [ttlSeconds, everyMs] of [[15, 15_000], [2, 5_000]] as const) {
      const { clock, look, reads } = await setUp({ ttlSeconds });
      assert.deepEqual(await look(), { standing: "ours", updates: [] });
      assert.equal(reads(), 1);
      await clock.advance(everyMs - 1);
      assert.deepEqual(await look(), { standing: "ours", updates: [] });
      assert.equal(reads(), 1);
      await clock.advance(1);
      await look();
      assert.equal(reads(), 2);
    }
  });

  it("are due at once after the connection was lost, also during a look", async () => {
    const { etcd, looks, look, reads } = await setUp();
    await look();
    looks.connectionLost();
    etcd.lateFault = () => {
      looks.connectionLost();
      return undefined;
    };
    await look();
    etcd.lateFault = () => undefined;
    await look();
    await look();
    assert.equal(reads(), 3);
  });

  it("are due when the registration says so", async () => {
    const { clock, looks, look, reads } = await setUp();
    await look();
    looks.dueAt(1_000);
    await clock.advance(999);
    await look();
    assert.equal(reads(), 1);
    await clock.advance(1);
    await look();
    assert.equal(reads(), 2);
  });

  it("are always due while another program holds the key", async () => {
    const { etcd, look, reads } = await setUp();
    etcd.leases.set(99n, 60n);
    etcd.put(KEY, "another's", 99n);
    for (const known of ["ours", "taken", "taken"] as const) {
      assert.deepEqual(await look({ known }), { standing: "taken", updates: [] });
    }
    assert.equal(reads(), 3);
  });

  it("continue when they take too long, and a later call gets the outcome", async () => {
    const { etcd, clock, look, reads, hold, open } = await setUp();
    hold();
    etcd.remove(KEY);
    const first = look();
    await clock.advance(5_000);
    assert.deepEqual(await first, { standing: "ours", updates: [] });
    const second = look();
    await settled();
    open();
    assert.deepEqual(await second, { standing: "put-again", updates: [] });
    assert.equal(reads(), 1);
    await clock.advance(14_999);
    await look();
    assert.equal(reads(), 1, "the next is due a TTL after the outcome");
  });

  it("end their wait when something else is to be done", async () => {
    const { look, reads, hold, open } = await setUp();
    hold();
    const wake = new AbortController();
    const looking = look({ wake });
    await settled();
    wake.abort();
    assert.deepEqual(await looking, { standing: "ours", updates: [] });
    open();
    assert.deepEqual([await look(), reads()], [{ standing: "ours", updates: [] }, 1]);
  });

  it("put new attributes, due or not, and name the callers that wait for them", async () => {
    const { etcd, look, reads } = await setUp();
    await look();
    const updates = [waiter];
    const { standing, updates: settledOnes } = await look({ attributes: { metadata: 7 }, updates, hurried: true });
    assert.deepEqual([standing, settledOnes === updates, reads()], ["ours", true, 1]);
    assert.match(new TextDecoder().decode(etcd.keys.get(KEY)?.value), /"Metadata":7/);
  });

  it("name the callers of a put that took long when it has ended, and nobody before", async () => {
    const { etcd, clock, look } = await setUp();
    await look();
    let open = () => {};
    const opened = new Promise<void>((resolve) => (open = resolve));
    etcd.gate = ({ method }) => method === "txn" ? opened : undefined;
    const updates = [waiter];
    const putting = look({ updates, hurried: true });
    await clock.advance(5_000);
    assert.deepEqual(await putting, { standing: "ours", updates: [] });
    open();
    assert.equal((await look({ hurried: true })).updates, updates);
  });

  it("that nobody waits for are canceled for a caller who waits, before the next one begins", async () => {
    const { etcd, clock, look } = await setUp();
    const order: string[] = [];
    etcd.gate = (_, signal) => {
      order.push("begins");
      signal.addEventListener("abort", () => order.push("canceled"));
      return order.length === 1 ? new Promise(() => {}) : undefined;
    };
    const slow = look();
    await clock.advance(5_000);
    await slow;
    assert.deepEqual(await look({ hurried: true }), { standing: "ours", updates: [] });
    assert.deepEqual(order, ["begins", "canceled", "begins"]);
  });

  it("that a caller waits for continue for others who wait", async () => {
    const { clock, look, reads, hold, open } = await setUp();
    hold();
    const slow = look({ hurried: true });
    await clock.advance(5_000);
    await slow;
    const again = look({ hurried: true });
    open();
    assert.deepEqual([await again, reads()], [{ standing: "ours", updates: [] }, 1]);
  });

  it("leave nothing behind when they are stopped, and say nothing of how they end", async () => {
    const { clock, looks, look, reads, hold } = await setUp();
    hold();
    const slow = look();
    await clock.advance(5_000);
    await slow;
    looks.stop();
    looks.stop();
    await settled();
    assert.deepEqual(clock.pending, []);
    const next = look();
    await clock.advance(5_000);
    await next;
    assert.equal(reads(), 2);
    looks.stop();
  });

  it("may wait half a minute for a new token, unless a caller waits", async () => {
    for (const [hurried, waits] of [[false, true], [true, false]] as const) {
      const { etcd, clock, look } = await setUp({ password: "secret" });
      etcd.token = "token-2";
      const looking = look({ hurried });
      await settled();
      assert.equal(clock.pending.includes(15_000), waits);
      await clock.advance(5_000);
      await looking;
    }
  });

  it("that fail are reported to the one who looks", async () => {
    const { etcd, look, reads } = await setUp();
    etcd.fault = () => new Error("connection refused");
    await assert.rejects(look(), /connection refused/);
    etcd.fault = () => undefined;
    assert.deepEqual([await look(), reads()], [{ standing: "ours", updates: [] }, 2]);
  });
});
