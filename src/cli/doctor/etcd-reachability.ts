import { etcdAdvice } from "./connect-advice.ts";
import type { EtcdMember } from "./etcd-members.ts";
import type { Finding } from "./finding.ts";

/** Endpoints of etcd that can't be reached: an error if that is all of them, as clients try one after another. */
export function etcdReachability(members: readonly EtcdMember[]): readonly Finding[] {
  const all = members.every(({ trouble }) => trouble !== undefined);
  return members.flatMap(({ endpoint, trouble }) =>
    trouble === undefined ? [] : [{
      severity: all ? "error" : "warning",
      ...etcdAdvice(trouble),
      where: `etcd ${endpoint.address}`,
    }]
  );
}
