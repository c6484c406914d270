import { checkText, refuseAttributes } from "./attributes.ts";
import type { Layout } from "./layout.ts";
import { readEntry } from "./read.ts";

/**
 * The plain spelling, and the default: `/grpclb/<service>/<host:port>` → `<host:port>`.
 *
 * With another prefix it is that of wothing/wonaming (`/wonamingv3`) and wwcd/grpc-lb (`/etcdv3_resolver`).
 * It has no place for weight, zone or metadata.
 *
 * @throws TypeError if the prefix is no text.
 */
export function grpclb(options: { readonly prefix?: string } = {}): Layout {
  const { prefix = "/grpclb" } = options;
  checkText("prefix", prefix);
  const root = prefix.replace(/\/+$/, "");
  const servicePrefix = (service: string) => `${root}/${service}/`;
  return {
    prefix: servicePrefix,
    write(entry) {
      refuseAttributes("grpclb", entry, ["weight", "zone", "metadata"]);
      return { key: servicePrefix(entry.service) + entry.address, value: entry.address };
    },
    read: readEntry,
  };
}
