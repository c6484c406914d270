import type { EtcdMember } from "./etcd-members.ts";
import type { Finding } from "./finding.ts";

/** Well above what the measurement can be wrong by: HTTP's dates are whole seconds. */
const FAR_MS = 5_000;

/** Clocks that differ: of certificates, which then seem expired or not valid yet, and of logs, which nobody can compare. */
export function etcdClock(members: readonly EtcdMember[]): readonly Finding[] {
  return members.flatMap(({ endpoint: { address }, clockAheadMs = 0 }) => {
    if (Math.abs(clockAheadMs) < FAR_MS) return [];
    const seconds = Math.round(Math.abs(clockAheadMs) / 1_000);
    return [{
      severity: "warning",
      what: `etcd's clock is ${seconds} s ${clockAheadMs > 0 ? "ahead of" : "behind"} this machine's`,
      where: `etcd ${address}`,
      next: "set both clocks by NTP: with wrong ones certificates fail that are valid, and logs can't be compared",
    }];
  });
}
