import type { RecordedCall } from "./recorded-call.ts";

/** The records of failed calls, by the errors that their callers saw. */
const records = new WeakMap<object, () => RecordedCall | undefined>();

/** Remembers which call failed with an error. */
export function recordError(error: unknown, read: () => RecordedCall | undefined): void {
  if (typeof error === "object" && error !== null) records.set(error, read);
}

/** The call that failed with an error, if a recorder still has it. */
export function recordOf(error: object): RecordedCall | undefined {
  return records.get(error)?.();
}
