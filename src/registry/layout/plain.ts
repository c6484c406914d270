import type { Endpoint } from "../../endpoint.ts";
import { refuseAttributes } from "./attributes.ts";
import type { Layout } from "./layout.ts";
import { nameBeforeId } from "./read.ts";

/** What the layouts of the plain family differ in. */
export interface PlainSpelling {
  /** The layout's name, for errors. */
  readonly name: string;
  /** The beginning of all keys, with or without a "/" at its end. */
  readonly prefix: string;
  /** Parses an entry; see `Layout.read`. */
  readonly read: (key: string, value: string) => Endpoint;
}

/** A layout of the plain family: `<prefix>/<service>/<host:port>` → `<host:port>`. */
export function plainLayout({ name, prefix, read }: PlainSpelling): Layout {
  const root = `${prefix.replace(/\/+$/, "")}/`;
  const servicePrefix = (service: string) => `${root}${service}/`;
  const serviceOf = (key: string) => {
    const service = nameBeforeId(key, root);
    return service?.includes("/") ? undefined : service;
  };
  return {
    root,
    prefix: servicePrefix,
    serviceOf,
    write(entry) {
      refuseAttributes(name, entry, ["weight", "zone", "metadata"]);
      return { key: servicePrefix(entry.service) + entry.address, value: entry.address };
    },
    owns: (service, key) => serviceOf(key) === service,
    read,
  };
}
