import { ConnectError } from "@connectrpc/connect";
import type { Connection, Outcome } from "../connection/connection.ts";
import type { AttemptEnd } from "../connection/mark.ts";
import { notify } from "../listener.ts";
import type { CallInfo, Picker } from "../policy/policy.ts";
import { codeOf } from "./failure.ts";
import type { Attempt } from "./observer.ts";

/** What is known of an attempt that has ended. */
export interface AttemptResult {
  readonly end: AttemptEnd;
  readonly latencyMs: number;
  readonly headerMs: number | undefined;
  /** Undefined for success. */
  readonly error: unknown;
  /** Undefined where none came. */
  readonly response: { readonly trailer: Headers } | undefined;
}

/** Tells a picker how an attempt that it, or one before it, gave to a connection has ended. */
export function tellPicker(
  picker: Picker | undefined,
  connection: Connection,
  result: AttemptResult,
  call: CallInfo,
): void {
  if (picker?.done === undefined) return;
  try {
    picker.done(connection, outcomeOf(result), call);
  } catch (thrown) {
    console.error("connect-lb: done of a policy's picker threw", thrown);
  }
}

/** The same for the health checks of a transport. */
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

/** Tells those who listen of an attempt that has ended. */
export function tellListeners(
  listeners: readonly (((attempt: Attempt) => void) | undefined)[],
  attempt: Attempt,
): void {
  for (const listener of listeners) if (listener !== undefined) notify("onAttempt", listener, attempt);
}
