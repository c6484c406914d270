// What the Connect driver sends and reads, message by message, over a transport that the test answers for.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type DescMessage, type DescMethod, type Message } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { markAttempt } from "../../src/connection/mark.ts";
import { transportConnector } from "../../src/connection/transport-connector.ts";
import { createConnectDriver } from "../../src/etcd/driver/connect/connect-driver.ts";
import type { AttemptContext, EtcdDriver, WatchResponse } from "../../src/etcd/driver/driver.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { bytes, range } from "./drivers.ts";

const ZERO = { clusterId: 0n, revision: 0n, raftTerm: 0n };

/** A call as a transport has it. */
interface Made {
  readonly method: string;
  readonly signal: AbortSignal | undefined;
  readonly requests: Record<string, unknown>[];
  /** Whether the request side has ended. */
  ended: boolean;
}

/** A driver whose calls are answered with these messages; a stream then fails, ends or, with "open", doesn't. */
function answering(messages: readonly Record<string, unknown>[], then: "end" | "open" | Error = "end") {
  const made: Made[] = [];
  async function read(input: AsyncIterable<unknown>, call: Made) {
    for await (const request of input) call.requests.push(request as Record<string, unknown>);
    call.ended = true;
  }
  const begin = ({ name }: DescMethod, signal: AbortSignal | undefined): Made => {
    made.push({ method: name, signal, requests: [], ended: false });
    return made.at(-1)!;
  };
  const response = ({ parent, output }: DescMethod) => ({
    service: parent,
    header: new Headers(),
    trailer: new Headers(),
    all: messages.map((message) => create(output as DescMessage, message) as Message),
  });
  const transport = {
    async unary(method: DescMethod, signal: AbortSignal | undefined, _: unknown, __: unknown, input: object) {
      begin(method, signal).requests.push(input as Record<string, unknown>);
      const { all, ...rest } = response(method);
      return { stream: false, method, ...rest, message: all[0] };
    },
    stream(
      method: DescMethod,
      signal: AbortSignal | undefined,
      _: unknown,
      __: unknown,
      input: AsyncIterable<unknown>,
    ) {
      void read(input, begin(method, signal));
      const { all, ...rest } = response(method);
      async function* message() {
        yield* all;
        if (then instanceof Error) throw then;
        if (then === "open") await new Promise((_, reject) => signal?.addEventListener("abort", reject));
      }
      return Promise.resolve({ stream: true, method, ...rest, message: message() });
    },
  } as unknown as Transport;
  return { driver: createConnectDriver(transportConnector(() => transport)), made };
}

const call = (signal = new AbortController().signal): AttemptContext => ({ endpoint: { address: "e1:1" }, signal });
const plain = (message: unknown) => JSON.parse(JSON.stringify(message, (_, v) => typeof v === "bigint" ? `${v}` : v));

describe("a connection of the Connect driver on which etcd answered only errors", () => {
  /** Whether the endpoint is in backoff after a call failed with this, and its connection ended then. */
  async function inBackoff(failure: Error, make: (driver: EtcdDriver) => Promise<unknown>): Promise<boolean> {
    let lost = (_: Error) => {};
    const fail = () => Promise.reject(failure);
    const transport = { unary: fail, stream: fail } as unknown as Transport;
    const driver = createConnectDriver((_, events) => {
      lost = events.lost;
      return { transport, connect: async () => {}, close: async () => {} };
    }, { clock: new ManualClock(), random: () => 0.5 });
    await assert.rejects(make(driver), (error) => error === failure);
    lost(new Error("the connection ended"));
    return driver.backoffMs!(call().endpoint) > 0;
  }

  it("did its work, unlike one on which nothing was answered", async () => {
    const all: ((driver: EtcdDriver) => Promise<unknown>)[] = [
      (driver) => driver.range(range("a/"), call()),
      (driver) => driver.leaseKeepAlive(1n, call()),
      (driver) => driver.watch(call()).responses[Symbol.asyncIterator]().next(),
    ];
    for (const make of all) {
      const error = () => new ConnectError("etcdserver: no leader", Code.Unavailable);
      assert.equal(await inBackoff(markAttempt(error(), "answered"), make), false);
      for (const unanswered of [error(), markAttempt(error(), "maybe-processed")]) {
        assert.equal(await inBackoff(unanswered, make), true);
      }
    }
  });
});

describe("the Connect driver's requests", () => {
  it("compare versions and leases", async () => {
    const { driver, made } = answering([{}]);
    const key = bytes("k");
    const compare = [{ target: "version", key, value: 0n }, { target: "lease", key, value: 5n }] as const;
    const read = await driver.txn({ compare, success: [{ range: { key } }], failure: [] }, call());
    assert.deepEqual(read, { header: ZERO, succeeded: false, kvs: [] });
    const [{ compare: sent, success }] = made[0]!.requests as [{ compare: object[]; success: object[] }];
    assert.deepEqual(
      sent.map((each) => plain(each)).map(({ target, targetUnion }) => [target, targetUnion]),
      [
        [0, { case: "version", value: "0" }],
        [4, { case: "lease", value: "5" }],
      ],
    );
    assert.equal(plain(success[0]).request.case, "requestRange");
  });

  it("of a watch are sent in order, and dropped once it has ended", async () => {
    const { driver, made } = answering([{ watchId: 1n, created: true }, { watchId: 1n, events: [{}] }]);
    assert.deepEqual(driver.capabilities, { progress: true });
    const stream = driver.watch(call());
    stream.create({ ...range("a/"), watchId: 1n, startRevision: 5n });
    stream.requestProgress();
    stream.cancel(1n);
    const responses = await Array.fromAsync(stream.responses);
    assert.deepEqual(responses.map(({ watchId, created, events, header }) => [watchId, created, events, header]), [
      [1n, true, [], ZERO],
      [1n, false, [], ZERO],
    ]);
    await settled();
    const [{ requests, ended }] = made as [Made];
    assert.equal(ended, true);
    stream.requestProgress();
    await settled();
    assert.equal(requests.length, 3);
    const [created, progress, canceled] = requests.map(({ requestUnion }) =>
      requestUnion as { case: string; value: object }
    );
    const { progressNotify, fragment, watchId, startRevision } = created!.value as Record<string, unknown>;
    assert.deepEqual([created!.case, watchId, startRevision], ["createRequest", 1n, 5n]);
    assert.deepEqual([progressNotify, fragment], [true, true]);
    assert.equal(progress?.case, "progressRequest");
    assert.deepEqual([canceled?.case, plain(canceled?.value).watchId], ["cancelRequest", "1"]);
  });

  it("of a watch that nobody reads fail nowhere", async () => {
    const driver = createConnectDriver(() => ({
      transport: {} as Transport,
      connect: () => Promise.reject(new Error("refused")),
      close: async () => {},
    }));
    const { responses } = driver.watch(call());
    // A rejection that nobody handles fails the test.
    await settled();
    await assert.rejects(Array.fromAsync(responses), /refused/);
  });
});

describe("the Connect driver's answers", () => {
  it("may lack their headers", async () => {
    const { driver } = answering([{}]);
    assert.deepEqual(await driver.range({ key: bytes("k") }, call()), { header: ZERO, kvs: [], more: false });
    const { header, memberId } = await driver.status(call());
    assert.deepEqual([header, memberId], [ZERO, 0n]);
  });

  it("are the keys that a transaction read, and the changes that a watch saw", async () => {
    const key = bytes("a/1"), value = bytes("v");
    const kv = { key, value, createRevision: 2n, modRevision: 3n, lease: 4n };
    const responses = [
      { response: { case: "responsePut", value: {} } },
      { response: { case: "responseRange", value: { kvs: [kv] } } },
    ];
    const { driver, made } = answering([{ succeeded: true, responses }]);
    const put = { key, value, lease: 4n };
    const { succeeded, kvs } = await driver.txn({ compare: [], success: [{ put }], failure: [] }, call());
    assert.deepEqual([succeeded, kvs], [true, [kv]]);
    const [{ success: [sent] }] = made[0]!.requests as [
      { success: [{ request: { case: string; value: typeof put } }] },
    ];
    assert.deepEqual([sent.request.case, sent.request.value.value, sent.request.value.lease], [
      "requestPut",
      value,
      4n,
    ]);
    const seen = answering([{ events: [{ type: 0, kv }, { type: 1, kv }, {}] }]).driver.watch(call());
    const [{ events }] = await Array.fromAsync(seen.responses) as [WatchResponse];
    assert.deepEqual(events, [{ type: "put", kv }, { type: "delete", kv }]);
  });

  it("are a token, the TTL that a lease got, and what is left of a lease down to its last second", async () => {
    const { driver } = answering([{ token: "t.1" }]);
    assert.equal(await driver.authenticate!({ name: "u", password: "p" }, call()), "t.1");
    const granted = answering([{ TTL: 59n }]);
    assert.equal(await granted.driver.leaseGrant({ id: 7n, ttlSeconds: 60n }, call()), 59n);
    const [{ ID, TTL }] = granted.made[0]!.requests as [{ ID: bigint; TTL: bigint }];
    assert.deepEqual([ID, TTL], [7n, 60n]);
    const left = (TTL: bigint) => answering([{ TTL, grantedTTL: 9n }]).driver.leaseTimeToLive({ id: 1n }, call());
    assert.deepEqual(await left(0n), { ttlSeconds: 0n, grantedSeconds: 9n, keys: [] });
    assert.equal(await left(-1n), undefined);
  });

  it("are classified if they are refusals", () => {
    const { driver } = answering([]);
    assert.equal(driver.classify(new ConnectError("no", Code.PermissionDenied)), "refused");
    assert.equal(driver.classify(new ConnectError("no", Code.Unauthenticated)), "token");
    assert.equal(driver.classify(new Error("etcdserver: permission denied")), "transient");
  });
});

describe("a keepalive of the Connect driver", () => {
  it("ends its side once it is answered, and leaves the rest to the server", async () => {
    const { driver, made } = answering([{ TTL: 5n }]);
    assert.equal(await driver.leaseKeepAlive(7n, call()), 5n);
    await settled();
    const [{ requests, ended }] = made as [Made];
    assert.deepEqual([plain(requests[0]).ID, requests.length, ended], ["7", 1, true]);
  });

  it("resets the oldest of 17 streams that the server leaves open", async () => {
    const { driver, made } = answering([{ TTL: 5n }], "open");
    for (let n = 0; n < 17; n++) await driver.leaseKeepAlive(7n, call());
    await settled();
    assert.deepEqual(made.map(({ signal }) => signal?.aborted), [true, ...Array(16).fill(false)]);
    assert.ok(made.every(({ ended }) => ended));
  });

  it("fails where its stream ends or fails without an answer", async () => {
    const caller = call();
    await assert.rejects(answering([]).driver.leaseKeepAlive(7n, caller), /ended a keepalive without an answer/);
    const { driver, made } = answering([], new ConnectError("etcdserver: no leader", Code.Unavailable));
    await assert.rejects(driver.leaseKeepAlive(7n, caller), /no leader/);
    await settled();
    assert.deepEqual(made.map(({ ended }) => ended), [true]);
  });
});
