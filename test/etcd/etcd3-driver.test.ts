// What the etcd3 driver asks of the package, and what it makes of its answers, message by message.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AttemptContext, EtcdDriver } from "../../src/etcd/driver/driver.ts";
import { createEtcd3Driver } from "../../src/etcd/driver/etcd3/etcd3-driver.ts";
import { settled } from "../support/manual-clock.ts";
import { bytes, range } from "./drivers.ts";
import { type FakeCall, fakeEtcd3 } from "./fake-etcd3.ts";

const ZERO = { clusterId: 0n, revision: 0n, raftTerm: 0n };
const HEADER = { cluster_id: "7", member_id: "8", revision: "9", raft_term: "2" };
const header = { clusterId: 7n, revision: 9n, raftTerm: 2n };
const key = bytes("k"), value = bytes("v");
const KV = { key, value, create_revision: "2", mod_revision: "3", lease: "4" };
const kv = { key, value, createRevision: 2n, modRevision: 3n, lease: 4n };
const UNAVAILABLE = 14;

function setUp() {
  const { Etcd3, clients } = fakeEtcd3();
  const driver = createEtcd3Driver({ Etcd3 });
  const caller = new AbortController();
  const call: AttemptContext = { endpoint: { address: "e1:1" }, signal: caller.signal };
  /** A call in flight. */
  const begun = async <T>(attempt: Promise<T>): Promise<{ readonly made: FakeCall; readonly ended: Promise<T> }> => {
    attempt.catch(() => {});
    await settled();
    return { made: clients[0]!.calls.at(-1)!, ended: attempt };
  };
  /** Makes a call and answers it. Returns what was sent, and the outcome. */
  const answered = async <T>(attempt: Promise<T>, answer: object): Promise<readonly [sent: unknown, outcome: T]> => {
    const { made, ended } = await begun(attempt);
    made.answer(answer);
    return [[made.method, ...made.sent], await ended];
  };
  return { driver, clients, caller, call, begun, answered };
}

describe("the etcd3 driver's requests", () => {
  it("are a range, of one key or of many", async () => {
    const { driver, call, answered } = setUp();
    assert.deepEqual(await answered(driver.range({ key }, call), { header: HEADER, kvs: [KV], more: true }), [
      ["range", { key }],
      { header, kvs: [kv], more: true },
    ]);
    const { key: from, rangeEnd } = range("a/");
    const answer = { header: null, kvs: [], more: false };
    assert.deepEqual(await answered(driver.range({ ...range("a/"), limit: 5n }, call), answer), [
      ["range", { key: from, range_end: rangeEnd, limit: "5" }],
      { header: ZERO, kvs: [], more: false },
    ]);
  });

  it("are a transaction, whose reads are answered", async () => {
    const { driver, call, answered } = setUp();
    const request = {
      compare: [{ target: "version", key, value: 0n }, { target: "lease", key, value: 5n }],
      success: [{ put: { key, value, lease: 5n } }],
      failure: [{ range: { key } }],
    } as const;
    const responses = [{}, { response_range: null }, { response_range: { kvs: [KV] } }];
    assert.deepEqual(await answered(driver.txn(request, call), { header: HEADER, succeeded: true, responses }), [
      ["txn", {
        compare: [
          { result: "Equal", key, target: "Version", version: "0" },
          { result: "Equal", key, target: "Lease", lease: "5" },
        ],
        success: [{ request_put: { key, value, lease: "5" } }],
        failure: [{ request_range: { key } }],
      }],
      { header, succeeded: true, kvs: [kv] },
    ]);
  });

  it("are those of leases, for a token, and for a member's status", async () => {
    const { driver, call, answered } = setUp();
    assert.deepEqual(await answered(driver.leaseGrant({ id: 7n, ttlSeconds: 60n }, call), { TTL: "59" }), [
      ["leaseGrant", { ID: "7", TTL: "60" }],
      59n,
    ]);
    assert.deepEqual(await answered(driver.leaseRevoke(7n, call), {}), [["leaseRevoke", { ID: "7" }], undefined]);
    const left = { TTL: "0", grantedTTL: "60", keys: [key] };
    assert.deepEqual(await answered(driver.leaseTimeToLive({ id: 7n, keys: true }, call), left), [
      ["leaseTimeToLive", { ID: "7", keys: true }],
      { ttlSeconds: 0n, grantedSeconds: 60n, keys: [key] },
    ]);
    const gone = { TTL: "-1", grantedTTL: "0", keys: [] };
    assert.deepEqual(await answered(driver.leaseTimeToLive({ id: 7n }, call), gone), [
      ["leaseTimeToLive", { ID: "7", keys: false }],
      undefined,
    ]);
    const user = { name: "u", password: "p" };
    assert.deepEqual(await answered(driver.authenticate!(user, call), { token: "t" }), [["authenticate", user], "t"]);
    const status = { version: "3.5.9", leader: "2", dbSize: "5", raftIndex: "6" };
    assert.deepEqual(await answered(driver.status(call), { ...status, header: HEADER }), [
      ["status"],
      { header, version: "3.5.9", memberId: 8n, leaderId: 2n, dbSizeBytes: 5n, raftIndex: 6n },
    ]);
    assert.equal((await answered(driver.status(call), { ...status, header: null }))[1].memberId, 0n);
  });

  it("have the token, and ask for the leader if they are watches or keepalives", async () => {
    const { driver, call, begun } = setUp();
    const attempts: ((context: AttemptContext) => Promise<unknown>)[] = [
      (context) => driver.range({ key }, context),
      (context) => driver.leaseKeepAlive(7n, context),
      (context) => driver.watch(context).responses[Symbol.asyncIterator]().next(),
    ];
    const metadata = async (context: AttemptContext) => {
      const all = [];
      for (const attempt of attempts) all.push(Object.fromEntries((await begun(attempt(context))).made.metadata));
      return all;
    };
    const leader = { hasleader: "true" }, token = { token: "t" };
    assert.deepEqual(await metadata(call), [{}, leader, leader]);
    assert.deepEqual(await metadata({ ...call, ...token }), [token, { ...token, ...leader }, { ...token, ...leader }]);
  });

  it("hold no part of the package's buffers", async () => {
    const { driver, call, answered } = setUp();
    const buffer = new Uint8Array([...bytes("xx"), ...value, ...bytes("yy")]).subarray(2, 3);
    const [, { kvs }] = await answered(driver.range({ key }, call), { kvs: [{ ...KV, value: buffer }], more: false });
    assert.deepEqual(kvs[0]?.value, value);
  });
});

describe("a call of the etcd3 driver", () => {
  it("fails with the server's status, not with the package's error, and with that if there is no status", async () => {
    const { driver, call, begun, clients } = setUp();
    const failing = async (attempt: Promise<unknown>, end: (made: FakeCall) => void) => {
      const { made, ended } = await begun(attempt);
      end(made);
      return await ended.then(() => assert.fail("it succeeds"), (error: Error) => error);
    };
    const refused = (made: FakeCall) => made.status(3, "etcdserver: user name is empty");
    for (const attempt of [() => driver.range({ key }, call), () => driver.leaseKeepAlive(7n, call)]) {
      const error = await failing(attempt(), refused);
      assert.deepEqual([error.name, error.message], ["StatusError", "etcdserver: user name is empty"]);
      assert.equal(driver.classify(error), "token");
      const own = await failing(attempt(), (made) => {
        made.result.reject(new Error("closed"));
        made.push(new Error("closed"));
      });
      assert.deepEqual([own.name, own.message, driver.classify(own)], ["Error", "closed", "transient"]);
    }
    const denied = await failing(driver.range({ key }, call), (made) => made.status(7, "no"));
    assert.equal(driver.classify(denied), "refused");
    assert.equal(driver.classify(Object.assign(new Error("etcdserver: permission denied"), { code: 7 })), "transient");
    // Whatever the package makes of it.
    const answered = await failing(driver.range({ key }, call), (made) => {
      made.result.resolve({ header: HEADER, kvs: [] });
      made.status(UNAVAILABLE, "etcdserver: no leader");
    });
    assert.equal(answered.message, "etcdserver: no leader");
    assert.ok(clients[0]!.calls.length > 4);
  });

  it("is never begun if it is given up in the turn in which it is made", async () => {
    const { driver, call, caller, clients } = setUp();
    const attempts = [
      driver.range({ key }, call),
      driver.leaseKeepAlive(7n, call),
      Array.fromAsync(driver.watch(call).responses),
    ];
    const reason = new Error("left");
    caller.abort(reason);
    for (const attempt of attempts) await assert.rejects(attempt, (error) => error === reason);
    await settled();
    assert.deepEqual(clients.flatMap(({ calls }) => calls), []);
  });

  it("was never sent if there was no connection", async () => {
    const { driver, call, begun } = setUp();
    const unsent = async (code: number, details: string) => {
      const { made, ended } = await begun(driver.authenticate!({ name: "u", password: "p" }, call));
      made.status(code, details);
      return driver.unsent!(await ended.catch((error: unknown) => error));
    };
    assert.equal(await unsent(UNAVAILABLE, "No connection established. Last error: refused"), true);
    assert.equal(await unsent(UNAVAILABLE, "Name resolution failed for target"), true);
    assert.equal(await unsent(UNAVAILABLE, "Connection dropped"), false);
    assert.equal(driver.unsent!(new Error("No connection established")), false);
  });

  it("ends with its caller", async () => {
    for (const attempt of [(driver: EtcdDriver, call: AttemptContext) => driver.range({ key }, call), keepAlive]) {
      const { driver, call, caller, begun } = setUp();
      const { made, ended } = await begun<unknown>(attempt(driver, call));
      caller.abort();
      await assert.rejects(ended, /canceled/);
      assert.deepEqual(made.cancels, [1]);
    }
  });

  it("that has ended is not cancelled by its caller", async () => {
    const { driver, call, caller, begun } = setUp();
    const { made, ended } = await begun(driver.range({ key }, call));
    made.answer({ header: HEADER, kvs: [], more: false });
    await ended;
    caller.abort();
    assert.deepEqual(made.cancels, []);
  });
});

const keepAlive = (driver: EtcdDriver, call: AttemptContext) => driver.leaseKeepAlive(7n, call);

describe("a keepalive of the etcd3 driver", () => {
  it("ends its side once it is answered, and leaves the rest to the server", async () => {
    const { driver, call, begun } = setUp();
    const { made, ended } = await begun(driver.leaseKeepAlive(7n, call));
    assert.deepEqual(made.sent, [{ ID: "7" }]);
    made.push({ TTL: "5" });
    assert.equal(await ended, 5n);
    await settled();
    assert.deepEqual([made.sent, made.cancels], [[{ ID: "7" }, "end"], []]);
    made.status(0);
    made.push("end");
    await settled();
    assert.deepEqual(made.cancels, []);
  });

  it("resets the oldest of 17 streams that the server leaves open", async () => {
    const { driver, call, begun, clients } = setUp();
    for (let n = 0; n < 17; n++) {
      const { made, ended } = await begun(driver.leaseKeepAlive(7n, call));
      made.push({ TTL: "5" });
      await ended;
    }
    assert.deepEqual(clients[0]?.calls.map(({ cancels }) => cancels.length), [1, ...Array(16).fill(0)]);
  });

  it("fails where its stream ends without an answer, which is then cancelled", async () => {
    const { driver, call, begun } = setUp();
    const { made, ended } = await begun(driver.leaseKeepAlive(7n, call));
    made.push("end");
    await assert.rejects(ended, /^Error: etcd ended a keepalive without an answer$/);
    assert.deepEqual(made.cancels, [1]);
  });
});

describe("a watch of the etcd3 driver", () => {
  const request = { ...range("a/"), watchId: 1n, startRevision: 5n };
  const none = {
    header: null,
    watch_id: "1",
    created: false,
    canceled: false,
    compact_revision: "0",
    cancel_reason: "",
    fragment: false,
    events: [],
  };

  it("sends what was asked for before it was open, and what is asked for then, in order", async () => {
    const { driver, call, begun } = setUp();
    assert.deepEqual(driver.capabilities, { progress: true });
    const stream = driver.watch(call);
    stream.create(request);
    stream.requestProgress();
    const { made, ended } = await begun(Array.fromAsync(stream.responses));
    stream.cancel(1n);
    const { key: from, rangeEnd: range_end } = range("a/");
    const create = { watch_id: "1", key: from, range_end, start_revision: "5", progress_notify: true, fragment: true };
    assert.deepEqual(made.sent, [
      { create_request: create },
      { progress_request: {} },
      { cancel_request: { watch_id: "1" } },
    ]);
    const canceled = { canceled: true, compact_revision: "6", cancel_reason: "compacted" };
    const events = [{ type: "Put", kv: KV }, { type: "Delete", kv: KV }, { type: "Put", kv: null }];
    for (const more of [{ created: true, header: HEADER }, { events, fragment: true }, canceled]) {
      made.push({ ...none, ...more });
    }
    made.status(0);
    made.push("end");
    const common = {
      header: ZERO,
      watchId: 1n,
      created: false,
      canceled: false,
      compactRevision: 0n,
      cancelReason: "",
    };
    assert.deepEqual(await ended, [
      { ...common, header, created: true, fragment: false, events: [] },
      { ...common, fragment: true, events: [{ type: "put", kv }, { type: "delete", kv }] },
      { ...common, canceled: true, compactRevision: 6n, cancelReason: "compacted", fragment: false, events: [] },
    ]);
    stream.requestProgress();
    assert.equal(made.sent.length, 3, "dropped after its end");
  });

  it("fails with the server's status, also where the package only ends the stream", async () => {
    for (const end of ["status", "end", "own"] as const) {
      const { driver, call, begun } = setUp();
      const { made, ended } = await begun(Array.fromAsync(driver.watch(call).responses));
      if (end === "end") made.push("end");
      if (end === "own") made.push(new Error("the package's own"));
      else made.status(UNAVAILABLE, "etcdserver: no leader");
      const error = await ended.then(() => assert.fail("it ends"), (error: Error) => error);
      assert.equal(error.message, end === "own" ? "the package's own" : "etcdserver: no leader");
      assert.deepEqual(made.cancels, end === "own" ? [1] : []);
    }
  });

  it("is ended before it is cancelled, by its caller, its reader, its session and its driver", async () => {
    const ends: Record<string, (all: ReturnType<typeof setUp>, responses: AsyncIterator<unknown>) => unknown> = {
      caller: ({ caller }) => caller.abort(),
      reader: (_, responses) => responses.return!(),
      session: ({ driver, call: { endpoint } }) => driver.reset(endpoint, driver.generation(endpoint)),
      driver: ({ driver }) => driver.close(),
    };
    for (const [who, end] of Object.entries(ends)) {
      const all = setUp();
      const stream = all.driver.watch(all.call);
      const responses = stream.responses[Symbol.asyncIterator]();
      const { made, ended } = await all.begun(responses.next());
      made.push(none);
      await ended;
      const next = who === "reader" ? undefined : responses.next().catch((error: Error) => error.message);
      await end(all, responses);
      assert.deepEqual(made.sent, ["end", "cancel"], who);
      stream.requestProgress();
      assert.equal(made.sent.length, 2, "dropped after its end");
      if (next !== undefined) assert.equal(await next, "the call was canceled");
    }
  });
});
