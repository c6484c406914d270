import { Chance } from "../chance/chance.ts";
import { FAULTS } from "../faults/faults.ts";
import type { ClientPlan, FaultPlan, Plan, ServerPlan } from "./plan.ts";

const POLICIES = ["roundRobin", "weightedRoundRobin", "leastRequest", "pickFirst", "ringHash", "random"] as const;
const KINDS = ["read", "write", "list", "chat"] as const;

/** What happens with a seed. Each switches some kinds of faults on, with rates of its own (swarm testing). */
export function planOf(seed: number): Plan {
  const chance = new Chance(seed).of("plan");
  const durationMs = 60_000 * chance.scale(10, 60);
  const etcd = chance.is(0.6);
  const servers = Array.from({ length: chance.whole(1, 5) }, (_, i) => serverPlan(chance.of(`server ${i}`), i));
  const clients = Array.from({ length: chance.whole(1, 3) }, (_, i) => clientPlan(chance.of(`client ${i}`), i));
  const shape = { durationMs, etcd, servers, clients };
  return {
    seed,
    ...shape,
    latencyMs: chance.scale(1, 100) / 2,
    jitterMs: chance.is(0.5) ? 0 : chance.scale(1, 50),
    faults: faultsOf(chance.of("faults"), shape),
  };
}

/** A client sees a connection that ends within 10 s, unused, as one that failed: servers let them live longer here. */
function serverPlan(chance: Chance, i: number): ServerPlan {
  return {
    address: `server${i}:1`,
    workMs: chance.scale(1, 500),
    maxConcurrentStreams: chance.is(0.3) ? chance.scale(1, 8) : 100,
    maxConnectionAgeMs: chance.is(0.2) ? chance.scale(2_000, 120_000) : undefined,
    maxConnectionIdleMs: chance.is(0.2) ? chance.scale(2_000, 120_000) : undefined,
    ttlSeconds: chance.whole(2, 15),
  };
}

function clientPlan(chance: Chance, i: number): ClientPlan {
  const kinds = KINDS.filter(() => chance.is(0.5));
  return {
    name: `client${i}`,
    policy: chance.one(POLICIES),
    callsPerSecond: chance.scale(1, 64) / 16,
    mostInFlight: chance.scale(1, 64),
    kinds: kinds.length === 0 ? ["read"] : kinds,
    timeoutMs: chance.scale(500, 30_000),
    givesUp: chance.is(0.3) ? chance.between(0, 0.3) : 0,
    retry: chance.is(0.8),
    hedge: chance.is(0.2),
    ejects: chance.is(0.7),
    waitForReady: chance.is(0.3),
    connections: chance.is(0.2) ? chance.whole(2, 3) : 1,
    maxAgeMs: chance.is(0.1) ? chance.scale(10_000, 200_000) : undefined,
    keepaliveMs: chance.scale(10_000, 60_000),
  };
}

type Shape = Pick<Plan, "durationMs" | "etcd" | "servers" | "clients">;

function faultsOf(chance: Chance, shape: Shape): FaultPlan[] {
  const faults: FaultPlan[] = [];
  for (const { kind, hits } of FAULTS) {
    const own = chance.of(kind);
    if (!own.is(0.35)) continue;
    const targets = hits === "server"
      ? shape.servers.map(({ address }) => address)
      : hits === "client"
      ? shape.clients.map(({ name }) => name)
      : shape.etcd
      ? ["etcd:2379"]
      : [];
    if (targets.length === 0) continue;
    const everyMs = own.scale(10_000, 600_000);
    for (let atMs = own.between(0, 2 * everyMs); atMs < shape.durationMs * 0.5; atMs += own.between(0, 2 * everyMs)) {
      const untilMs = Math.min(shape.durationMs * 0.6, atMs + own.scale(50, 200_000));
      faults.push({
        kind,
        atMs: Math.round(atMs),
        untilMs: Math.round(untilMs),
        who: own.one(targets),
        size: own.next(),
      });
    }
  }
  return faults.sort((a, b) => a.atMs - b.atMs);
}
