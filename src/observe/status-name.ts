import { Code } from "@connectrpc/connect";

/** A code by gRPC's name: `OK` for success, `DEADLINE_EXCEEDED`, `CANCELLED`. */
export function statusName(code: Code | undefined): string {
  if (code === undefined) return "OK";
  // gRPC spells it with two l.
  if (code === Code.Canceled) return "CANCELLED";
  return (Code[code] ?? Code[Code.Unknown]!).replace(/(?<=[a-z])[A-Z]/g, "_$&").toUpperCase();
}
