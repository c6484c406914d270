import type { Connection, Outcome } from "../connection/connection.ts";
import { notify } from "../listener.ts";
import type { Picker } from "../policy/policy.ts";
import type { Attempt } from "./options.ts";

/** Tells a picker how an attempt that it, or one before it, gave to a connection has ended. */
export function tellPicker(picker: Picker | undefined, connection: Connection, outcome: Outcome): void {
  try {
    picker?.done?.(connection, outcome);
  } catch (thrown) {
    console.error("connect-lb: done of a policy's picker threw", thrown);
  }
}

/** Tells those who listen of an attempt that has ended. */
export function tellListeners(
  listeners: readonly (((attempt: Attempt) => void) | undefined)[],
  attempt: Attempt,
): void {
  for (const listener of listeners) if (listener !== undefined) notify("onAttempt", listener, attempt);
}
