// What connect-lb relies on of etcd, as statements that hold for a real etcd and for the one in memory alike.
import { kvStatements } from "./contract/kv.ts";
import { leaseStatements } from "./contract/lease.ts";
import { serverStatements } from "./contract/server.ts";
import type { Statement } from "./contract/subject.ts";
import { txnStatements } from "./contract/txn.ts";
import { watchStatements } from "./contract/watch.ts";

/** All statements. They run one after another, each on keys of its own; those that compact all keys come last. */
export const statements: readonly Statement[] = [
  ...kvStatements,
  ...txnStatements,
  ...leaseStatements,
  ...watchStatements,
  ...serverStatements,
];

export { subject } from "./contract/subject.ts";
