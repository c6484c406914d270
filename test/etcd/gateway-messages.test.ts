// The messages of the gateway driver, in protobuf's JSON: what it sends, and what it makes of answers.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AttemptContext } from "../../src/etcd/driver/driver.ts";
import { fromBase64, toBase64 } from "../../src/etcd/driver/gateway/base64.ts";
import { createGatewayDriver } from "../../src/etcd/driver/gateway/gateway-driver.ts";
import { settled } from "../support/manual-clock.ts";
import { bytes, range } from "./drivers.ts";

const ZERO = { clusterId: 0n, revision: 0n, raftTerm: 0n };
const key = bytes("k"), value = bytes("v");
const KV = { key: "aw==", value: "dg==", create_revision: "2", mod_revision: "3", lease: "4" };
const kv = { key, value, createRevision: 2n, modRevision: 3n, lease: 4n };
const call: AttemptContext = { endpoint: { address: "etcd:2379" }, signal: new AbortController().signal };

/** A driver whose requests are all answered with these fields, and the requests. */
function answering(fields: object = {}, ...more: readonly object[]) {
  const sent: { path: string; body: unknown; headers: Record<string, string> }[] = [];
  const driver = createGatewayDriver({
    fetch: (url, { body, headers }) => {
      const path = url.replace("http://etcd:2379/v3/", "");
      sent.push({ path, body: JSON.parse(body as string), headers: headers as Record<string, string> });
      const lines = [fields, ...more].map((each) => `${JSON.stringify({ result: { header: {}, ...each } })}\n`);
      return Promise.resolve(new Response(lines.join("")));
    },
    random: () => 0.5,
  });
  return { driver, sent, last: () => [sent.at(-1)?.path, sent.at(-1)?.body] };
}

describe("the gateway driver's requests", () => {
  it("are a range, of one key or of many", async () => {
    const { driver, last } = answering({ kvs: [KV], more: true });
    assert.deepEqual(await driver.range({ key }, call), { header: ZERO, kvs: [kv], more: true });
    assert.deepEqual(last(), ["kv/range", { key: "aw==" }]);
    await driver.range({ ...range("a/"), limit: 5n }, call);
    assert.deepEqual(last(), ["kv/range", { key: "YS8=", range_end: "YTA=", limit: "5" }]);
  });

  it("are a transaction, whose reads are answered", async () => {
    const responses = [{ response_put: {} }, { response_range: { kvs: [KV] } }];
    const { driver, last } = answering({ succeeded: true, responses });
    const request = {
      compare: [{ target: "version", key, value: 0n }, { target: "lease", key, value: 5n }],
      success: [{ put: { key, value, lease: 5n } }],
      failure: [{ range: { key } }],
    } as const;
    assert.deepEqual(await driver.txn(request, call), { header: ZERO, succeeded: true, kvs: [kv] });
    assert.deepEqual(last(), ["kv/txn", {
      compare: [
        { result: "EQUAL", target: "VERSION", key: "aw==", version: "0" },
        { result: "EQUAL", target: "LEASE", key: "aw==", lease: "5" },
      ],
      success: [{ request_put: { key: "aw==", value: "dg==", lease: "5" } }],
      failure: [{ request_range: { key: "aw==" } }],
    }]);
    assert.equal((await answering().driver.txn(request, call)).succeeded, false);
  });

  it("are those of leases", async () => {
    const granted = answering({ TTL: "60" });
    assert.equal(await granted.driver.leaseGrant({ id: 7n, ttlSeconds: 60n }, call), 60n);
    assert.deepEqual(granted.last(), ["lease/grant", { ID: "7", TTL: "60" }]);
    assert.equal(await granted.driver.leaseKeepAlive(7n, call), 60n);
    assert.deepEqual(granted.last(), ["lease/keepalive", { ID: "7" }]);
    await granted.driver.leaseRevoke(7n, call);
    assert.deepEqual(granted.last(), ["lease/revoke", { ID: "7" }]);
    const left = answering({ grantedTTL: "60", keys: ["aw=="] });
    assert.deepEqual(await left.driver.leaseTimeToLive({ id: 7n, keys: true }, call), {
      ttlSeconds: 0n,
      grantedSeconds: 60n,
      keys: [key],
    });
    assert.deepEqual(left.last(), ["lease/timetolive", { ID: "7", keys: true }]);
    await left.driver.leaseTimeToLive({ id: 7n }, call);
    assert.deepEqual(left.last(), ["lease/timetolive", { ID: "7", keys: false }]);
    assert.equal(await answering({ TTL: "-1" }).driver.leaseTimeToLive({ id: 7n }, call), undefined);
  });

  it("are for a token, and for a member's status", async () => {
    const user = { name: "u", password: "p" };
    const { driver, last } = answering({ token: "t.1" });
    assert.equal(await driver.authenticate!(user, call), "t.1");
    assert.deepEqual(last(), ["auth/authenticate", user]);
    assert.equal(await answering().driver.authenticate!(user, call), "");
    const header = { cluster_id: "1", member_id: "2", revision: "3", raft_term: "4" };
    const status = { header, version: "3.5.9", leader: "2", dbSize: "5", raftIndex: "6" };
    const member = answering(status);
    assert.deepEqual(await member.driver.status(call), {
      header: { clusterId: 1n, revision: 3n, raftTerm: 4n },
      version: "3.5.9",
      memberId: 2n,
      leaderId: 2n,
      dbSizeBytes: 5n,
      raftIndex: 6n,
    });
    assert.deepEqual(member.last(), ["maintenance/status", {}]);
    assert.equal((await answering().driver.status(call)).version, "");
  });

  it("are one for each watch, which can't be asked for its progress and lives for less than a minute", async () => {
    const events = [{ type: "DELETE", kv: KV }, { kv: KV }];
    const canceled = { canceled: true, cancel_reason: "compacted", compact_revision: "9" };
    const { driver, sent } = answering({ created: true, watch_id: "1" }, { events, fragment: true }, canceled);
    const { progress, watchesPerStream, maxStreamMs } = driver.capabilities;
    assert.deepEqual([progress, watchesPerStream, maxStreamMs], [false, 1, 47_500]);
    const stream = driver.watch(call);
    const request = { ...range("a/"), watchId: 1n, startRevision: 5n };
    stream.create(request);
    stream.requestProgress();
    assert.throws(() => stream.create(request), /has one watch only/);
    const common = { header: ZERO, created: false, canceled: false, cancelReason: "", fragment: false, events: [] };
    assert.deepEqual(await Array.fromAsync(stream.responses), [
      { ...common, watchId: 1n, compactRevision: 0n, created: true },
      {
        ...common,
        watchId: 0n,
        compactRevision: 0n,
        fragment: true,
        events: [{ type: "delete", kv }, { type: "put", kv }],
      },
      { ...common, watchId: 0n, compactRevision: 9n, canceled: true, cancelReason: "compacted" },
    ]);
    assert.equal(sent.length, 1);
    assert.equal(sent[0]?.headers["grpc-metadata-hasleader"], "true");
  });

  it("end with their session if they are watches", async () => {
    const signals: AbortSignal[] = [];
    const driver = createGatewayDriver({
      random: () => 0,
      fetch: (_, { signal }) =>
        new Promise((_, reject) => {
          signals.push(signal!);
          signal!.addEventListener("abort", () => reject(new Error("aborted")));
        }),
    });
    const stream = driver.watch(call);
    stream.create({ ...range("a/"), watchId: 1n, startRevision: 5n });
    const ended = assert.rejects(Array.fromAsync(stream.responses), /the session to etcd was given up/);
    await settled();
    assert.equal(signals.length, 1);
    driver.reset(call.endpoint, driver.generation(call.endpoint));
    await ended;
  });
});

describe("the gateway driver's answers", () => {
  it("have numbers as text or as whole numbers, and nothing else in their place", async () => {
    const lease = async (lease: unknown) =>
      (await answering({ kvs: [{ lease }] }).driver.range({ key }, call)).kvs[0]?.lease;
    assert.deepEqual([await lease("5"), await lease(5), await lease(-5), await lease(undefined)], [5n, 5n, -5n, 0n]);
    for (const wrong of [1.5, 2 ** 53, "1.5", "", true, {}]) {
      await assert.rejects(lease(wrong), /the field lease of etcd's answer is not a whole number/);
    }
  });

  it("of another shape are errors that name the field, not its value", async () => {
    const wrong: readonly (readonly [fields: object, text: RegExp])[] = [
      [{ responses: [{ response_range: 5 }] }, /the field response_range of etcd's answer is not an object/],
      [{ responses: 5 }, /the field responses of etcd's answer is not an array/],
      [{ responses: [5] }, /the field responses of etcd's answer is not objects/],
      [{ responses: [{ response_range: { kvs: [{ key: 5 }] } }] }, /the field of bytes of etcd's answer is not base64/],
    ];
    for (const [fields, text] of wrong) {
      const { driver } = answering(fields);
      await assert.rejects(driver.txn({ compare: [], success: [], failure: [] }, call), text);
    }
  });

  it("are bytes of any value and length", () => {
    const all = Uint8Array.from({ length: 70_000 }, (_, index) => index % 256);
    for (const length of [0, 1, 2, 3, 70_000]) {
      const part = all.subarray(0, length);
      assert.deepEqual(fromBase64(toBase64(part)), new Uint8Array(part));
    }
    assert.equal(toBase64(bytes("ab")), "YWI=");
  });
});

describe("a request that the gateway did not answer", () => {
  const failing = async (thrown: unknown) => {
    const driver = createGatewayDriver({ random: () => 0, fetch: () => Promise.reject(thrown) });
    const error: Error = await driver.range({ key }, call).then(() => assert.fail("it is answered"), (error) => error);
    return { driver, error };
  };

  it("is an error that names all reasons once, with what was thrown as its cause", async () => {
    const loop = new Error("a loop");
    loop.cause = loop;
    const causes: readonly (readonly [thrown: unknown, text: string])[] = [
      [new TypeError("failed", { cause: new Error("", { cause: new Error("refused") }) }), "failed: refused"],
      [new Error("failed", { cause: new Error("failed") }), "failed"],
      [loop, "a loop"],
      ["no network", "no network"],
    ];
    for (const [thrown, text] of causes) {
      const { driver, error } = await failing(thrown);
      assert.deepEqual([error.message, error.cause, driver.classify(error)], [text, thrown, "transient"]);
    }
  });

  it("was never sent if no connection was opened", async () => {
    const refused = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
    const never = await failing(new TypeError("fetch failed", { cause: refused }));
    assert.equal(never.driver.unsent!(never.error), true);
    const lost = await failing(new TypeError("fetch failed", { cause: new Error("reset") }));
    assert.equal(lost.driver.unsent!(lost.error), false);
  });

  it("is no refusal of etcd's, whatever its text", async () => {
    const forbidden = async () => new Response("permission denied", { status: 403 });
    const driver = createGatewayDriver({ random: () => 0, fetch: forbidden });
    const error = await driver.range({ key }, call).then(() => assert.fail("it is answered"), (error) => error);
    const others = [Object.assign(new Error("permission denied"), { code: 7 }), undefined, "permission denied"];
    for (const thrown of [error, ...others]) assert.equal(driver.classify(thrown), "transient");
  });

  it("has no cause where something answered that is not etcd", async () => {
    const driver = createGatewayDriver({ random: () => 0, fetch: async () => new Response("<p>\n</p>") });
    const error = await driver.range({ key }, call).then(() => assert.fail("it is answered"), (error) => error);
    assert.equal(error.message, 'HTTP 200: "<p>"');
    assert.equal(Object.hasOwn(error, "cause"), false);
  });
});
