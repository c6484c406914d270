// What connect-lb relies on of etcd, as statements that hold for a real etcd and for the one in memory alike.
import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { Event_EventType } from "../../gen/etcd/kv_pb.ts";
import {
  Auth,
  Compare_CompareResult as Is,
  Compare_CompareTarget as Target,
  type CompareSchema,
  KV,
  Lease,
  Maintenance,
  RangeRequest_SortOrder as Order,
  RangeRequest_SortTarget as By,
  type RequestOpSchema,
  Watch,
  WatchCreateRequest_FilterType as Filter,
  type WatchCreateRequestSchema,
  type WatchRequestSchema,
  type WatchResponse,
} from "../../gen/etcd/rpc_pb.ts";

/** One statement: what holds, and how that is seen. */
export interface Statement {
  readonly name: string;
  readonly check: (etcd: Subject) => Promise<void>;
}

/** An etcd under test. Each statement gets one with a prefix of its own. */
export interface Subject {
  readonly prefix: string;
  readonly kv: Client<typeof KV>;
  readonly lease: Client<typeof Lease>;
  readonly auth: Client<typeof Auth>;
  readonly maintenance: Client<typeof Maintenance>;
  /** Opens a Watch stream. */
  watch(): WatchCall;
  /** Opens a LeaseKeepAlive stream and sends one request. */
  keepAlive(id: bigint): Promise<{ ID: bigint; TTL: bigint }>;
  /** Ends the streams that the statement opened. */
  close(): void;
}

/** An open Watch stream. */
export interface WatchCall {
  create(request: MessageInitShape<typeof WatchCreateRequestSchema>): void;
  cancel(watchId: bigint): void;
  progress(): void;
  /** The next response; fails when none comes within 10 s. */
  next(): Promise<WatchResponse>;
  /** Responses until they hold that many events. */
  events(count: number): Promise<WatchResponse[]>;
}

let prefixes = 0;

/** Makes a {@link Subject} of a transport to an etcd. */
export function subject(transport: Transport): Subject {
  const ending = new AbortController();
  const lease = createClient(Lease, transport);
  return {
    prefix: `contract/${prefixes++}/`,
    kv: createClient(KV, transport),
    lease,
    auth: createClient(Auth, transport),
    maintenance: createClient(Maintenance, transport),
    watch: () => openWatch(transport, ending.signal),
    async keepAlive(id) {
      const requests = openQueue<{ ID: bigint }>();
      requests.push({ ID: id });
      const own = new AbortController();
      const signal = AbortSignal.any([own.signal, ending.signal]);
      try {
        for await (const answer of lease.leaseKeepAlive(requests, { signal, timeoutMs: 10_000 })) return answer;
        throw new Error("the stream ended without an answer");
      } finally {
        own.abort();
      }
    },
    close: () => ending.abort(),
  };
}

interface Queue<T> extends AsyncIterable<T> {
  push(item: T): void;
}

/** An iterable that never ends by itself, as the request side of a long stream. */
function openQueue<T>(): Queue<T> {
  const items: T[] = [];
  let wake = () => {};
  return {
    push(item) {
      items.push(item);
      wake();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (items.length > 0) yield items.shift() as T;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}

function openWatch(transport: Transport, signal: AbortSignal): WatchCall {
  const requests = openQueue<MessageInitShape<typeof WatchRequestSchema>>();
  const send = (requestUnion: NonNullable<MessageInitShape<typeof WatchRequestSchema>["requestUnion"]>) =>
    requests.push({ requestUnion });
  const responses = createClient(Watch, transport).watch(requests, { signal })[Symbol.asyncIterator]();
  const next = async (): Promise<WatchResponse> => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("no response of the watch within 10 s")), 10_000);
    });
    const taken = await Promise.race([responses.next(), late]).finally(() => clearTimeout(timer));
    if (taken.done) throw new Error("the watch stream ended");
    return taken.value;
  };
  return {
    create: (request) => send({ case: "createRequest", value: request }),
    cancel: (watchId) => send({ case: "cancelRequest", value: { watchId } }),
    progress: () => send({ case: "progressRequest", value: {} }),
    next,
    async events(count) {
      const all: WatchResponse[] = [];
      let seen = 0;
      while (seen < count) {
        const response = await next();
        all.push(response);
        seen += response.events.length;
      }
      return all;
    },
  };
}

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
const text = (data: Uint8Array): string => new TextDecoder().decode(data);
/** The range_end that makes a range of all keys with a prefix: its last byte raised by one. */
const after = (prefix: string): Uint8Array<ArrayBuffer> => {
  const end = bytes(prefix);
  end[end.length - 1] = (end.at(-1) as number) + 1;
  return end;
};
const all = (prefix: string) => ({ key: bytes(prefix), rangeEnd: after(prefix) });
const nothing = new Uint8Array();

async function refused(code: Code, message: string, call: Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error) => {
    const known = ConnectError.from(error);
    assert.equal(known.rawMessage, message);
    assert.equal(Code[known.code], Code[code]);
    return true;
  });
}

type Op = MessageInitShape<typeof RequestOpSchema>;
const putOp = (key: string, value = "", more = {}): Op => ({
  request: { case: "requestPut", value: { key: bytes(key), value: bytes(value), ...more } },
});
const getOp = (key: string, more = {}): Op => ({
  request: { case: "requestRange", value: { key: bytes(key), ...more } },
});
const deleteOp = (key: string, more = {}): Op => ({
  request: { case: "requestDeleteRange", value: { key: bytes(key), ...more } },
});
const compare = (
  key: string,
  target: Target,
  result: Is,
  targetUnion: NonNullable<MessageInitShape<typeof CompareSchema>["targetUnion"]>,
): MessageInitShape<typeof CompareSchema> => ({ key: bytes(key), target, result, targetUnion });

const kvStatements: Statement[] = [
  {
    name: "a put makes the next revision, and the key tells its create revision, mod revision and version",
    async check({ kv, prefix }) {
      const key = bytes(`${prefix}a`);
      const first = (await kv.put({ key, value: bytes("1") })).header?.revision as bigint;
      const second = (await kv.put({ key, value: bytes("2") })).header?.revision as bigint;
      assert.ok(second > first);
      const { kvs: [found], header, count } = await kv.range({ key });
      assert.ok(header !== undefined && header.clusterId !== 0n && header.memberId !== 0n && header.raftTerm > 0n);
      assert.equal(count, 1n);
      assert.equal(text(found?.value ?? nothing), "2");
      assert.deepEqual([found?.createRevision, found?.modRevision, found?.version], [first, second, 2n]);
    },
  },
  {
    name: "a key that is put again after its deletion has a new create revision and version 1",
    async check({ kv, prefix }) {
      const key = bytes(`${prefix}a`);
      await kv.put({ key });
      await kv.put({ key });
      assert.equal((await kv.deleteRange({ key })).deleted, 1n);
      const again = (await kv.put({ key })).header?.revision;
      const { kvs: [found] } = await kv.range({ key });
      assert.deepEqual([found?.createRevision, found?.modRevision, found?.version], [again, again, 1n]);
    },
  },
  {
    name: "put and delete tell the previous value when asked",
    async check({ kv, prefix }) {
      const key = bytes(`${prefix}a`);
      assert.equal((await kv.put({ key, value: bytes("1"), prevKv: true })).prevKv, undefined);
      assert.equal(text((await kv.put({ key, value: bytes("2"), prevKv: true })).prevKv?.value ?? nothing), "1");
      assert.equal((await kv.put({ key, value: bytes("3") })).prevKv, undefined);
      const { prevKvs, deleted } = await kv.deleteRange({ key, prevKv: true });
      assert.deepEqual([deleted, prevKvs.map((p) => text(p.value))], [1n, ["3"]]);
      assert.equal((await kv.deleteRange({ key })).deleted, 0n);
    },
  },
  {
    name: "deleting nothing makes no revision",
    async check({ kv, prefix }) {
      const before = (await kv.range({ key: bytes(`${prefix}a`) })).header?.revision;
      assert.equal((await kv.deleteRange(all(prefix))).header?.revision, before);
    },
  },
  {
    name: "a range ends before its range_end, and `<prefix>/` leaves out keys of a longer name",
    async check({ kv, prefix }) {
      for (const name of ["svc/a", "svc/b", "svc", "svc2/a", "svc/"]) await kv.put({ key: bytes(prefix + name) });
      const names = async (request: { key: Uint8Array; rangeEnd?: Uint8Array }) =>
        (await kv.range(request)).kvs.map((found) => text(found.key).slice(prefix.length));
      assert.deepEqual(await names(all(`${prefix}svc/`)), ["svc/", "svc/a", "svc/b"]);
      assert.deepEqual(await names(all(`${prefix}svc`)), ["svc", "svc/", "svc/a", "svc/b", "svc2/a"]);
      assert.deepEqual(await names({ key: bytes(`${prefix}svc/a`), rangeEnd: bytes(`${prefix}svc/b`) }), ["svc/a"]);
      assert.deepEqual(await names({ key: bytes(`${prefix}svc`) }), ["svc"]);
      assert.deepEqual(await names({ key: bytes(`${prefix}svc/b`), rangeEnd: bytes(`${prefix}svc/a`) }), []);
      const onwards = await kv.range({ key: bytes(`${prefix}svc/b`), rangeEnd: new Uint8Array(1) });
      assert.ok(onwards.kvs.every((found) => text(found.key) >= `${prefix}svc/b`));
      assert.ok(onwards.count >= 2n);
    },
  },
  {
    name: "keys sort as bytes, not as text",
    async check({ kv, prefix }) {
      const tails = [[0xff], [0x61], [0xc3, 0xa9], [0], [0x61, 0]];
      for (const tail of tails) await kv.put({ key: Uint8Array.from([...bytes(prefix), ...tail]) });
      const { kvs } = await kv.range(all(prefix));
      assert.deepEqual(kvs.map((found) => [...found.key.slice(prefix.length)]), [
        [0],
        [0x61],
        [0x61, 0],
        [0xc3, 0xa9],
        [0xff],
      ]);
    },
  },
  {
    name: "a limit cuts the answer and says that there is more; the count is of all",
    async check({ kv, prefix }) {
      for (const name of ["a", "b", "c"]) await kv.put({ key: bytes(prefix + name), value: bytes(name) });
      const cut = await kv.range({ ...all(prefix), limit: 2n });
      assert.deepEqual([cut.kvs.length, cut.more, cut.count], [2, true, 3n]);
      const whole = await kv.range({ ...all(prefix), limit: 3n });
      assert.deepEqual([whole.kvs.length, whole.more, whole.count], [3, false, 3n]);
      const counted = await kv.range({ ...all(prefix), countOnly: true });
      assert.deepEqual([counted.kvs.length, counted.more, counted.count], [0, false, 3n]);
      const keys = await kv.range({ ...all(prefix), keysOnly: true });
      assert.deepEqual(keys.kvs.map((found) => [text(found.key).slice(-1), found.value.length]), [
        ["a", 0],
        ["b", 0],
        ["c", 0],
      ]);
      assert.equal(text((await kv.range({ key: bytes(`${prefix}a`) })).kvs[0]?.value ?? nothing), "a");
    },
  },
  {
    name: "an answer is sorted by what was asked for, before the limit cuts it",
    async check({ kv, prefix }) {
      await kv.put({ key: bytes(`${prefix}b`), value: bytes("1") });
      await kv.put({ key: bytes(`${prefix}c`), value: bytes("0") });
      await kv.put({ key: bytes(`${prefix}a`), value: bytes("2") });
      await kv.put({ key: bytes(`${prefix}b`), value: bytes("3") });
      const names = async (sortTarget: By, sortOrder: Order, limit = 0n) =>
        (await kv.range({ ...all(prefix), sortTarget, sortOrder, limit })).kvs.map((f) => text(f.key).slice(-1)).join(
          "",
        );
      assert.equal(await names(By.KEY, Order.NONE), "abc");
      assert.equal(await names(By.KEY, Order.DESCEND), "cba");
      assert.equal(await names(By.KEY, Order.DESCEND, 1n), "c");
      assert.equal(await names(By.CREATE, Order.ASCEND), "bca");
      assert.equal(await names(By.MOD, Order.DESCEND), "bac");
      assert.equal(await names(By.MOD, Order.NONE), "cab");
      assert.equal(await names(By.VALUE, Order.ASCEND), "cab");
      assert.equal(await names(By.VERSION, Order.DESCEND, 1n), "b");
    },
  },
  {
    name: "bounds of the mod and create revision filter the answer, not the count",
    async check({ kv, prefix }) {
      const at: bigint[] = [];
      for (const name of ["a", "b", "c"]) {
        at.push((await kv.put({ key: bytes(prefix + name) })).header?.revision as bigint);
      }
      await kv.put({ key: bytes(`${prefix}a`) });
      const names = async (bounds: object) => {
        const found = await kv.range({ ...all(prefix), ...bounds });
        assert.equal(found.count, 3n);
        return found.kvs.map((one) => text(one.key).slice(-1)).join("");
      };
      assert.equal(await names({ minModRevision: at[1] }), "abc");
      assert.equal(await names({ minModRevision: at[2] }), "ac");
      assert.equal(await names({ maxModRevision: at[1] }), "b");
      assert.equal(await names({ minCreateRevision: at[1] }), "bc");
      assert.equal(await names({ maxCreateRevision: at[1] }), "ab");
    },
  },
  {
    name: "a range at an older revision tells what stood then, with the present revision in its header",
    async check({ kv, prefix }) {
      const key = bytes(`${prefix}a`);
      const first = (await kv.put({ key, value: bytes("1") })).header?.revision as bigint;
      await kv.put({ key, value: bytes("2") });
      await kv.put({ key: bytes(`${prefix}b`) });
      const deleted = (await kv.deleteRange({ key })).header?.revision as bigint;
      const then = await kv.range({ ...all(prefix), revision: first });
      assert.deepEqual(then.kvs.map((found) => text(found.value)), ["1"]);
      assert.ok((then.header?.revision as bigint) >= deleted);
      assert.equal((await kv.range({ key, revision: deleted - 1n })).count, 1n);
      assert.equal((await kv.range({ key, revision: deleted })).count, 0n);
    },
  },
  {
    name: "a range at a revision to come is refused as OutOfRange",
    async check({ kv, prefix }) {
      const now = (await kv.range({ key: bytes(prefix) })).header?.revision as bigint;
      await refused(
        Code.OutOfRange,
        "etcdserver: mvcc: required revision is a future revision",
        kv.range({ key: bytes(prefix), revision: now + 1_000_000n }),
      );
    },
  },
  {
    name: "requests without a key, and puts that contradict themselves, are refused as InvalidArgument",
    async check({ kv, prefix }) {
      const key = bytes(`${prefix}a`);
      const invalid = (message: string, call: Promise<unknown>) => refused(Code.InvalidArgument, message, call);
      await invalid("etcdserver: key is not provided", kv.range({}));
      await invalid("etcdserver: key is not provided", kv.put({ value: bytes("1") }));
      await invalid("etcdserver: key is not provided", kv.deleteRange({}));
      await invalid("etcdserver: value is provided", kv.put({ key, value: bytes("1"), ignoreValue: true }));
      await invalid("etcdserver: lease is provided", kv.put({ key, lease: 1n, ignoreLease: true }));
      await invalid("etcdserver: key not found", kv.put({ key, ignoreValue: true }));
      await invalid("etcdserver: key not found", kv.put({ key, ignoreLease: true }));
    },
  },
  {
    name: "a put that ignores the value or the lease keeps the one that stands",
    async check({ kv, lease, prefix }) {
      const key = bytes(`${prefix}a`);
      const { ID } = await lease.leaseGrant({ TTL: 60n });
      await kv.put({ key, value: bytes("1"), lease: ID });
      await kv.put({ key, value: bytes("2"), ignoreLease: true });
      await kv.put({ key, lease: ID, ignoreValue: true });
      const { kvs: [kept] } = await kv.range({ key });
      assert.deepEqual([text(kept?.value ?? nothing), kept?.lease, kept?.version], ["2", ID, 3n]);
      await kv.put({ key, ignoreValue: true });
      const { kvs: [freed] } = await kv.range({ key });
      assert.deepEqual([text(freed?.value ?? nothing), freed?.lease], ["2", 0n]);
      await lease.leaseRevoke({ ID });
      assert.equal((await kv.range({ key })).count, 1n);
    },
  },
];

const txnStatements: Statement[] = [
  {
    name: "a transaction makes one revision of all its changes, and its answers come in order",
    async check({ kv, prefix }) {
      const { succeeded, responses, header } = await kv.txn({
        success: [putOp(`${prefix}a`, "1"), putOp(`${prefix}b`, "2"), getOp(`${prefix}a`), deleteOp(`${prefix}x`)],
      });
      assert.equal(succeeded, true);
      assert.deepEqual(responses.map((r) => r.response.case), [
        "responsePut",
        "responsePut",
        "responseRange",
        "responseDeleteRange",
      ]);
      const read = responses[2]?.response;
      assert.ok(read?.case === "responseRange");
      assert.equal(text(read.value.kvs[0]?.value ?? nothing), "1");
      const { kvs } = await kv.range(all(prefix));
      assert.deepEqual(kvs.map((found) => found.modRevision), [header?.revision, header?.revision]);
    },
  },
  {
    name: "a transaction chooses by its compares, and one that changes nothing makes no revision",
    async check({ kv, prefix }) {
      const key = `${prefix}a`;
      const { header } = await kv.put({ key: bytes(key), value: bytes("m") });
      const at = header?.revision as bigint;
      const holds = async (...compares: MessageInitShape<typeof CompareSchema>[]) => {
        const answer = await kv.txn({ compare: compares, success: [getOp(key)], failure: [] });
        return answer.succeeded;
      };
      assert.equal(await holds(compare(key, Target.VERSION, Is.EQUAL, { case: "version", value: 1n })), true);
      assert.equal(await holds(compare(key, Target.VERSION, Is.NOT_EQUAL, { case: "version", value: 1n })), false);
      assert.equal(await holds(compare(key, Target.CREATE, Is.EQUAL, { case: "createRevision", value: at })), true);
      assert.equal(await holds(compare(key, Target.MOD, Is.LESS, { case: "modRevision", value: at + 1n })), true);
      assert.equal(await holds(compare(key, Target.MOD, Is.GREATER, { case: "modRevision", value: at })), false);
      assert.equal(await holds(compare(key, Target.VALUE, Is.GREATER, { case: "value", value: bytes("l") })), true);
      assert.equal(await holds(compare(key, Target.VALUE, Is.EQUAL, { case: "value", value: bytes("l") })), false);
      assert.equal(await holds(compare(key, Target.LEASE, Is.EQUAL, { case: "lease", value: 0n })), true);
      assert.equal(
        await holds(
          compare(key, Target.VERSION, Is.EQUAL, { case: "version", value: 1n }),
          compare(key, Target.VERSION, Is.EQUAL, { case: "version", value: 2n }),
        ),
        false,
      );
      const absent = `${prefix}absent`;
      assert.equal(await holds(compare(absent, Target.CREATE, Is.EQUAL, { case: "createRevision", value: 0n })), true);
      assert.equal(await holds(compare(absent, Target.VALUE, Is.EQUAL, { case: "value", value: nothing })), false);
      assert.equal(await holds(compare(absent, Target.VALUE, Is.NOT_EQUAL, { case: "value", value: nothing })), false);
      const ranged = { ...compare(prefix, Target.CREATE, Is.GREATER, { case: "createRevision", value: at - 1n }) };
      assert.equal(await holds({ ...ranged, rangeEnd: after(prefix) }), true);
      const { header: now } = await kv.range({ key: bytes(key) });
      assert.equal(now?.revision, at);
    },
  },
  {
    name: "nested transactions choose by what stood before the first change",
    async check({ kv, prefix }) {
      const answer = await kv.txn({
        success: [
          putOp(`${prefix}a`, "1"),
          {
            request: {
              case: "requestTxn",
              value: {
                compare: [compare(`${prefix}a`, Target.VERSION, Is.EQUAL, { case: "version", value: 0n })],
                success: [putOp(`${prefix}b`, "then")],
                failure: [putOp(`${prefix}b`, "else")],
              },
            },
          },
        ],
      });
      const nested = answer.responses[1]?.response;
      assert.ok(nested?.case === "responseTxn");
      assert.equal(nested.value.succeeded, true);
      const { kvs: [b] } = await kv.range({ key: bytes(`${prefix}b`) });
      assert.equal(text(b?.value ?? nothing), "then");
    },
  },
  {
    name: "a transaction that changes a key twice, does nothing in one place or is too long is refused whole",
    async check({ kv, prefix }) {
      const [a, b] = [`${prefix}a`, `${prefix}b`];
      const invalid = (message: string, success: Op[]) =>
        refused(Code.InvalidArgument, `etcdserver: ${message}`, kv.txn({ success }));
      const nested = (success: Op[], failure: Op[] = []): Op => ({
        request: { case: "requestTxn", value: { success, failure } },
      });
      await invalid("duplicate key given in txn request", [putOp(a), putOp(a)]);
      await invalid("duplicate key given in txn request", [putOp(a), deleteOp(a)]);
      await invalid("duplicate key given in txn request", [putOp(a), deleteOp(prefix, { rangeEnd: after(prefix) })]);
      await invalid("duplicate key given in txn request", [putOp(a), nested([putOp(a)])]);
      await invalid("duplicate key given in txn request", [nested([putOp(a)]), nested([putOp(a)])]);
      await invalid("key not found", [putOp(a), {}]);
      await invalid("key is not provided", [putOp("")]);
      await invalid("key not found", [putOp(a), putOp(b, "", { ignoreValue: true })]);
      await invalid("too many operations in txn request", Array.from({ length: 129 }, (_, i) => putOp(`${a}${i}`)));
      await refused(
        Code.NotFound,
        "etcdserver: requested lease not found",
        kv.txn({ success: [putOp(a), putOp(b, "", { lease: 404n })] }),
      );
      assert.equal((await kv.range(all(prefix))).count, 0n);
      await kv.txn({ success: [nested([putOp(a)], [putOp(a)]), deleteOp(b), deleteOp(b)] });
      assert.equal((await kv.range(all(prefix))).count, 1n);
    },
  },
];

const leaseStatements: Statement[] = [
  {
    name: "a lease has the id that was asked for, or one that the server chose, and a TTL of at least 2 seconds",
    async check({ lease }) {
      const own = BigInt(Math.floor(performance.now() * 1_000)) + 1n;
      assert.deepEqual((await lease.leaseGrant({ TTL: 60n, ID: own })).ID, own);
      await refused(
        Code.FailedPrecondition,
        "etcdserver: lease already exists",
        lease.leaseGrant({ TTL: 60n, ID: own }),
      );
      const chosen = await lease.leaseGrant({ TTL: 1n });
      assert.ok(chosen.ID > 0n);
      assert.equal(chosen.TTL, 2n);
      assert.equal((await lease.leaseGrant({ TTL: 0n })).TTL, 2n);
      await refused(Code.OutOfRange, "etcdserver: too large lease TTL", lease.leaseGrant({ TTL: 9_000_000_001n }));
      const { leases } = await lease.leaseLeases({});
      assert.ok(leases.some(({ ID }) => ID === own) && leases.some(({ ID }) => ID === chosen.ID));
    },
  },
  {
    name: "a keepalive answers with the whole TTL, and for a lease that is gone with TTL 0",
    async check({ lease, keepAlive }) {
      const { ID } = await lease.leaseGrant({ TTL: 60n });
      const { ID: answered, TTL } = await keepAlive(ID);
      assert.deepEqual([answered, TTL], [ID, 60n]);
      await lease.leaseRevoke({ ID });
      const gone = await keepAlive(ID);
      assert.deepEqual([gone.ID, gone.TTL], [ID, 0n]);
    },
  },
  {
    name: "a put with a lease that is gone, and revoking it again, are refused as NotFound",
    async check({ kv, lease, prefix }) {
      const { ID } = await lease.leaseGrant({ TTL: 60n });
      await lease.leaseRevoke({ ID });
      const key = bytes(`${prefix}a`);
      await refused(Code.NotFound, "etcdserver: requested lease not found", kv.put({ key, lease: ID }));
      await refused(Code.NotFound, "etcdserver: requested lease not found", lease.leaseRevoke({ ID }));
      assert.equal((await kv.range({ key })).count, 0n);
    },
  },
  {
    name: "time to live tells what is left and the keys that are attached, and -1 for a lease that is gone",
    async check({ kv, lease, prefix }) {
      const { ID } = await lease.leaseGrant({ TTL: 60n });
      await kv.put({ key: bytes(`${prefix}b`), lease: ID });
      await kv.put({ key: bytes(`${prefix}a`), lease: ID });
      const left = await lease.leaseTimeToLive({ ID, keys: true });
      assert.ok(left.TTL > 50n && left.TTL <= 60n);
      assert.equal(left.grantedTTL, 60n);
      assert.deepEqual(left.keys.map(text).sort(), [`${prefix}a`, `${prefix}b`]);
      assert.deepEqual((await lease.leaseTimeToLive({ ID })).keys, []);
      await lease.leaseRevoke({ ID });
      const gone = await lease.leaseTimeToLive({ ID, keys: true });
      assert.deepEqual([gone.TTL, gone.grantedTTL, gone.keys.length], [-1n, 0n, 0]);
    },
  },
  {
    name: "revoking a lease deletes its keys in one revision, and watches are told in order of the keys",
    async check({ kv, lease, prefix, watch }) {
      const { ID } = await lease.leaseGrant({ TTL: 60n });
      await kv.put({ key: bytes(`${prefix}b`), lease: ID });
      await kv.put({ key: bytes(`${prefix}a`), lease: ID });
      await kv.put({ key: bytes(`${prefix}c`) });
      const stream = watch();
      stream.create(all(prefix));
      assert.equal((await stream.next()).created, true);
      const { header } = await lease.leaseRevoke({ ID });
      const { events } = await stream.next();
      assert.deepEqual(events.map((e) => [e.type, text(e.kv?.key ?? nothing), e.kv?.modRevision]), [
        [Event_EventType.DELETE, `${prefix}a`, header?.revision],
        [Event_EventType.DELETE, `${prefix}b`, header?.revision],
      ]);
      assert.equal((await kv.range(all(prefix))).count, 1n);
    },
  },
  {
    name: "a key belongs to the lease of its last put",
    async check({ kv, lease, prefix }) {
      const first = await lease.leaseGrant({ TTL: 60n });
      const second = await lease.leaseGrant({ TTL: 60n });
      const key = bytes(`${prefix}a`);
      await kv.put({ key, lease: first.ID });
      await kv.put({ key, lease: second.ID });
      await lease.leaseRevoke({ ID: first.ID });
      assert.equal((await kv.range({ key })).kvs[0]?.lease, second.ID);
      await kv.put({ key });
      await lease.leaseRevoke({ ID: second.ID });
      assert.equal((await kv.range({ key })).kvs[0]?.lease, 0n);
    },
  },
  {
    name:
      "a lease that is not kept alive expires, deletes its keys and tells watches, and one that is kept alive stays",
    async check({ kv, lease, prefix, watch, keepAlive }) {
      const dying = await lease.leaseGrant({ TTL: 2n });
      const kept = await lease.leaseGrant({ TTL: 3n });
      await kv.put({ key: bytes(`${prefix}dying`), value: bytes("v"), lease: dying.ID });
      await kv.put({ key: bytes(`${prefix}kept`), lease: kept.ID });
      const stream = watch();
      stream.create({ ...all(prefix), prevKv: true });
      assert.equal((await stream.next()).created, true);
      let told = false;
      const event = stream.next().finally(() => (told = true));
      while (!told) {
        await keepAlive(kept.ID);
        await Promise.race([event.catch(() => {}), new Promise((resolve) => setTimeout(resolve, 200))]);
      }
      const { events: [gone] } = await event;
      assert.equal(gone?.type, Event_EventType.DELETE);
      assert.equal(text(gone?.kv?.key ?? nothing), `${prefix}dying`);
      assert.equal(text(gone?.prevKv?.value ?? nothing), "v");
      assert.equal((await keepAlive(dying.ID)).TTL, 0n);
      assert.equal((await keepAlive(kept.ID)).TTL, 3n);
      assert.deepEqual((await kv.range(all(prefix))).kvs.map((found) => text(found.key)), [`${prefix}kept`]);
    },
  },
];

const watchStatements: Statement[] = [
  {
    name: "a watch is told of what comes after its creation, one response a revision, each under its own revision",
    async check({ kv, prefix, watch }) {
      await kv.put({ key: bytes(`${prefix}before`) });
      const stream = watch();
      stream.create(all(prefix));
      const created = await stream.next();
      assert.deepEqual([created.created, created.canceled, created.events.length], [true, false, 0]);
      const key = bytes(`${prefix}a`);
      const put = (await kv.put({ key, value: bytes("1") })).header?.revision as bigint;
      assert.ok((created.header?.revision as bigint) < put);
      const first = await stream.next();
      assert.deepEqual([first.watchId, first.header?.revision, first.events.length], [created.watchId, put, 1]);
      assert.equal(first.events[0]?.type, Event_EventType.PUT);
      assert.deepEqual([first.events[0]?.kv?.modRevision, first.events[0]?.kv?.version], [put, 1n]);
      assert.equal(text(first.events[0]?.kv?.value ?? nothing), "1");
      const { header } = await kv.txn({ success: [putOp(`${prefix}b`), putOp(`${prefix}c`)] });
      const second = await stream.next();
      assert.deepEqual([second.header?.revision, second.events.length], [header?.revision, 2]);
    },
  },
  {
    name: "a DELETE event has the key and the revision of the deletion, and no value",
    async check({ kv, prefix, watch }) {
      const key = bytes(`${prefix}a`);
      await kv.put({ key, value: bytes("1") });
      const stream = watch();
      stream.create(all(prefix));
      await stream.next();
      const { header } = await kv.deleteRange({ key });
      const { events: [event] } = await stream.next();
      assert.equal(event?.type, Event_EventType.DELETE);
      assert.equal(text(event?.kv?.key ?? nothing), `${prefix}a`);
      assert.deepEqual([event?.kv?.value.length, event?.kv?.modRevision], [0, header?.revision]);
      assert.deepEqual([event?.kv?.createRevision, event?.kv?.version, event?.kv?.lease], [0n, 0n, 0n]);
      assert.equal(event?.prevKv, undefined);
    },
  },
  {
    name: "a watch with a start revision in the past catches up from it, in order, and goes on",
    async check({ kv, prefix, watch }) {
      await kv.put({ key: bytes(`${prefix}a`), value: bytes("0") });
      const from = (await kv.put({ key: bytes(`${prefix}a`), value: bytes("1") })).header?.revision as bigint;
      await kv.put({ key: bytes(`${prefix}b`), value: bytes("2") });
      await kv.deleteRange({ key: bytes(`${prefix}a`) });
      const stream = watch();
      stream.create({ ...all(prefix), startRevision: from });
      assert.equal((await stream.next()).created, true);
      const past = (await stream.events(3)).flatMap((r) => r.events);
      assert.deepEqual(past.map((e) => [e.type, text(e.kv?.value ?? nothing)]), [
        [Event_EventType.PUT, "1"],
        [Event_EventType.PUT, "2"],
        [Event_EventType.DELETE, ""],
      ]);
      await kv.put({ key: bytes(`${prefix}b`), value: bytes("3") });
      assert.equal(text((await stream.next()).events[0]?.kv?.value ?? nothing), "3");
    },
  },
  {
    name: "a catch-up comes in batches whose headers carry the store's revision, beyond that of their last event",
    async check({ kv, prefix, watch }) {
      // A batch holds up to 1,000 revisions: 21 transactions of 50 keys are one batch, so single puts are needed.
      const from = (await kv.put({ key: bytes(`${prefix}0`) })).header?.revision as bigint;
      for (let i = 1; i < 1_100; i += 50) {
        await Promise.all(Array.from({ length: 50 }, (_, j) => kv.put({ key: bytes(`${prefix}${i + j}`) })));
      }
      const now = (await kv.range({ key: bytes(prefix) })).header?.revision as bigint;
      const stream = watch();
      stream.create({ ...all(prefix), startRevision: from });
      assert.equal((await stream.next()).created, true);
      const responses = await stream.events(1_101);
      assert.ok(responses.length >= 2);
      const [first] = responses as [WatchResponse];
      assert.ok(first.events.length <= 1_000);
      assert.equal(first.header?.revision, now);
      assert.ok((first.events.at(-1)?.kv?.modRevision as bigint) < now);
      const revisions = responses.flatMap((r) => r.events).map((e) => Number(e.kv?.modRevision));
      assert.deepEqual(revisions, Array.from(revisions, (_, i) => Number(from) + i));
    },
  },
  {
    name: "a watch with a start revision to come is told nothing before it",
    async check({ kv, prefix, watch }) {
      const now = (await kv.put({ key: bytes(`${prefix}a`), value: bytes("0") })).header?.revision as bigint;
      const stream = watch();
      stream.create({ ...all(prefix), startRevision: now + 2n });
      assert.equal((await stream.next()).created, true);
      await kv.put({ key: bytes(`${prefix}a`), value: bytes("1") });
      await kv.put({ key: bytes(`${prefix}a`), value: bytes("2") });
      assert.equal(text((await stream.next()).events[0]?.kv?.value ?? nothing), "2");
    },
  },
  {
    name: "a watch tells the previous value when asked, except for a key that is new",
    async check({ kv, prefix, watch }) {
      const stream = watch();
      stream.create({ ...all(prefix), prevKv: true });
      await stream.next();
      const key = bytes(`${prefix}a`);
      await kv.put({ key, value: bytes("1") });
      await kv.put({ key, value: bytes("2") });
      await kv.deleteRange({ key });
      const events = (await stream.events(3)).flatMap((r) => r.events);
      assert.deepEqual(events.map((e) => e.prevKv && text(e.prevKv.value)), [undefined, "1", "2"]);
    },
  },
  {
    name: "filters leave out puts or deletions",
    async check({ kv, prefix, watch }) {
      const stream = watch();
      stream.create({ ...all(prefix), watchId: 1n, filters: [Filter.NOPUT] });
      stream.create({ ...all(prefix), watchId: 2n, filters: [Filter.NODELETE] });
      await stream.next();
      await stream.next();
      const key = bytes(`${prefix}a`);
      await kv.put({ key });
      await kv.deleteRange({ key });
      await kv.put({ key });
      const seen = await stream.events(3);
      const typesOf = (id: bigint) => seen.filter((r) => r.watchId === id).flatMap((r) => r.events.map((e) => e.type));
      assert.deepEqual(typesOf(1n), [Event_EventType.DELETE]);
      assert.deepEqual(typesOf(2n), [Event_EventType.PUT, Event_EventType.PUT]);
    },
  },
  {
    name: "one stream carries several watches under ids that are chosen or counted, and a canceled one ends alone",
    async check({ kv, prefix, watch }) {
      const stream = watch();
      stream.create({ key: bytes(`${prefix}a`) });
      const first = (await stream.next()).watchId;
      stream.create({ key: bytes(`${prefix}b`), watchId: 77n });
      assert.equal((await stream.next()).watchId, 77n);
      stream.create({ key: bytes(`${prefix}c`), watchId: 77n });
      const refusal = await stream.next();
      assert.deepEqual([refusal.created, refusal.canceled, refusal.watchId], [true, true, -1n]);
      assert.match(refusal.cancelReason, /duplicate watch ID/);
      stream.cancel(first);
      const canceled = await stream.next();
      assert.deepEqual([canceled.watchId, canceled.canceled, canceled.created], [first, true, false]);
      await kv.put({ key: bytes(`${prefix}a`) });
      await kv.put({ key: bytes(`${prefix}b`) });
      assert.equal((await stream.next()).watchId, 77n);
    },
  },
  {
    name: "a watch on an empty range is created and canceled at once",
    async check({ prefix, watch }) {
      const stream = watch();
      stream.create({ key: bytes(`${prefix}b`), rangeEnd: bytes(`${prefix}a`) });
      const refusal = await stream.next();
      assert.deepEqual([refusal.created, refusal.canceled, refusal.watchId], [true, true, -1n]);
      assert.equal(refusal.cancelReason, "mvcc: watcher range is empty");
    },
  },
  {
    name: "a progress request is answered for the whole stream, with the store's revision and no events",
    async check({ kv, prefix, watch }) {
      const stream = watch();
      stream.create(all(prefix));
      await stream.next();
      const { header } = await kv.put({ key: bytes(`other-${prefix}`) });
      stream.progress();
      const progress = await stream.next();
      assert.deepEqual([progress.watchId, progress.events.length, progress.created], [-1n, 0, false]);
      assert.equal(progress.header?.revision, header?.revision);
    },
  },
  {
    name:
      "a response too large is split for a watch that asks for fragments, and the last piece says that it is the last",
    async check({ kv, prefix, watch }) {
      const value = new Uint8Array(900_000);
      let from = 0n;
      for (const name of ["a", "b", "c"]) {
        const { header } = await kv.put({ key: bytes(prefix + name), value });
        from ||= header?.revision as bigint;
      }
      const stream = watch();
      stream.create({ ...all(prefix), startRevision: from, fragment: true });
      await stream.next();
      const pieces = await stream.events(3);
      assert.ok(pieces.length > 1);
      assert.deepEqual(pieces.map((piece) => piece.fragment), pieces.map((_, i) => i < pieces.length - 1));
      assert.deepEqual(pieces.flatMap((p) => p.events).map((e) => text(e.kv?.key ?? nothing).slice(-1)), [
        "a",
        "b",
        "c",
      ]);
    },
  },
];

const serverStatements: Statement[] = [
  {
    name: "authenticating where authentication is off is refused as FailedPrecondition",
    check: ({ auth }) =>
      refused(
        Code.FailedPrecondition,
        "etcdserver: authentication is not enabled",
        auth.authenticate({ name: "root", password: "secret" }),
      ),
  },
  {
    name: "the status tells version, leader and ids",
    async check({ maintenance }) {
      const status = await maintenance.status({});
      assert.match(status.version, /^3\.\d+\.\d+/);
      assert.equal(status.leader, status.header?.memberId);
      assert.ok(status.raftTerm > 0n && status.dbSize >= 0n);
    },
  },
  {
    name: "a compacted revision can't be read, and compacting again or ahead is refused, all as OutOfRange",
    async check({ kv, prefix }) {
      const key = bytes(`${prefix}a`);
      await kv.put({ key, value: bytes("1") });
      const at = (await kv.put({ key, value: bytes("2") })).header?.revision as bigint;
      await kv.put({ key, value: bytes("3") });
      await kv.compact({ revision: at });
      const compacted = "etcdserver: mvcc: required revision has been compacted";
      await refused(Code.OutOfRange, compacted, kv.range({ key, revision: at - 1n }));
      assert.equal(text((await kv.range({ key, revision: at })).kvs[0]?.value ?? nothing), "2");
      await refused(Code.OutOfRange, compacted, kv.compact({ revision: at }));
      await refused(Code.OutOfRange, compacted, kv.txn({ success: [getOp(`${prefix}a`, { revision: at - 1n })] }));
      const future = "etcdserver: mvcc: required revision is a future revision";
      await refused(Code.OutOfRange, future, kv.compact({ revision: at + 1_000_000n }));
    },
  },
  {
    name: "a watch from a compacted revision is created, then canceled with the compact revision; others go on",
    async check({ kv, prefix, watch }) {
      const key = bytes(`${prefix}a`);
      const first = (await kv.put({ key, value: bytes("1") })).header?.revision as bigint;
      const at = (await kv.put({ key, value: bytes("2") })).header?.revision as bigint;
      await kv.compact({ revision: at });
      const stream = watch();
      stream.create({ ...all(prefix), startRevision: first, watchId: 5n });
      const created = await stream.next();
      assert.deepEqual([created.created, created.canceled, created.watchId], [true, false, 5n]);
      const canceled = await stream.next();
      assert.deepEqual([canceled.created, canceled.canceled, canceled.watchId], [false, true, 5n]);
      assert.deepEqual([canceled.compactRevision, canceled.events.length], [at, 0]);
      stream.create({ ...all(prefix), startRevision: at, watchId: 6n });
      assert.equal((await stream.next()).created, true);
      assert.equal(text((await stream.next()).events[0]?.kv?.value ?? nothing), "2");
    },
  },
  {
    name: "a watch that is up to date outlives a compaction",
    async check({ kv, prefix, watch }) {
      const stream = watch();
      stream.create(all(prefix));
      await stream.next();
      const key = bytes(`${prefix}a`);
      const at = (await kv.put({ key })).header?.revision as bigint;
      await stream.next();
      await kv.compact({ revision: at });
      await kv.put({ key, value: bytes("after") });
      assert.equal(text((await stream.next()).events[0]?.kv?.value ?? nothing), "after");
    },
  },
];

/** All statements. They run one after another, each on keys of its own; those that compact all keys come last. */
export const statements: readonly Statement[] = [
  ...kvStatements,
  ...txnStatements,
  ...leaseStatements,
  ...watchStatements,
  ...serverStatements,
];
