// Random operations on the etcd in memory and on a real one, both fresh: all answers and events are alike.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type DescMessage, type MessageInitShape, type MessageShape, toJson } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import fc from "fast-check";
import { EventSchema } from "../../gen/etcd/kv_pb.ts";
import {
  CompactionResponseSchema,
  Compare_CompareResult,
  Compare_CompareTarget,
  type CompareSchema,
  type DeleteRangeRequestSchema,
  DeleteRangeResponseSchema,
  type PutRequestSchema,
  PutResponseSchema,
  type RangeRequestSchema,
  RangeResponseSchema,
  type RequestOpSchema,
  type TxnRequestSchema,
  TxnResponseSchema,
} from "../../gen/etcd/rpc_pb.ts";
import { createMemoryEtcd } from "../../src/testing.ts";
import { type Etcd, etcdSkipped, startEtcd } from "../support/etcd.ts";
import { bytes, type Subject, subject } from "./contract/subject.ts";

type Op =
  | { call: "range"; request: MessageInitShape<typeof RangeRequestSchema> }
  | { call: "put"; request: MessageInitShape<typeof PutRequestSchema> }
  | { call: "deleteRange"; request: MessageInitShape<typeof DeleteRangeRequestSchema> }
  | { call: "txn"; request: MessageInitShape<typeof TxnRequestSchema> }
  | { call: "compact"; behind: number };

const key = fc.constantFrom("a", "a\0", "ab", "b", "c", "d", "e", "f", "g", "é").map(bytes);
const rangeEnd = fc.oneof(
  { weight: 3, arbitrary: fc.constant(new Uint8Array()) },
  fc.constantFrom("\0", "b", "d", "\u{10ffff}").map(bytes),
);
const value = fc.constantFrom("", "1", "2").map(bytes);
const small = fc.bigInt(0n, 30n);

const put = fc.record({
  key,
  value,
  prevKv: fc.boolean(),
}, { requiredKeys: ["key"] });
const putWithoutValue = fc.record({ key, prevKv: fc.boolean(), ignoreValue: fc.constant(true) });
const deleteRange = fc.record({ key, rangeEnd, prevKv: fc.boolean() });
// etcd's check for keys that a transaction changes twice overlooks some that a range without an end, or one that ends
// before it begins, would delete; the etcd in memory refuses those too.
const deleteInTxn = fc.record({ key, rangeEnd: fc.constantFrom("", "\u{10ffff}").map(bytes), prevKv: fc.boolean() });
// Sorted by what no two keys share: etcd's order among equals is not defined.
const range = fc.record({
  key,
  rangeEnd,
  limit: fc.bigInt(0n, 3n),
  revision: fc.oneof({ weight: 3, arbitrary: fc.constant(0n) }, small),
  sortOrder: fc.constantFrom(0, 1, 2),
  keysOnly: fc.boolean(),
  countOnly: fc.boolean(),
  minModRevision: small,
  maxModRevision: small,
  minCreateRevision: small,
  maxCreateRevision: small,
}, { requiredKeys: ["key", "rangeEnd"] });
const compare: fc.Arbitrary<MessageInitShape<typeof CompareSchema>> = fc.record({
  key,
  rangeEnd,
  result: fc.constantFrom(...Object.values(Compare_CompareResult)),
  union: fc.oneof(
    fc.record({ case: fc.constant("version" as const), value: fc.bigInt(0n, 3n) }),
    fc.record({ case: fc.constant("createRevision" as const), value: small }),
    fc.record({ case: fc.constant("modRevision" as const), value: small }),
    fc.record({ case: fc.constant("lease" as const), value: fc.bigInt(0n, 1n) }),
    fc.record({ case: fc.constant("value" as const), value }),
  ),
}).map(({ union, ...rest }) => ({ ...rest, target: targets[union.case], targetUnion: union }));
const targets = {
  version: Compare_CompareTarget.VERSION,
  createRevision: Compare_CompareTarget.CREATE,
  modRevision: Compare_CompareTarget.MOD,
  lease: Compare_CompareTarget.LEASE,
  value: Compare_CompareTarget.VALUE,
};
const { txn } = fc.letrec<
  { txn: MessageInitShape<typeof TxnRequestSchema>; op: MessageInitShape<typeof RequestOpSchema> }
>(
  (tie) => ({
    op: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      put.map((value) => ({ request: { case: "requestPut" as const, value } })),
      range.map((value) => ({ request: { case: "requestRange" as const, value } })),
      deleteInTxn.map((value) => ({ request: { case: "requestDeleteRange" as const, value } })),
      putWithoutValue.map((value) => ({ request: { case: "requestPut" as const, value } })),
      tie("txn").map((value) => ({ request: { case: "requestTxn" as const, value } })),
    ),
    txn: fc.record({
      compare: fc.array(compare, { maxLength: 2 }),
      success: fc.array(tie("op"), { maxLength: 3 }),
      failure: fc.array(tie("op"), { maxLength: 2 }),
    }),
  }),
);
const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 6, arbitrary: put.map((request) => ({ call: "put" as const, request })) },
  { weight: 1, arbitrary: putWithoutValue.map((request) => ({ call: "put" as const, request })) },
  { weight: 3, arbitrary: range.map((request) => ({ call: "range" as const, request })) },
  { weight: 2, arbitrary: deleteRange.map((request) => ({ call: "deleteRange" as const, request })) },
  { weight: 4, arbitrary: txn.map((request) => ({ call: "txn" as const, request })) },
  { weight: 1, arbitrary: fc.nat(12).map((behind) => ({ call: "compact" as const, behind })) },
);

/** Fields that hold a revision. */
const revisions = new Set(["revision", "minModRevision", "maxModRevision", "minCreateRevision", "maxCreateRevision"]);

/** Moves the revisions of an operation, from 1 to 30, to around the present one; 0 still stands for none. */
function around<T>(present: bigint, part: T): T {
  const move = (made: bigint) => {
    const moved = made + present - 25n;
    return made === 0n || moved < 0n ? 0n : moved;
  };
  if (Array.isArray(part)) return part.map((one) => around(present, one)) as T;
  if (typeof part !== "object" || part === null || part instanceof Uint8Array) return part;
  return Object.fromEntries(
    Object.entries(part).map(([name, field]) => {
      const union = "case" in part && (part.case === "createRevision" || part.case === "modRevision");
      const moves = typeof field === "bigint" && (revisions.has(name) || (union && name === "value"));
      return [name, moves ? move(field) : around(present, field)];
    }),
  ) as T;
}

/** An answer as text, without what differs between clusters. */
function told<S extends DescMessage>(schema: S, message: MessageShape<S>): string {
  return JSON.stringify(
    toJson(schema, message),
    (name, field) => ["clusterId", "memberId", "raftTerm"].includes(name) ? undefined : field,
  );
}

async function answer({ kv }: Subject, op: Op, revision: bigint): Promise<string> {
  try {
    switch (op.call) {
      case "range":
        return told(RangeResponseSchema, await kv.range(op.request));
      case "put":
        return told(PutResponseSchema, await kv.put(op.request));
      case "deleteRange":
        return told(DeleteRangeResponseSchema, await kv.deleteRange(op.request));
      case "txn":
        return told(TxnResponseSchema, await kv.txn(op.request));
      case "compact":
        return told(CompactionResponseSchema, await kv.compact({ revision: revision - BigInt(op.behind) }));
    }
  } catch (error) {
    return String(ConnectError.from(error));
  }
}

/** All events since a revision, as text. */
async function history({ watch }: Subject, from: bigint, to: bigint): Promise<string[]> {
  if (from > to) return [];
  const stream = watch();
  stream.create({ key: new Uint8Array(1), rangeEnd: new Uint8Array(1), startRevision: from, prevKv: true });
  const events: string[] = [];
  for (let last = 0n; last < to;) {
    const response = await stream.next();
    assert.equal(response.canceled, false);
    for (const event of response.events) {
      events.push(told(EventSchema, event));
      last = event.kv?.modRevision ?? last;
    }
  }
  return events;
}

describe("the etcd in memory and a real one", () => {
  let real: Etcd | undefined;
  before(async () => {
    if (etcdSkipped === false) real = await startEtcd();
  });
  after(() => real?.stop());

  it("answer random operations alike, and have the same history", { skip: etcdSkipped }, async () => {
    // Only a fresh store has the same revisions, so one run takes all operations; shrinking would need another etcd.
    const etcd = createMemoryEtcd();
    const subjects = [etcd.transport(), createGrpcTransport({ baseUrl: (real as Etcd).url })].map(subject) as [
      Subject,
      Subject,
    ];
    const seed = Number(crypto.getRandomValues(new Uint32Array(1))[0]) | 0;
    const ops = fc.sample(op, { numRuns: 500, seed });
    let revision = 1n;
    let compacted = 1n;
    for (const [i, op] of ops.entries()) {
      const placed = around(revision, op);
      const [memory, original] = await Promise.all(subjects.map((one) => answer(one, placed, revision)));
      assert.equal(memory, original, `seed ${seed}, operation ${i}: ${fc.stringify(placed)}`);
      revision = (await subjects[0].kv.range({ key: bytes("a") })).header?.revision as bigint;
      if (op.call === "compact" && memory?.startsWith("{")) compacted = revision - BigInt(op.behind);
    }
    assert.ok(revision > 100n);
    const [memory, original] = await Promise.all(subjects.map((one) => history(one, compacted + 1n, revision)));
    assert.deepEqual(memory, original, `seed ${seed}`);
    for (const one of subjects) one.close();
    await etcd.close();
  });
});
