import { checkOptions } from "../../option.ts";
import { checkWholeWeight, stringMap } from "./attributes.ts";
import { goJson } from "./go-json.ts";
import type { Layout } from "./layout.ts";
import { readEntry } from "./read.ts";

/** Kitex's own default. */
const DEFAULT_WEIGHT = 10;

/**
 * Kitex's: `kitex/registry-etcd/<service>/<host:port>` →
 * `{"network":"tcp","address":"10.0.0.5:8888","weight":10,"tags":null}`. Zone and metadata are its tags, which hold
 * strings only. It has no options.
 *
 * @throws TypeError if there are any.
 */
export function kitex(options: Readonly<Record<string, never>> = {}): Layout {
  checkOptions("kitex()", options, {});
  return {
    prefix: (service) => `kitex/registry-etcd/${service}/`,
    write(entry) {
      checkWholeWeight("kitex", entry.weight);
      const value = goJson({
        network: "tcp",
        address: entry.address,
        weight: entry.weight ?? DEFAULT_WEIGHT,
        tags: stringMap("kitex", entry),
      });
      return { key: `kitex/registry-etcd/${entry.service}/${entry.address}`, value };
    },
    read: (key, value) => ({ weight: DEFAULT_WEIGHT, ...readEntry(key, value) }),
  };
}
