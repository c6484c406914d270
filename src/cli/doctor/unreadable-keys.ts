import { shownText } from "../../shown-text.ts";
import type { Finding } from "./finding.ts";
import { isWildcard, type RegisteredKey } from "./registered-keys.ts";

/** Entries that clients skip because they can't be read. */
export function unreadableKeys(keys: readonly RegisteredKey[]): readonly Finding[] {
  return keys.flatMap(({ key, problem }) => {
    if (problem === undefined) return [];
    if (isWildcard({ problem })) {
      return [{
        severity: "error",
        what:
          "a server registered a wildcard host, which means every interface of its machine: clients can't call it, " +
          "and skip it",
        where: `${shownText(key)}: ${shownText(problem.replace(/^its host is a wildcard: /, ""))}`,
        next:
          "register the host by which clients reach the server, such as its IP address or its DNS name; 0.0.0.0 and " +
          ":: are for listening only",
      }];
    }
    return [{
      severity: "error",
      what: `an entry can't be read, so clients skip it: ${shownText(problem)}`,
      where: shownText(key),
      next:
        "if another kind of program wrote it, pass the --layout it uses; otherwise remove it with etcdctl del KEY " +
        "and restart the server that wrote it",
    }];
  });
}
