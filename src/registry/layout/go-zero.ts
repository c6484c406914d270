import { checkText, refuseAttributes } from "./attributes.ts";
import type { Layout } from "./layout.ts";
import { readEntry } from "./read.ts";

/**
 * go-zero's: `<service>/<id>` → `10.0.0.5:8080`, where the id is the lease's in decimal unless one is given. Without a
 * given one, a server has another key after each lost lease; clients count it once, as its address stays.
 * It has no place for weight, zone or metadata.
 *
 * Names may have a "/" in them (`/service/hello.rpc`). As in go-zero, a service's endpoints are all those whose keys begin
 * with its name and a "/", also those of services below it.
 *
 * @throws TypeError if the id is no text.
 */
export function goZero(options: { readonly id?: string | number } = {}): Layout {
  const id = options.id === undefined ? undefined : String(options.id);
  if (id !== undefined) checkText("id", id);
  return {
    slashes: true,
    prefix: (service) => `${service}/`,
    write(entry) {
      refuseAttributes("goZero", entry, ["weight", "zone", "metadata"]);
      return { key: `${entry.service}/${id ?? entry.lease}`, value: entry.address };
    },
    read: readEntry,
  };
}
