import { checkOptions, type Checks, text } from "../../option.ts";
import { refuseAttributes } from "./attributes.ts";
import type { Layout } from "./layout.ts";
import { nameBeforeId, readEntry } from "./read.ts";

/** Options of {@link grpclb}. */
export interface GrpclbOptions {
  /** The beginning of all keys. Defaults to "/grpclb". */
  readonly prefix?: string;
}

const OPTIONS: Checks<GrpclbOptions> = { prefix: text };

/**
 * The plain spelling, and the default: `/grpclb/<service>/<host:port>` → `<host:port>`.
 *
 * With another prefix it is that of wothing/wonaming (`/wonamingv3`) and wwcd/grpc-lb (`/etcdv3_resolver`). It has no
 * place for weight, zone or metadata. Names contain no "/": readers of this family take whatever follows a service's
 * prefix for an address. Keys with a further "/" there belong to other services, and are left out.
 *
 * @throws TypeError if the prefix is not a string.
 */
export function grpclb(options: GrpclbOptions = {}): Layout {
  checkOptions("grpclb()", options, OPTIONS);
  const { prefix = "/grpclb" } = options;
  const root = `${prefix.replace(/\/+$/, "")}/`;
  const servicePrefix = (service: string) => `${root}${service}/`;
  const serviceOf = (key: string) => {
    const name = nameBeforeId(key, root);
    return name?.includes("/") ? undefined : name;
  };
  return {
    root,
    prefix: servicePrefix,
    serviceOf,
    write(entry) {
      refuseAttributes("grpclb", entry, ["weight", "zone", "metadata"]);
      return { key: servicePrefix(entry.service) + entry.address, value: entry.address };
    },
    owns: (service, key) => serviceOf(key) === service,
    read: readEntry,
  };
}
