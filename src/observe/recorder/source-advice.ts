import type { FailedCall } from "../../call/failed-call.ts";
import { shownText } from "../../shown-text.ts";

/** etcd's texts for a user that it doesn't know or doesn't allow, which no retry mends. */
const REFUSED = /permission denied|invalid user ID or password|user name is empty|invalid auth token|Unauthenticated/i;
/** Texts of a name that has no address, and of DNS that does not answer. */
const UNRESOLVED = /\b(ENOTFOUND|ENODATA|EAI_AGAIN|ETIMEOUT|ESERVFAIL)\b|there are no records/;

/**
 * What to do about the source of a transport's endpoints: `own` is the text of a call's error without `stale`, its part
 * about that source.
 */
export function sourceAdvice(own: string, stale: string | undefined, source: FailedCall["balancer"]): string[] {
  const unknown = /are not known yet/.test(own);
  if (!unknown && stale === undefined) return [];
  const target = shownText(source.target),
    outdated = unknown ? "" : `, so the endpoints of ${target} may be out of date`;
  if (REFUSED.test(stale ?? "")) {
    const until = unknown ? ", so the endpoints were never resolved" : outdated;
    return [`The registry refused this program${until}. Check its user, password and roles: npx connect-lb doctor`];
  }
  if (source.scheme === "dns" || UNRESOLVED.test(stale ?? "")) {
    return [
      `${source.scheme === "dns" ? target : "A host name"} can't be resolved${outdated}. Check its spelling, and DNS.`,
    ];
  }
  if (!unknown) return [`The registry can't be reached${outdated}.`];
  return ["The endpoints were never resolved. Check that the registry can be reached: npx connect-lb doctor"];
}
