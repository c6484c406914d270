import { ConnectError } from "@connectrpc/connect";
import { shownText } from "./shown-text.ts";

/** The most that is shown of an error's text: this library's own texts may be long, and say how much is foreign. */
const MOST_SHOWN = 1_000;

/** The message of an error, without the code that Connect prefixes. */
export function textOf(error: unknown): string {
  if (error instanceof ConnectError) return error.rawMessage;
  return error instanceof Error ? error.message : String(error);
}

/** The message of an error as other errors, snapshots and events show it. */
export function shownTextOf(error: unknown): string {
  return shownText(textOf(error), MOST_SHOWN);
}

/** Anything thrown as an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
