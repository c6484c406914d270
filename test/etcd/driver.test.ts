// The Connect driver by itself: against the etcd in memory within the process, and over scripted links.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createRouterTransport, type Transport } from "@connectrpc/connect";
import { KV, Lease, Watch } from "../../gen/etcd/rpc_pb.ts";
import type { Connector, LinkEvents } from "../../src/connection/link.ts";
import { transportConnector } from "../../src/connection/transport-connector.ts";
import { createConnectDriver } from "../../src/etcd/driver/connect/connect-driver.ts";
import type { AttemptContext } from "../../src/etcd/driver/driver.ts";
import { createMemoryEtcd } from "../../src/memory-etcd/memory-etcd.ts";
import { createRegistryOver } from "../../src/etcd/registry.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock } from "../support/manual-clock.ts";

const endpoint = { address: "127.0.0.1:2379" };
const call = (signal = new AbortController().signal): AttemptContext => ({ endpoint, signal });
const bytes = (text: string) => new TextEncoder().encode(text);

/** Links that count what is done to them, over a transport. */
function countedLinks(transport: Transport, connect: (signal: AbortSignal) => Promise<void> = () => Promise.resolve()) {
  const counts = { links: 0, connects: 0, closes: 0 };
  let events: LinkEvents | undefined;
  const connector: Connector = (_, told) => {
    counts.links++;
    events = told;
    return {
      transport,
      connect: (signal) => {
        counts.connects++;
        return connect(signal);
      },
      close: async () => void counts.closes++,
    };
  };
  return { counts, connector, events: () => events as LinkEvents };
}

describe("the Connect driver", () => {
  it("speaks etcd's API in plain structs", async () => {
    const etcd = createMemoryEtcd();
    const driver = createConnectDriver(transportConnector(() => etcd.transport()));
    const key = bytes("/a/1");
    assert.equal(await driver.leaseGrant({ id: 77n, ttlSeconds: 60n }, call()), 60n);
    const put = { put: { key, value: bytes("v"), lease: 77n } };
    const absent = { target: "version", key, value: 0n } as const;
    const first = await driver.txn({ compare: [absent], success: [put], failure: [{ range: { key } }] }, call());
    assert.deepEqual([first.succeeded, first.kvs], [true, []]);
    const again = await driver.txn({ compare: [absent], success: [put], failure: [{ range: { key } }] }, call());
    const { revision } = first.header;
    const kv = { key, value: bytes("v"), createRevision: revision, modRevision: revision, lease: 77n };
    assert.deepEqual([again.succeeded, again.kvs], [false, [kv]]);
    const held = { target: "lease", key, value: 77n } as const;
    assert.equal((await driver.txn({ compare: [held], success: [], failure: [] }, call())).succeeded, true);
    const listed = await driver.range({ key: bytes("/a/"), rangeEnd: bytes("/a0") }, call());
    assert.deepEqual([listed.kvs, listed.header.revision], [[kv], revision]);

    const left = await driver.leaseTimeToLive({ id: 77n, keys: true }, call());
    assert.ok(left !== undefined && left.ttlSeconds > 50n && left.ttlSeconds <= 60n, String(left?.ttlSeconds));
    assert.deepEqual([left.grantedSeconds, left.keys], [60n, [key]]);
    assert.deepEqual((await driver.leaseTimeToLive({ id: 77n }, call()))?.keys, []);
    assert.equal(await driver.leaseTimeToLive({ id: 78n }, call()), undefined);
    const status = await driver.status(call());
    assert.match(status.version, /^3\.4\.\d+\+memory$/);
    assert.deepEqual([status.leaderId, status.dbSizeBytes], [status.memberId, 5n]);
    assert.deepEqual(status.header, listed.header);

    const stop = new AbortController();
    const watch = { key: bytes("/a/"), rangeEnd: bytes("/a0"), startRevision: revision };
    const stream = driver.watch(call(stop.signal));
    stream.create({ ...watch, watchId: 1n });
    const responses = stream.responses[Symbol.asyncIterator]();
    assert.equal((await responses.next()).value?.created, true);
    assert.deepEqual((await responses.next()).value?.events, [{ type: "put", kv }]);
    stream.requestProgress();
    const progress = (await responses.next()).value;
    assert.deepEqual([progress?.events, progress?.header.revision], [[], revision]);
    assert.equal(await driver.leaseKeepAlive(77n, call()), 60n);
    await driver.leaseRevoke(77n, call());
    const [event] = (await responses.next()).value?.events ?? [];
    assert.deepEqual([event?.type, event?.kv.key], ["delete", key]);
    stop.abort();
    await assert.rejects(responses.next());

    assert.equal(await driver.leaseKeepAlive(77n, call()), 0n);
    const kind = (promise: Promise<unknown>) => promise.then(() => "none", (error) => driver.classify(error));
    assert.equal(await kind(driver.leaseRevoke(77n, call())), "lease-gone");
    assert.equal(await kind(driver.txn({ compare: [], success: [put], failure: [] }, call())), "lease-gone");
    await driver.leaseGrant({ id: 78n, ttlSeconds: 60n }, call());
    assert.equal(await kind(driver.leaseGrant({ id: 78n, ttlSeconds: 60n }, call())), "lease-exists");
    await driver.close();
    await etcd.close();
  });

  it("carries a registry over the etcd in memory", async () => {
    const etcd = createMemoryEtcd();
    const driver = createConnectDriver(transportConnector(() => etcd.transport()));
    const registry = createRegistryOver(() => driver, { endpoints: ["memory:1"] });
    const stop = new AbortController();
    const seen: (string | undefined)[] = [];
    const ended = (async () => {
      for await (const { endpoints } of registry.resolver("a").resolve(stop.signal)) seen.push(endpoints?.[0]?.address);
    })();
    const registration = registry.register({ service: "a", address: "10.0.0.5:8000" });
    await registration.ready;
    await eventually("it is seen", () => seen.at(-1) === "10.0.0.5:8000");
    await registration.renew();
    await registration.close();
    await eventually("it is gone", () => seen.length > 1 && seen.at(-1) === undefined);
    stop.abort();
    await ended;
    await registry.close();
    await etcd.close();
  });

  it("sends the token, and asks for the leader on watches and keepalives", async () => {
    const headers: string[] = [];
    const note = (name: string, header: Headers) =>
      void headers.push(`${name} ${header.get("token")} ${header.get("hasleader")}`);
    const driver = createConnectDriver(transportConnector(() =>
      createRouterTransport(({ service }) => {
        service(KV, { range: (_, { requestHeader }) => (note("range", requestHeader), {}) });
        service(Lease, {
          leaseGrant: (_, { requestHeader }) => (note("grant", requestHeader), { TTL: 5n }),
          async *leaseKeepAlive(_, { requestHeader }) {
            note("keepalive", requestHeader);
            yield { TTL: 5n };
          },
        });
        service(Watch, {
          async *watch(_, { requestHeader }) {
            note("watch", requestHeader);
            yield { created: true };
          },
        });
      })
    ));
    await driver.range({ key: bytes("k") }, { ...call(), token: "t1" });
    await driver.leaseGrant({ id: 1n, ttlSeconds: 5n }, call());
    await driver.leaseKeepAlive(1n, call());
    for await (const _ of driver.watch({ ...call(), token: "t2" }).responses) break;
    assert.deepEqual(headers, ["range t1 null", "grant null null", "keepalive null true", "watch t2 true"]);
  });

  it("opens one link an endpoint, once for all who wait, and again when it drains or is lost", async () => {
    const etcd = createMemoryEtcd();
    const { counts, connector, events } = countedLinks(etcd.transport());
    const driver = createConnectDriver(connector);
    const range = () => driver.range({ key: bytes("k") }, call());
    assert.equal(counts.links, 0);
    await Promise.all([range(), range(), range()]);
    await range();
    assert.deepEqual(counts, { links: 1, connects: 1, closes: 0 });
    events().draining();
    await range();
    assert.deepEqual(counts, { links: 1, connects: 2, closes: 0 });
    events().lost(new Error("gone"));
    await Promise.all([range(), range()]);
    assert.deepEqual(counts, { links: 1, connects: 3, closes: 0 });
    await driver.close();
    assert.equal(counts.closes, 1);
    await assert.rejects(range(), /closed/);
    await etcd.close();
  });

  it("resets a session only if it is still that generation", async () => {
    const etcd = createMemoryEtcd();
    const { counts, connector } = countedLinks(etcd.transport());
    const driver = createConnectDriver(connector);
    const range = () => driver.range({ key: bytes("k") }, call());
    await range();
    const generation = driver.generation(endpoint);
    driver.reset(endpoint, generation);
    assert.equal(counts.closes, 1);
    await range();
    // The other loop, which shared the dead session, comes second.
    driver.reset(endpoint, generation);
    await range();
    assert.deepEqual(counts, { links: 2, connects: 2, closes: 1 });
    await driver.close();
    await etcd.close();
  });

  it("ends an opening that hangs when the session is reset; a failed one is tried again", async () => {
    let hang = true, refuse = true;
    const etcd = createMemoryEtcd();
    const { counts, connector } = countedLinks(etcd.transport(), (signal) => {
      if (!hang) return refuse ? Promise.reject(new Error("refused")) : Promise.resolve();
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    });
    const clock = new ManualClock();
    const driver = createConnectDriver(connector, { clock, random: () => 0.5 });
    const stop = new AbortController();
    const left = driver.range({ key: bytes("k") }, call(stop.signal));
    const waiting = driver.range({ key: bytes("k") }, call());
    stop.abort(new Error("left"));
    await assert.rejects(left, /left/);
    driver.reset(endpoint, driver.generation(endpoint));
    await assert.rejects(waiting, /abandoned/);
    hang = false;
    await assert.rejects(driver.range({ key: bytes("k") }, call()), /refused/);
    refuse = false;
    const again = driver.range({ key: bytes("k") }, call());
    await clock.advance(1_000);
    await again;
    assert.deepEqual(counts, { links: 2, connects: 3, closes: 1 });
    await driver.close();
    await etcd.close();
  });

  it("distinguishes etcd's refusals from everything else", () => {
    const driver = createConnectDriver(() => assert.fail("nothing is opened"));
    const kinds: [string, Code, string][] = [
      ["etcdserver: requested lease not found", Code.NotFound, "lease-gone"],
      ["etcdserver: lease already exists", Code.FailedPrecondition, "lease-exists"],
      ["etcdserver: invalid auth token", Code.Unauthenticated, "token"],
      ["etcdserver: revision of auth store is old", Code.InvalidArgument, "token"],
      ["etcdserver: user name is empty", Code.InvalidArgument, "token"],
      ["something else", Code.Unauthenticated, "token"],
      ["etcdserver: authentication is not enabled", Code.FailedPrecondition, "auth-disabled"],
      ["etcdserver: authentication failed, invalid user ID or password", Code.InvalidArgument, "refused"],
      ["etcdserver: permission denied", Code.PermissionDenied, "refused"],
      ["etcdserver: no leader", Code.Unavailable, "transient"],
      ["etcdserver: request timed out", Code.Unavailable, "transient"],
      ["not found", Code.NotFound, "transient"],
      ["http/2 stream closed with error code CANCEL (0x8)", Code.Canceled, "transient"],
      ["deadline", Code.DeadlineExceeded, "transient"],
    ];
    for (const [text, code, kind] of kinds) assert.equal(driver.classify(new ConnectError(text, code)), kind, text);
    for (const thrown of [new Error("etcdserver: permission denied"), "text", undefined]) {
      assert.equal(driver.classify(thrown), "transient");
    }
  });
});
