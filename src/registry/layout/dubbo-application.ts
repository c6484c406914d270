import { parseAddress } from "../../endpoint.ts";
import { checkOptions } from "../../option.ts";
import { checkWholeWeight, stringMap } from "./attributes.ts";
import { goJson } from "./go-json.ts";
import type { Layout } from "./layout.ts";
import { nameBeforeId, readEntry } from "./read.ts";

/** dubbo-go's own default. */
const DEFAULT_WEIGHT = 100;
const ROOT = "/services/";

/**
 * dubbo-go's, where applications register ("application level", its etcd service discovery):
 * `/services/<application>/<host>:<port>` → JSON with the fields of its service instance. Zone and metadata are its
 * metadata, which holds strings only; weight is a field, and 0 means 100 as in Dubbo. An instance that is not enabled or
 * not healthy is left out. It has no options.
 *
 * @throws TypeError if any are passed.
 */
export function dubboApplication(options: Readonly<Record<string, never>> = {}): Layout {
  checkOptions("dubboApplication()", options, {});
  const serviceOf = (key: string) => {
    const name = nameBeforeId(key, ROOT);
    return name?.includes("/") ? undefined : name;
  };
  return {
    root: ROOT,
    prefix: (service) => `${ROOT}${service}/`,
    serviceOf,
    write(entry) {
      checkWholeWeight("dubboApplication", entry.weight);
      const { host, port } = parseAddress(entry.address), id = `${host}:${port}`;
      const value = goJson({
        ID: id,
        ServiceName: entry.service,
        Host: host,
        Port: port,
        Weight: entry.weight ?? 0,
        Enable: true,
        Healthy: true,
        Metadata: stringMap("dubboApplication", entry),
        ServiceMetadata: null,
        Address: "",
        GroupName: "",
        Tag: "",
      });
      // Its encoder ends a document with a new line.
      return { key: `${ROOT}${entry.service}/${id}`, value: `${value}\n` };
    },
    owns: (service, key) => serviceOf(key) === service,
    read: (key, value) => ({ weight: DEFAULT_WEIGHT, ...readEntry(key, value) }),
  };
}
