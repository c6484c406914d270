import { Code, ConnectError } from "@connectrpc/connect";

/** The errors that the in-memory etcd answers with, by name. */
export type ErrorName =
  | "emptyKey"
  | "keyNotFound"
  | "valueProvided"
  | "leaseProvided"
  | "tooManyOps"
  | "duplicateKey"
  | "requestTooLarge"
  | "compacted"
  | "futureRevision"
  | "leaseNotFound"
  | "leaseExists"
  | "leaseTtlTooLarge"
  | "authNotEnabled"
  | "stopped";

/** etcd's errors, with the codes and texts of its gRPC API: clients tell some of them apart by their text. */
const errors: Record<ErrorName, readonly [Code, string]> = {
  emptyKey: [Code.InvalidArgument, "key is not provided"],
  keyNotFound: [Code.InvalidArgument, "key not found"],
  valueProvided: [Code.InvalidArgument, "value is provided"],
  leaseProvided: [Code.InvalidArgument, "lease is provided"],
  tooManyOps: [Code.InvalidArgument, "too many operations in txn request"],
  duplicateKey: [Code.InvalidArgument, "duplicate key given in txn request"],
  requestTooLarge: [Code.InvalidArgument, "request is too large"],
  compacted: [Code.OutOfRange, "mvcc: required revision has been compacted"],
  futureRevision: [Code.OutOfRange, "mvcc: required revision is a future revision"],
  leaseNotFound: [Code.NotFound, "requested lease not found"],
  leaseExists: [Code.FailedPrecondition, "lease already exists"],
  leaseTtlTooLarge: [Code.OutOfRange, "too large lease TTL"],
  authNotEnabled: [Code.FailedPrecondition, "authentication is not enabled"],
  stopped: [Code.Unavailable, "server stopped"],
};

/** Creates an error as etcd would send it. */
export function etcdError(name: ErrorName): ConnectError {
  const [code, text] = errors[name];
  return new ConnectError(`etcdserver: ${text}`, code);
}
