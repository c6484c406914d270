import { checkOptions, type Checks, quoted, text } from "../../option.ts";
import { goJson, goMap } from "./go-json.ts";
import type { Layout, LayoutEntry } from "./layout.ts";
import { nameBeforeId, readEntry } from "./read.ts";

/** Options of {@link etcdNaming}. */
export interface EtcdNamingOptions {
  /** What comes before the service's name and a "/" in keys and in grpc-go's target. Defaults to nothing. */
  readonly prefix?: string;
}

const OPTIONS: Checks<EtcdNamingOptions> = { prefix: text };

/**
 * etcd's own client/v3/naming, which grpc-go resolves as `etcd:///<service>`: `<service>/<host:port>` →
 * `{"Op":0,"Addr":"10.0.0.5:8080","Metadata":null}`. With a prefix, for example `foo/bar`, it is
 * `etcd:///foo/bar/<service>`.
 *
 * Names may contain "/". As in grpc-go's resolver, a service's endpoints are all those whose keys begin with its name
 * and a "/", including those of services below it: don't name one service `foo` and another one `foo/bar`.
 *
 * Metadata is any JSON. Weight and zone can only be stored in an object there, and old versions of grpc-go crash on an
 * object: if such clients read the keys, omit weight and zone, and set metadata to null or a string.
 *
 * @throws TypeError if the prefix is not a string.
 */
export function etcdNaming(options: EtcdNamingOptions = {}): Layout {
  checkOptions("etcdNaming()", options, OPTIONS);
  const { prefix } = options;
  const root = prefix === undefined ? "" : `${prefix.replace(/\/+$/, "")}/`;
  return {
    slashes: true,
    root,
    prefix: (service) => `${root}${service}/`,
    serviceOf: (key) => nameBeforeId(key, root),
    write: (entry) => ({
      key: `${root}${entry.service}/${entry.address}`,
      value: goJson({ Op: 0, Addr: entry.address, Metadata: goMap(metadata(entry)) }),
    }),
    read: readEntry,
  };
}

function metadata({ weight, zone, metadata }: LayoutEntry): unknown {
  if (weight === undefined && zone === undefined) return metadata;
  if (metadata !== undefined && (typeof metadata !== "object" || metadata === null || Array.isArray(metadata))) {
    throw new TypeError(
      `metadata ${quoted(metadata)}: together with weight or zone, the layout etcdNaming takes an object`,
    );
  }
  return { ...metadata, ...(weight === undefined ? {} : { weight }), ...(zone === undefined ? {} : { zone }) };
}
