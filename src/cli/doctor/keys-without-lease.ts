import { shownText } from "../../shown-text.ts";
import type { Finding } from "./finding.ts";
import type { RegisteredKey } from "./registered-keys.ts";

/** Keys that stay when their server dies. */
export function keysWithoutLease(keys: readonly RegisteredKey[]): readonly Finding[] {
  return keys.flatMap(({ key, lease, endpoint }) =>
    lease !== 0n || endpoint === undefined ? [] : [{
      severity: "warning",
      what: "a key has no lease: it stays when its server dies, and clients go on trying to connect",
      where: shownText(key),
      next: "register with a lease, as registry.register() and connect-lb register do, and remove this key with " +
        "etcdctl del KEY; if somebody wrote it by hand on purpose, all is well",
    }]
  );
}
