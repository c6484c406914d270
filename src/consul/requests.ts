// The requests about a server's own entry at the agent.

import type { ConsulRequest } from "./agent.ts";
import { checkIdOf, idOf, type Server } from "./instance.ts";

type Named = Pick<Server, "service" | "address">;

/** Registers a server as its definition says, or changes it to that. */
export function register(body: unknown): ConsulRequest {
  return { method: "PUT", path: "agent/service/register", query: [["replace-existing-checks", "true"]], body };
}

/** A heartbeat. */
export function pass(server: Named): ConsulRequest {
  return { method: "PUT", path: `agent/check/pass/${encodeURIComponent(checkIdOf(server))}` };
}

/** Removes a server. */
export function deregister(server: Named): ConsulRequest {
  return { method: "PUT", path: `agent/service/deregister/${encodeURIComponent(idOf(server))}` };
}
