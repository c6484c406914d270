import { checkOptions, type Checks, or, text } from "../../option.ts";
import { checkWholeWeight, stringMap } from "./attributes.ts";
import { goJson } from "./go-json.ts";
import type { Layout } from "./layout.ts";
import { nameBeforeId, nameIn, readEntry } from "./read.ts";

/** What go-micro writes besides the address. */
export interface GoMicroOptions {
  /** Identifies the server (the node) within its service. Defaults to its address. */
  readonly id?: string;
  /** The service's version. Defaults to "latest". */
  readonly version?: string;
}

const OPTIONS: Checks<GoMicroOptions> = { id: text, version: or("", text) };

const ROOT = "/micro/registry/";

/**
 * go-micro's (its etcd registry): `/micro/registry/<service>/<node id>` → JSON of the service with one node. A "/" in a
 * name or an id becomes "-" in the key. Weight and zone are stored in the node's metadata, which holds strings only,
 * beside the protocol, `grpc`.
 *
 * go-micro's key of a service `a/b` is that of `a-b`, too: the `name` in the value says whose it is.
 *
 * @throws TypeError if an option has the wrong type.
 */
export function goMicro(options: GoMicroOptions = {}): Layout {
  checkOptions("goMicro()", options, OPTIONS);
  const { version = "latest" } = options;
  return {
    slashes: true,
    root: ROOT,
    prefix: servicePrefix,
    serviceOf,
    write(entry) {
      checkWholeWeight("goMicro", entry.weight);
      const id = options.id ?? entry.address;
      const own = stringMap("goMicro", { ...entry, metadata: withProtocol(entry.metadata) }, entry.weight);
      const value = goJson({
        name: entry.service,
        version,
        metadata: null,
        endpoints: null,
        nodes: [{ metadata: own, id, address: entry.address }],
      });
      return { key: servicePrefix(entry.service) + inKey(id), value };
    },
    owns: (service, key, value) => serviceOf(key, value) === service,
    read: readEntry,
  };
}

/** What servers in Go say of themselves; what is no object is refused by `stringMap`. */
function withProtocol(metadata: unknown): unknown {
  if (metadata === undefined) return { protocol: "grpc" };
  return typeof metadata === "object" && metadata !== null && !Array.isArray(metadata)
    ? { protocol: "grpc", ...metadata }
    : metadata;
}

function servicePrefix(service: string): string {
  return `${ROOT}${inKey(service)}/`;
}

/** As go-micro spells names in keys. */
function inKey(name: string): string {
  return name.replaceAll("/", "-");
}

/** The service is named by the value, as the key has lost its slashes. */
function serviceOf(key: string, value: string): string | undefined {
  const name = nameIn(value);
  if (name === undefined) return nameBeforeId(key, ROOT);
  return key.startsWith(servicePrefix(name)) ? name : undefined;
}
