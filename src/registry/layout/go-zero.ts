import { checkOptions, type Checks, text } from "../../option.ts";
import { refuseAttributes } from "./attributes.ts";
import type { Layout } from "./layout.ts";
import { nameBeforeId, readEntry } from "./read.ts";

/** Options of {@link goZero}. */
export interface GoZeroOptions {
  /** The last part of a server's key. Defaults to the lease id. */
  readonly id?: string | number;
}

const OPTIONS: Checks<GoZeroOptions> = {
  id: (name, value) => typeof value === "number" || text(name, value),
};

/**
 * go-zero's: `<service>/<id>` → `10.0.0.5:8080`, where the id defaults to the lease id in decimal. Without a fixed id,
 * a server has a new key after each lost lease; clients count it once, as its address stays the same. It has no place
 * for weight, zone or metadata.
 *
 * Names may contain "/" (`/service/hello.rpc`). As in go-zero, a service's endpoints are all those whose keys begin
 * with its name and a "/", including those of services below it.
 *
 * @throws TypeError if the id is neither a string nor a number.
 */
export function goZero(options: GoZeroOptions = {}): Layout {
  checkOptions("goZero()", options, OPTIONS);
  const { id } = options;
  return {
    slashes: true,
    root: "",
    prefix: (service) => `${service}/`,
    serviceOf: (key) => nameBeforeId(key, ""),
    write(entry) {
      refuseAttributes("goZero", entry, ["weight", "zone", "metadata"]);
      return { key: `${entry.service}/${id ?? entry.lease}`, value: entry.address };
    },
    read: readEntry,
  };
}
