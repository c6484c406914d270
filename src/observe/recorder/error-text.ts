import { endOf } from "../../call/failure.ts";
import { shownTextOf, textOf } from "../../error-text.ts";
import { shownText } from "../../shown-text.ts";

/** An error's text: a server's is foreign, and cut sooner than this library's, which say what is the matter at length. */
export function errorText(error: unknown): string {
  return endOf(error) === "answered" ? shownText(textOf(error)) : shownTextOf(error);
}
