import type { CallRecord } from "../world/ledger.ts";
import type { Invariant } from "./invariant.ts";

/** Calls that wait for a connection get one in the order in which they were made. */
export const servedInOrder: Invariant = {
  name: "served-in-order",
  watch(world) {
    /** The calls that no attempt was made of, oldest first, by client. */
    const waiting = new Map<string, Set<CallRecord>>();
    return {
      began(call) {
        let line = waiting.get(call.client);
        if (line === undefined) waiting.set(call.client, line = new Set());
        line.add(call);
      },
      attempt(call) {
        const line = waiting.get(call.client)!,
          { plan: { policy, maxInFlight, maxInFlightPerEndpoint } } = world.client(call.client);
        // Not its first attempt.
        if (!line.delete(call)) return;
        // Where there is a limit, calls that exceed it are refused as room is found for others, and hear of it a little later.
        if (maxInFlight !== undefined || maxInFlightPerEndpoint !== undefined) return;
        const hashes = policy === "ringHash" || policy === "rendezvousHash";
        for (const first of line) {
          // Those of one moment may begin in any order; one that has just ended waits for nothing.
          if (first.startedMs >= call.startedMs) return;
          // Calls with other keys wait for other servers.
          if (hashes && first.key !== call.key) continue;
          if (first.givenUp || first.over || world.time.now() >= first.startedMs + (first.timeoutMs ?? Infinity)) {
            continue;
          }
          return world.broken("served-in-order", `${call.id} was served before ${first.id}, which was made earlier`);
        }
      },
      ended: (call) => void waiting.get(call.client)?.delete(call),
    };
  },
};
