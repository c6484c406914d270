import { ConnectError } from "@connectrpc/connect";

/** The message of an error, without the code that Connect prefixes. */
export function textOf(error: unknown): string {
  if (error instanceof ConnectError) return error.rawMessage;
  return error instanceof Error ? error.message : String(error);
}
