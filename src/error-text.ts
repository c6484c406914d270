import { ConnectError } from "@connectrpc/connect";

/** The text of an error without the code that Connect puts in front. */
export function textOf(error: unknown): string {
  if (error instanceof ConnectError) return error.rawMessage;
  return error instanceof Error ? error.message : String(error);
}
