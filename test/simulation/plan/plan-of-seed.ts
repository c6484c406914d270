import { Chance } from "../chance/chance.ts";
import { FAULTS } from "../faults/faults.ts";
import { POLICIES } from "../world/policies.ts";
import { faultsOfKind, type Targets } from "./fault-times.ts";
import type { ClientPlan, FaultPlan, Plan, ServerPlan } from "./plan.ts";

const KINDS = ["read", "write", "list", "chat"] as const;

/**
 * What happens with a seed. Each switches some kinds of faults on, with rates of its own (swarm testing).
 *
 * Everything is drawn from a source of its own, by its name: what is added later changes nothing else of a seed's plan.
 * `busy`: with many calls and faults in a short time.
 */
export function planOf(seed: number, { busy = false }: { readonly busy?: boolean } = {}): Plan {
  const plan = new Chance(seed).of("plan"), of = (name: string) => plan.of(name);
  const etcd = of("etcd").is(0.6);
  // Servers take fewer calls at a time than clients have for them: calls wait in line.
  const crowded = of("crowded").is(0.4), size = { busy, crowded };
  const shape = {
    busy,
    durationMs: 60_000 * (busy ? of("duration").scale(1, 3) : of("duration").scale(3, crowded ? 8 : 20)),
    etcd,
    etcdUsers: etcd ? etcdUsers(of) : undefined,
    dnsTtlMs: etcd ? undefined : maybe(of("dns"), 0.5, 5_000, 60_000),
    servers: Array.from(
      { length: of("servers").whole(1, crowded ? 3 : 5) },
      (_, i) => serverPlan(of(`server ${i}`), i, size),
    ),
    clients: Array.from({ length: of("clients").whole(1, 3) }, (_, i) => clientPlan(of(`client ${i}`), i, size)),
  };
  // Reports out of band take one of the streams that a server allows.
  const least = shape.clients.some(({ policy }) => policy === "loadReportsOutOfBand") ? 2 : 1;
  return {
    seed,
    ...shape,
    servers: shape.servers.map((server) => ({
      ...server,
      maxConcurrentStreams: Math.max(least, server.maxConcurrentStreams),
    })),
    followed: maybe(of("followed"), 0.3, 4, 8) ?? 0,
    etcdStreams: maybe(of("etcd's streams"), 0.5, 3, 6) ?? 100,
    latencyMs: of("latency").scale(1, 100) / 2,
    jitterMs: of("jitter").is(0.5) ? 0 : of("jitter's size").scale(1, 50),
    faults: faultsOf(of("faults"), shape),
  };
}

function etcdUsers(of: (name: string) => Chance): Plan["etcdUsers"] {
  const tokenTtlMs = maybe(of("etcd's users"), 0.3, 5_000, 300_000);
  if (tokenTtlMs === undefined) return undefined;
  // A token that isn't used as often as leases are renewed has to be asked for again and again.
  const passwords = of("etcd's passwords"), many = tokenTtlMs >= 30_000 && passwords.is(0.7);
  const checkMs = many ? passwords.whole(800, 2_000) : passwords.whole(70, 120);
  return { tokenTtlMs, checkMs, renewsForAll: of("etcd's renewals").is(0.5) };
}

/** A number that some seeds have: from `from` to `to`, in this share of them. */
function maybe(chance: Chance, share: number, from: number, to: number): number | undefined {
  return chance.is(share) ? chance.scale(from, to) : undefined;
}

/** How much there is to do in a world. */
interface Size {
  readonly busy: boolean;
  readonly crowded: boolean;
}

/** A client sees a connection that ends within 10 s, unused, as one that failed: servers let them live longer here. */
function serverPlan(server: Chance, i: number, { crowded }: Size): ServerPlan {
  const of = (name: string) => server.of(name);
  return {
    address: `server${i}:1`,
    workMs: crowded ? of("work").scale(100, 1_000) : of("work").scale(1, 500),
    maxConcurrentStreams: crowded ? of("streams").scale(1, 8) : maybe(of("streams"), 0.3, 1, 8) ?? 100,
    maxConnectionAgeMs: maybe(of("age"), 0.2, 2_000, 120_000),
    maxConnectionIdleMs: maybe(of("idle"), 0.2, 2_000, 120_000),
    windowBytes: maybe(of("window"), 0.3, 65_535, 1_000_000),
    ttlSeconds: of("ttl").scale(2, 120),
    reportsLoad: of("reports load").is(0.7),
    drainMs: of("drain").scale(100, 30_000),
  };
}

function clientPlan(client: Chance, i: number, { busy, crowded }: Size): ClientPlan {
  const of = (name: string) => client.of(name);
  const kinds = KINDS.filter((kind) => of(`calls ${kind}`).is(0.5));
  return {
    name: `client${i}`,
    policy: of("policy").named(Object.keys(POLICIES)),
    callsPerSecond: of("rate").scale(1, 64) / 16 * (busy ? 50 : crowded ? 30 : 1),
    mostInFlight: of("most in flight").scale(crowded ? 16 : 1, 64),
    kinds: kinds.length === 0 ? ["read"] : kinds,
    timeoutMs: crowded ? of("timeout").scale(2_000, 120_000) : of("timeout").scale(500, 30_000),
    waitTimeoutMs: maybe(of("wait"), 0.4, 1_500, 20_000),
    givesUp: of("gives up").is(0.4) ? of("how often it gives up").between(0, 0.3) : 0,
    asksAnew: of("asks anew").is(0.5),
    retry: of("retry").is(0.8),
    hedge: of("hedge").is(0.2),
    ejects: of("ejects").is(0.7),
    waitForReady: of("waits for ready").is(0.3),
    connections: maybe(of("connections"), 0.2, 2, 3) ?? 1,
    maxAgeMs: maybe(of("age"), 0.1, 10_000, 200_000),
    keepaliveMs: of("keepalive").scale(10_000, 60_000),
    windowBytes: maybe(of("window"), 0.3, 65_535, 1_000_000),
    maxInFlight: maybe(of("max in flight"), 0.1, 1, 30),
    maxInFlightPerEndpoint: maybe(of("max in flight per endpoint"), 0.1, 1, 30),
  };
}

type Shape = Pick<Plan, "busy" | "durationMs" | "etcd" | "dnsTtlMs" | "servers" | "clients">;

function faultsOf(chance: Chance, shape: Shape): FaultPlan[] {
  const faults: FaultPlan[] = [];
  // Some seeds have few kinds, so that their effects can be told apart; some have many at about the same time.
  const kinds = chance.of("share of kinds"),
    share = kinds.is(0.5) ? kinds.between(0.02, 0.15) : kinds.between(0.2, 0.5);
  const stormMs = maybe(chance.of("storms"), 0.3, 20_000, 200_000);
  const targets: Targets = {
    server: shape.servers.map(({ address }) => address),
    client: shape.clients.map(({ name }) => name),
    etcd: shape.etcd ? ["etcd:2379"] : [],
    dns: shape.dnsTtlMs === undefined ? [] : ["dns"],
  };
  for (const fault of FAULTS) {
    const own = chance.of(fault.kind);
    if (!own.is(share)) continue;
    if (targets[fault.hits].length === 0) continue;
    const leastMs = own.one([50, 1_000, 10_000]);
    const everyMs = own.scale(10_000, 600_000) / (shape.busy ? 6 : 1);
    const times = { everyMs, lastMs: [leastMs, 200_000], stormMs, durationMs: shape.durationMs } as const;
    faults.push(...faultsOfKind(fault, targets, times, own));
  }
  return faults.sort((a, b) => a.atMs - b.atMs);
}
