import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type KeyValue, KeyValueSchema } from "../../gen/etcd/kv_pb.ts";
import {
  type DeleteRangeRequest,
  type DeleteRangeResponseSchema,
  type PutRequest,
  type PutResponseSchema,
  type RangeRequest,
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
  type RangeResponseSchema,
} from "../../gen/etcd/rpc_pb.ts";
import { etcdError } from "./error.ts";
import { keyOf, keyRange } from "./key-range.ts";
import type { Store, Write } from "./store.ts";

/** Whether a lease exists. */
export type LeaseLookup = (id: bigint) => boolean;

/** Throws if a request is invalid regardless of what the store holds. */
export function checkRange(request: RangeRequest | DeleteRangeRequest): void {
  if (request.key.length === 0) throw etcdError("emptyKey");
}

/** Throws if a request is invalid regardless of what the store holds. */
export function checkPut(request: PutRequest): void {
  if (request.key.length === 0) throw etcdError("emptyKey");
  if (request.ignoreValue && request.value.length > 0) throw etcdError("valueProvided");
  if (request.ignoreLease && request.lease !== 0n) throw etcdError("leaseProvided");
}

/** Throws if a put can't be applied to the store in its current state. */
export function checkPutApplies(store: Store, leases: LeaseLookup, request: PutRequest): void {
  if (request.ignoreValue || request.ignoreLease) {
    if (store.read(keyRange(request.key, new Uint8Array())).length === 0) throw etcdError("keyNotFound");
  }
  if (request.lease !== 0n && !leases(request.lease)) throw etcdError("leaseNotFound");
}

/** Applies a put that has been checked. */
export function put(store: Store, write: Write, request: PutRequest): MessageInitShape<typeof PutResponseSchema> {
  const [previous] = store.read(keyRange(request.key, new Uint8Array()));
  write.put(
    request.key,
    request.ignoreValue && previous ? previous.value : request.value,
    request.ignoreLease && previous ? previous.lease : request.lease,
  );
  return {
    header: { revision: write.revision },
    ...(request.prevKv && previous ? { prevKv: previous } : {}),
  };
}

/** Applies a deletion that has been checked. */
export function deleteRange(
  write: Write,
  request: DeleteRangeRequest,
): MessageInitShape<typeof DeleteRangeResponseSchema> {
  const held = write.deleteRange(keyRange(request.key, request.rangeEnd));
  return {
    header: { revision: write.revision },
    deleted: BigInt(held.length),
    prevKvs: request.prevKv ? [...held] : [],
  };
}

/** Answers a range request; `newest` is the revision that counts as the current one. */
export function range(
  store: Store,
  request: RangeRequest,
  newest: bigint,
): MessageInitShape<typeof RangeResponseSchema> {
  store.check(request.revision, newest);
  const all = store.read(keyRange(request.key, request.rangeEnd), request.revision);
  // The count covers all keys in the range, regardless of limit and filters.
  const answer = { header: { revision: newest }, count: BigInt(all.length) };
  if (request.countOnly) return answer;

  const kvs = sort(all.filter((kv) => inBounds(kv, request)), request);
  const limit = request.limit > 0n ? Number(request.limit) : kvs.length;
  const cut = kvs.slice(0, limit);
  return {
    ...answer,
    kvs: request.keysOnly ? cut.map((kv) => create(KeyValueSchema, { ...kv, value: new Uint8Array() })) : cut,
    more: kvs.length > limit,
  };
}

/** A bound of 0 means no bound. */
function inBounds(kv: KeyValue, bounds: RangeRequest): boolean {
  return (bounds.maxModRevision === 0n || kv.modRevision <= bounds.maxModRevision) &&
    (bounds.minModRevision === 0n || kv.modRevision >= bounds.minModRevision) &&
    (bounds.maxCreateRevision === 0n || kv.createRevision <= bounds.maxCreateRevision) &&
    (bounds.minCreateRevision === 0n || kv.createRevision >= bounds.minCreateRevision);
}

/** Sorts as etcd does: a sort target other than the key applies, ascending, even if no order is requested. */
function sort(kvs: KeyValue[], { sortOrder, sortTarget }: RangeRequest): KeyValue[] {
  const rank = ranks[sortTarget];
  if (rank !== undefined) {
    kvs.sort((a, b) => {
      const [left, right] = [rank(a), rank(b)];
      return left < right ? -1 : left > right ? 1 : 0;
    });
  }
  return sortOrder === RangeRequest_SortOrder.DESCEND ? kvs.reverse() : kvs;
}

const ranks: Partial<Record<number, (kv: KeyValue) => bigint | string>> = {
  [RangeRequest_SortTarget.VERSION]: (kv) => kv.version,
  [RangeRequest_SortTarget.CREATE]: (kv) => kv.createRevision,
  [RangeRequest_SortTarget.MOD]: (kv) => kv.modRevision,
  [RangeRequest_SortTarget.VALUE]: (kv) => keyOf(kv.value),
};
