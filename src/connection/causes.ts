import { asError, textOf } from "../error-text.ts";

/** How many errors of a chain are looked at: it may be a loop. */
const MAX_DEPTH = 16;

/** Asks an error, then its cause, then the cause of that, until `read` finds something. */
export function inCauses<T>(error: unknown, read: (error: object) => T | undefined): T | undefined {
  for (let depth = 0, e = error; depth < MAX_DEPTH && typeof e === "object" && e !== null; depth++) {
    const found = read(e);
    if (found !== undefined) return found;
    e = (e as { cause?: unknown }).cause;
  }
  return undefined;
}

/** What an error and its causes say, each text once: runtimes name the reason why `fetch` failed in the chain of causes. */
export function textOfCauses(thrown: unknown): string {
  const texts = new Set<string>();
  inCauses(asError(thrown), (error) => void texts.add(textOf(error)));
  return [...texts].filter((text) => text !== "").join(": ");
}
