// What a proxy's clients learn of calls that no server answered.

import { Code, ConnectError } from "@connectrpc/connect";
import type { FailedAttempt } from "../call/failed-attempts.ts";

/**
 * The error for a client. A proxy faces outwards: where its servers are, and what their connections died of, is for the
 * recorder and the observers of its transports.
 */
export function clientError(error: unknown, attempts: readonly FailedAttempt[]): ConnectError {
  const code = error instanceof ConnectError ? error.code : Code.Internal;
  return new ConnectError(
    `proxy: ${textOf(code, attempts)}`,
    code === Code.FailedPrecondition ? Code.Unavailable : code,
  );
}

function textOf(code: Code, attempts: readonly FailedAttempt[]): string {
  if (code === Code.DeadlineExceeded) return "the deadline passed before the service answered";
  const last = attempts.at(-1);
  const which = attempts.length === 1 ? "the only attempt" : `the last of ${attempts.length} attempts`;
  switch (last?.end) {
    case undefined:
      return code === Code.Unavailable ? "no server of the service can be reached" : "the call can't be made";
    case "not-sent":
      return `${which} was not sent`;
    case "refused":
      return `${which} was refused by its server`;
    case "answered":
      return `${which} was answered with something that is no gRPC response`;
    case "maybe-processed":
      return `${which} ended before its server answered`;
  }
}
