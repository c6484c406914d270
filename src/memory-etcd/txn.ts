import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type KeyValue, KeyValueSchema } from "../../gen/etcd/kv_pb.ts";
import {
  type Compare,
  Compare_CompareResult,
  Compare_CompareTarget,
  type RequestOp,
  type ResponseOpSchema,
  type TxnRequest,
  type TxnResponseSchema,
} from "../../gen/etcd/rpc_pb.ts";
import { etcdError } from "./error.ts";
import { type Key, keyOf, type KeyRange, keyRange, overlap } from "./key-range.ts";
import { checkPut, checkPutApplies, checkRange, deleteRange, type LeaseLookup, put, range } from "./kv.ts";
import type { Store, Write } from "./store.ts";

/** etcd's default for `--max-txn-ops`. */
const MAX_OPS = 128;

/** Runs a transaction: executes all operations that its compares select, or throws without executing any. */
export function txn(
  store: Store,
  leases: LeaseLookup,
  request: TxnRequest,
): MessageInitShape<typeof TxnResponseSchema> {
  checkTxn(request, MAX_OPS);
  checkOverlap(request.success);
  checkOverlap(request.failure);
  // Nested transactions too are decided by the state before the first change.
  const plan = choose(store, request);
  checkPlan(store, leases, plan);
  return store.write((write) => {
    const responses = apply(store, write, plan);
    return { succeeded: plan.succeeded, responses, header: { revision: write.revision } };
  });
}

/** A transaction whose compares have been evaluated. */
interface Plan {
  readonly succeeded: boolean;
  readonly ops: readonly (Exclude<RequestOp["request"], { case: "requestTxn" }> | { case: "plan"; value: Plan })[];
}

function choose(store: Store, request: TxnRequest): Plan {
  const succeeded = request.compare.every((compare) => holds(store, compare));
  const ops = (succeeded ? request.success : request.failure).map(({ request: op }) =>
    op.case === "requestTxn" ? { case: "plan" as const, value: choose(store, op.value) } : op
  );
  return { succeeded, ops };
}

/**
 * Throws if an operation can't be applied to the store in its current state; all puts are checked before all ranges.
 */
function checkPlan(store: Store, leases: LeaseLookup, plan: Plan): void {
  const ops = operations(plan);
  for (const op of ops) if (op.case === "requestPut") checkPutApplies(store, leases, op.value);
  for (const op of ops) if (op.case === "requestRange") store.check(op.value.revision);
}

/** The operations of a plan and of its nested plans, in order. */
function operations(plan: Plan): RequestOp["request"][] {
  return plan.ops.flatMap((op) => op.case === "plan" ? operations(op.value) : [op]);
}

function apply(store: Store, write: Write, plan: Plan): MessageInitShape<typeof ResponseOpSchema>[] {
  return plan.ops.map((op): MessageInitShape<typeof ResponseOpSchema> => {
    switch (op.case) {
      case "requestRange":
        return { response: { case: "responseRange", value: range(store, op.value, write.revision) } };
      case "requestPut":
        return { response: { case: "responsePut", value: put(store, write, op.value) } };
      case "requestDeleteRange":
        return { response: { case: "responseDeleteRange", value: deleteRange(write, op.value) } };
      case "plan": {
        const responses = apply(store, write, op.value);
        return { response: { case: "responseTxn", value: { header: {}, succeeded: op.value.succeeded, responses } } };
      }
      default:
        // checkTxn() has rejected it.
        return {};
    }
  });
}

/** A compare over a range holds if it holds for every key in it; without any key, it compares a key of version 0. */
function holds(store: Store, compare: Compare): boolean {
  const found = store.read(keyRange(compare.key, compare.rangeEnd));
  if (found.length > 0) return found.every((kv) => holdsFor(kv, compare));
  // A missing key has no value, which differs from an empty value.
  return compare.target !== Compare_CompareTarget.VALUE && holdsFor(create(KeyValueSchema), compare);
}

function holdsFor(kv: KeyValue, { target, targetUnion, result }: Compare): boolean {
  const [is, than] = target === Compare_CompareTarget.VALUE
    ? [keyOf(kv.value), targetUnion.case === "value" ? keyOf(targetUnion.value) : ""]
    : [numberOf(kv, target), targetUnion.case === caseOf[target] ? targetUnion.value as bigint : 0n];
  switch (result) {
    case Compare_CompareResult.EQUAL:
      return is === than;
    case Compare_CompareResult.NOT_EQUAL:
      return is !== than;
    case Compare_CompareResult.GREATER:
      return is > than;
    case Compare_CompareResult.LESS:
      return is < than;
    default:
      return true;
  }
}

const caseOf: Partial<Record<number, Compare["targetUnion"]["case"]>> = {
  [Compare_CompareTarget.VERSION]: "version",
  [Compare_CompareTarget.CREATE]: "createRevision",
  [Compare_CompareTarget.MOD]: "modRevision",
  [Compare_CompareTarget.LEASE]: "lease",
};

function numberOf(kv: KeyValue, target: Compare["target"]): bigint {
  switch (target) {
    case Compare_CompareTarget.CREATE:
      return kv.createRevision;
    case Compare_CompareTarget.MOD:
      return kv.modRevision;
    case Compare_CompareTarget.LEASE:
      return kv.lease;
    default:
      return kv.version;
  }
}

/**
 * Throws if a transaction is invalid regardless of what the store holds; nested ones may use the remaining operations.
 */
function checkTxn(request: TxnRequest, maxOps: number): void {
  const ops = Math.max(request.compare.length, request.success.length, request.failure.length);
  if (ops > maxOps) throw etcdError("tooManyOps");
  for (const { key } of request.compare) if (key.length === 0) throw etcdError("emptyKey");
  for (const { request: op } of [...request.success, ...request.failure]) {
    if (op.case === "requestRange" || op.case === "requestDeleteRange") checkRange(op.value);
    else if (op.case === "requestPut") checkPut(op.value);
    else if (op.case === "requestTxn") checkTxn(op.value, maxOps - ops);
    else throw etcdError("keyNotFound");
  }
}

/**
 * Throws if one list of operations puts a key twice, or puts and deletes it: a revision holds one change per key. The
 * two branches of a nested transaction exclude each other, so both may put the same key.
 */
function checkOverlap(ops: readonly RequestOp[]): { puts: Set<Key>; deletes: KeyRange[] } {
  const puts = new Set<Key>();
  const deletes: KeyRange[] = [];
  const addPut = (key: Key, allowed?: Set<Key>) => {
    const point = { start: key, end: key + "\0" };
    if (deletes.some((deleted) => overlap(deleted, point))) throw etcdError("duplicateKey");
    if (puts.has(key) && !allowed?.has(key)) throw etcdError("duplicateKey");
    puts.add(key);
  };
  for (const { request: op } of ops) {
    if (op.case === "requestDeleteRange") deletes.push(keyRange(op.value.key, op.value.rangeEnd));
  }
  for (const { request: op } of ops) {
    if (op.case !== "requestTxn") continue;
    const success = checkOverlap(op.value.success);
    const failure = checkOverlap(op.value.failure);
    for (const key of success.puts) addPut(key);
    for (const key of failure.puts) addPut(key, success.puts);
    deletes.push(...success.deletes, ...failure.deletes);
  }
  for (const { request: op } of ops) {
    if (op.case === "requestPut") addPut(keyOf(op.value.key));
  }
  return { puts, deletes };
}
