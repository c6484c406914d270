import { CALL_FAULTS } from "./faults/calls.ts";
import { CONNECTION_FAULTS } from "./faults/connections.ts";
import { ETCD_FAULTS } from "./faults/etcd.ts";
import { HTTP2_FAULTS } from "./faults/http2.ts";
import type { OldFault } from "./old-fault.ts";

/** All old faults, in the order of the table. */
export const OLD_FAULTS: readonly OldFault[] = [
  ...CALL_FAULTS,
  ...CONNECTION_FAULTS,
  ...HTTP2_FAULTS,
  ...ETCD_FAULTS,
];
