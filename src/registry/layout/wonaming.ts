import { checkOptions } from "../../option.ts";
import type { Layout } from "./layout.ts";
import { plainLayout } from "./plain.ts";
import { readEntry } from "./read.ts";

/**
 * wothing/wonaming's (its etcdv3 package): `/wonamingv3/<service>/<host:port>` → `<host:port>`. As in its resolver, the
 * address is read from the key, whatever the value says. Like {@link grpclb}, it has no place for weight, zone or
 * metadata, and names contain no "/". It has no options.
 *
 * @throws TypeError if any are passed.
 */
export function wonaming(options: Readonly<Record<string, never>> = {}): Layout {
  checkOptions("wonaming()", options, {});
  return plainLayout({ name: "wonaming", prefix: "/wonamingv3", read: (key) => readEntry(key, "") });
}
