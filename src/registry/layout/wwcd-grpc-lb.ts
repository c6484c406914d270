import { checkOptions } from "../../option.ts";
import type { Layout } from "./layout.ts";
import { plainLayout } from "./plain.ts";
import { readEntry } from "./read.ts";

/**
 * wwcd/grpc-lb's: `/etcdv3_resolver/<service>/<host:port>` → `<host:port>`. Its releases of 2017 wrote `/etcd3_naming`:
 * `grpclb({ prefix: "/etcd3_naming" })` meets those. Like {@link grpclb}, it has no place for weight, zone or metadata,
 * and names contain no "/". It has no options.
 *
 * @throws TypeError if any are passed.
 */
export function wwcdGrpcLb(options: Readonly<Record<string, never>> = {}): Layout {
  checkOptions("wwcdGrpcLb()", options, {});
  return plainLayout({ name: "wwcdGrpcLb", prefix: "/etcdv3_resolver", read: readEntry });
}
