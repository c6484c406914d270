import { checkOptions } from "../../option.ts";
import { checkWholeWeight, stringMap } from "./attributes.ts";
import { goJson } from "./go-json.ts";
import type { Layout } from "./layout.ts";
import { nameBeforeId, readEntry } from "./read.ts";

/** Kitex's own default. */
const DEFAULT_WEIGHT = 10;
const ROOT = "kitex/registry-etcd/";

/**
 * Kitex's: `kitex/registry-etcd/<service>/<host:port>` →
 * `{"network":"tcp","address":"10.0.0.5:8888","weight":10,"tags":null}`. Zone and metadata are its tags, which hold
 * strings only. It has no options.
 *
 * @throws TypeError if any are passed.
 */
export function kitex(options: Readonly<Record<string, never>> = {}): Layout {
  checkOptions("kitex()", options, {});
  return {
    root: ROOT,
    prefix: (service) => `${ROOT}${service}/`,
    // Names contain no "/"; an entry with a further "/" is visible to the service before it.
    serviceOf: (key) => nameBeforeId(key, ROOT)?.split("/")[0],
    write(entry) {
      checkWholeWeight("kitex", entry.weight);
      const value = goJson({
        network: "tcp",
        address: entry.address,
        weight: entry.weight ?? DEFAULT_WEIGHT,
        tags: stringMap("kitex", entry),
      });
      return { key: `${ROOT}${entry.service}/${entry.address}`, value };
    },
    read: (key, value) => ({ weight: DEFAULT_WEIGHT, ...readEntry(key, value) }),
  };
}
