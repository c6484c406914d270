import { ConnectError } from "@connectrpc/connect";
import type { Connection, Outcome } from "../connection/connection.ts";
import type { AttemptEnd } from "../connection/mark.ts";
import { guarded, notify } from "../listener.ts";
import type { CallInfo, Picker } from "../policy/policy.ts";
import { codeOf } from "./failure.ts";
import type { Attempt } from "./observer.ts";

/** What is known about an attempt that has ended. */
export interface AttemptResult {
  readonly end: AttemptEnd;
  readonly latencyMs: number;
  readonly headerMs: number | undefined;
  /** Undefined for success. */
  readonly error: unknown;
  /** Undefined if there was none. */
  readonly response: { readonly trailer: Headers } | undefined;
}

/** Reports to a picker how an attempt ended that was picked by it or by one of its predecessors. */
export function reportToPicker(
  picker: Picker | undefined,
  connection: Connection,
  result: AttemptResult,
  call: CallInfo,
): void {
  if (picker?.done === undefined) return;
  guarded("done of a policy's picker", () => picker.done?.(connection, outcomeOf(result), call));
}

/** The result as pickers and health checks see it. */
export function outcomeOf({ end, latencyMs, headerMs, error, response }: AttemptResult): Outcome {
  return {
    end,
    latencyMs,
    headerMs,
    ...error !== undefined && { code: codeOf(error) },
    get trailer() {
      if (error === undefined && response !== undefined) return response.trailer;
      return error instanceof ConnectError ? error.metadata : new Headers();
    },
  };
}

/** Notifies listeners of an attempt that has ended. */
export function reportToListeners(
  listeners: readonly (((attempt: Attempt) => void) | undefined)[],
  attempt: Attempt,
): void {
  for (const listener of listeners) if (listener !== undefined) notify("onAttempt", listener, attempt);
}
