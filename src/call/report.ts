import type { Connection, Outcome } from "../connection/connection.ts";
import { guarded, notify } from "../listener.ts";
import type { CallInfo, Picker } from "../policy/policy.ts";
import type { Attempt } from "./observer.ts";

/** Reports to a picker how an attempt ended that was picked by it or by one of its predecessors. */
export function reportToPicker(
  picker: Picker | undefined,
  connection: Connection,
  outcome: Outcome,
  call: CallInfo,
): void {
  if (picker?.done === undefined) return;
  guarded("done of a policy's picker", () => picker.done?.(connection, outcome, call));
}

/** Notifies listeners of an attempt that has ended. */
export function reportToListeners(
  listeners: readonly (((attempt: Attempt) => void) | undefined)[],
  attempt: Attempt,
): void {
  for (const listener of listeners) if (listener !== undefined) notify("onAttempt", listener, attempt);
}
