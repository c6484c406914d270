import type { MessageInitShape } from "@bufbuild/protobuf";
import type { RequestOpSchema } from "../../../gen/etcd/rpc_pb.ts";
import { bytes } from "./subject.ts";

/** An operation of a transaction. */
export type Op = MessageInitShape<typeof RequestOpSchema>;
export const putOp = (key: string, value = "", more = {}): Op => ({
  request: { case: "requestPut", value: { key: bytes(key), value: bytes(value), ...more } },
});
export const getOp = (key: string, more = {}): Op => ({
  request: { case: "requestRange", value: { key: bytes(key), ...more } },
});
export const deleteOp = (key: string, more = {}): Op => ({
  request: { case: "requestDeleteRange", value: { key: bytes(key), ...more } },
});
