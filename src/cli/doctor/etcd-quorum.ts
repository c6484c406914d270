import type { EtcdMember } from "./etcd-members.ts";
import type { Finding } from "./finding.ts";

/** A member that is so many entries behind answers reads that need no quorum with what is long past. */
const FAR_BEHIND = 10_000n;

/** Members that have lost their cluster, or that belong to different ones. */
export function etcdQuorum(members: readonly EtcdMember[]): readonly Finding[] {
  const findings: Finding[] = [];
  const known = members.flatMap(({ endpoint, status }) => status === undefined ? [] : [{ endpoint, status }]);
  const most = known.reduce((most, { status }) => status.raftIndex > most ? status.raftIndex : most, 0n);
  for (const { endpoint: { address }, status } of known) {
    const where = `etcd ${address}`;
    if (status.leaderId === 0n) findings.push({ ...NO_QUORUM, where });
    else if (most - status.raftIndex > FAR_BEHIND) {
      findings.push({
        severity: "warning",
        what: `a member of etcd is more than ${FAR_BEHIND} entries behind the others`,
        where,
        next: "look at its disk and its network; etcdctl endpoint status --cluster shows all members",
      });
    }
  }
  const clusters = new Set(known.map(({ status }) => status.header.clusterId));
  if (clusters.size > 1) {
    findings.push({
      severity: "error",
      what: "the endpoints belong to different etcd clusters: clients would see different servers",
      where: known.map(({ endpoint, status }) => `${endpoint.address} (${status.header.clusterId.toString(16)})`).join(
        ", ",
      ),
      next: "pass the endpoints of one cluster only",
    });
  }
  return findings;
}

/** The finding of a member without a quorum, without its place. */
export const NO_QUORUM: Omit<Finding, "where"> = {
  severity: "error",
  what: "etcd has no quorum: this member knows no leader, so nothing can be registered or looked up",
  next: "start the other members again (more than half of them must run and reach each other): " +
    "etcdctl endpoint status --cluster, etcdctl member list; if they are lost for good, restore from a snapshot",
};
