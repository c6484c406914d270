import { checkOptions, type Checks, text } from "../../option.ts";
import type { Layout } from "./layout.ts";
import { plainLayout } from "./plain.ts";
import { readEntry } from "./read.ts";

/** Options of {@link grpclb}. */
export interface GrpclbOptions {
  /** The beginning of all keys. Defaults to "/grpclb". */
  readonly prefix?: string;
}

const OPTIONS: Checks<GrpclbOptions> = { prefix: text };

/**
 * The plain spelling, and the default: `/grpclb/<service>/<host:port>` → `<host:port>`.
 *
 * It has no place for weight, zone or metadata. Names contain no "/": readers of this family take whatever follows a
 * service's prefix for an address. Keys with a further "/" there belong to other services, and are left out.
 *
 * @throws TypeError if the prefix is not a string.
 */
export function grpclb(options: GrpclbOptions = {}): Layout {
  checkOptions("grpclb()", options, OPTIONS);
  const { prefix = "/grpclb" } = options;
  return plainLayout({ name: "grpclb", prefix, read: readEntry });
}
