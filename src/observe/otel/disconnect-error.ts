import { inCauses } from "../../connection/causes.ts";
import type { ConnectivityState } from "../../connectivity.ts";

/** How a connection ended. */
export interface Disconnection {
  /** The state that it has now. */
  readonly to: ConnectivityState;
  readonly cause?: Error;
  /** The error code of the server's GOAWAY. */
  readonly goaway?: string;
}

/** Why a connection ended, as gRFC A94's `grpc.disconnect_error` spells it. */
export function disconnectError({ to, cause, goaway }: Disconnection): string {
  if (to === "shutdown") return "subchannel shutdown";
  if (goaway !== undefined) return `GOAWAY ${goaway}`;
  return inCauses(cause, (error) => reasonOf(error as { code?: unknown; message?: unknown })) ?? "unknown";
}

function reasonOf({ code, message }: { code?: unknown; message?: unknown }): string | undefined {
  const text = typeof message === "string" ? message : "";
  const [, goaway] = /^the server sent GOAWAY (\w+)/.exec(text) ?? [];
  if (goaway !== undefined) return `GOAWAY ${goaway}`;
  if (code === "ETIMEDOUT" || text.startsWith("no answer to a keepalive ping")) return "connection timed out";
  if (code === "ECONNRESET") return "connection reset";
  if (code === "ECONNABORTED") return "connection aborted";
  return typeof code === "string" && /^E[A-Z]+$/.test(code) ? "socket error" : undefined;
}
