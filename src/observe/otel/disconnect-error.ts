import { inCauses } from "../../connection/causes.ts";
import type { ConnectivityState } from "../../connectivity.ts";

/** Why a connection ended, as gRFC A94's `grpc.disconnect_error` spells it. `to`: the state that it has now. */
export function disconnectError(to: ConnectivityState, cause: Error | undefined): string {
  if (to === "shutdown") return "subchannel shutdown";
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
