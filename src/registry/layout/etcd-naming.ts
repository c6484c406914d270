import { goJson, goMap } from "./go-json.ts";
import type { Layout, LayoutEntry } from "./layout.ts";
import { readEntry } from "./read.ts";

/**
 * etcd's own client/v3/naming, which grpc-go resolves as `etcd:///<service>`:
 * `<service>/<host:port>` → `{"Op":0,"Addr":"10.0.0.5:8080","Metadata":null}`.
 *
 * Metadata is any JSON. Weight and zone have no other place than an object there, and old versions of grpc-go crash on
 * an object: leave weight and zone out, and give null or a string, where such clients read.
 */
export function etcdNaming(): Layout {
  return {
    prefix: (service) => `${service}/`,
    write: (entry) => ({
      key: `${entry.service}/${entry.address}`,
      value: goJson({ Op: 0, Addr: entry.address, Metadata: goMap(metadata(entry)) }),
    }),
    read: readEntry,
  };
}

function metadata({ weight, zone, metadata }: LayoutEntry): unknown {
  if (weight === undefined && zone === undefined) return metadata;
  if (metadata !== undefined && (typeof metadata !== "object" || metadata === null || Array.isArray(metadata))) {
    throw new TypeError(
      `metadata ${JSON.stringify(metadata)}: beside weight or zone the layout etcdNaming takes an object`,
    );
  }
  return { ...metadata, ...(weight === undefined ? {} : { weight }), ...(zone === undefined ? {} : { zone }) };
}
