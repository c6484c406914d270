import type { Code } from "@connectrpc/connect";
import { statusName } from "../status-name.ts";

/** The names of gRPC's status codes, by number; 0 is OK. */
export const STATUS_NAMES: readonly string[] = Array.from({ length: 17 }, (_, code) => statusName(code || undefined));

/** The number of a status: 0 is OK. */
export function statusNumber(code: Code | undefined): number {
  const number: number = code ?? 0;
  return number >= 0 && number < STATUS_NAMES.length ? number : 2;
}
