import { Code, ConnectError } from "@connectrpc/connect";

/** What etcd refuses. */
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

/** etcd's errors, with the codes and texts that its gRPC API answers with: clients tell some of them apart by text. */
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

/** An error as etcd answers it. */
export function etcdError(name: ErrorName): ConnectError {
  const [code, text] = errors[name];
  return new ConnectError(`etcdserver: ${text}`, code);
}
