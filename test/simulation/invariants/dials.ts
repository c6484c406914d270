import { DEFAULT_CONNECT_BACKOFF } from "../../../src/connection/connect-backoff.ts";
import type { ClientPlan } from "../plan/plan.ts";
import type { Invariant } from "./invariant.ts";

/** How many connections anybody may ask anybody for within a minute, whatever happens. */
const MOST = 90;

/** Nobody dials in a loop. */
export const dialsAreBounded: Invariant = {
  name: "dials-are-bounded",
  watch(world) {
    const dials = new Map<string, number[]>();
    return {
      dial(from, address) {
        const key = `${from} dials ${address}`, nowMs = world.time.now();
        const times = (dials.get(key) ?? []).filter((atMs) => atMs > nowMs - 60_000);
        times.push(nowMs);
        dials.set(key, times);
        if (times.length > MOST) {
          world.broken("dials-are-bounded", `${key} ${times.length} times in a minute`);
        }
      },
    };
  },
};

/** The dials of a connection since its backoff began. */
interface Dials {
  /** How many of them failed, or led to a connection that did not last. */
  failed: number;
  lastMs: number;
  /** When the one before the last was made: what counts if the last is given up. */
  beforeMs: number;
  /** The incarnation of the server that was dialled. */
  incarnation: string | undefined;
}

/** Whether a client has one connection to each server, which nothing but its backoff lets it open again. */
function hasOne({ connections, maxAgeMs }: ClientPlan): boolean {
  return connections === 1 && maxAgeMs === undefined;
}

/** After a failure, a connection is opened again no sooner than its backoff allows. */
export const backoffIsObeyed: Invariant = {
  name: "backoff-is-obeyed",
  watch(world) {
    const { initialMs, maxMs } = DEFAULT_CONNECT_BACKOFF;
    const all = new Map<string, Map<string, Dials>>();
    for (const { plan } of world.clients) if (hasOne(plan)) all.set(plan.name, new Map());
    const incarnationOf = (client: string, address: string) => {
      const { endpoints = [] } = world.client(client).transport.snapshot();
      return endpoints.find(({ endpoint }) => endpoint.address === address)?.endpoint.incarnation;
    };
    return {
      dial(from, address) {
        const dials = all.get(from), nowMs = world.time.now();
        if (dials === undefined || !world.servers.some((server) => server.address === address)) return;
        const incarnation = incarnationOf(from, address), before = dials.get(address);
        // Another program has the address now: what its predecessor did doesn't count.
        const failed = before !== undefined && before.incarnation === incarnation ? before.failed : 0;
        const leastMs = failed === 0 ? 0 : 0.8 * Math.min(maxMs, initialMs * 1.6 ** (failed - 1)) - 1;
        if (before !== undefined && nowMs < before.lastMs + leastMs) {
          const afterMs = Math.round(nowMs - before.lastMs);
          world.broken("backoff-is-obeyed", `${from} dials ${address} ${afterMs} ms after failure ${failed}`);
        }
        dials.set(address, { failed: failed + 1, lastMs: nowMs, beforeMs: before?.lastMs ?? -Infinity, incarnation });
      },
      event(client, event) {
        if (event.type !== "connection-state") return;
        const { from, to, endpoint: { address } } = event, dials = all.get(client)?.get(address);
        if (dials === undefined) return;
        // It worked, or is no longer wanted: no failure either way.
        if (from === "ready" && to === "idle" || from === "shutdown" || to === "shutdown") dials.failed = 0;
        else if (from === "connecting" && to === "idle") {
          dials.failed = Math.max(0, dials.failed - 1);
          dials.lastMs = dials.beforeMs;
        }
      },
    };
  },
};
