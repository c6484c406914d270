import { Chance } from "../chance/chance.ts";
import { faultOf } from "../faults/faults.ts";
import { faultsOfKind, type Targets } from "./fault-times.ts";
import type { ClientPlan, FaultPlan, Plan, ServerPlan } from "./plan.ts";
import { planOf } from "./plan-of-seed.ts";

/** What a narrow world is about. */
interface Focus {
  /** The kinds of faults that it may have. */
  readonly faults: readonly string[];
  /** Which share of them a world has, one of these; undefined: {@link SHARES}. */
  readonly shares?: readonly number[];
  /** How far apart faults of a kind are, and how long they last. */
  readonly everyMs: readonly [from: number, to: number];
  readonly lastMs: readonly [from: number, to: number];
  readonly durationMs: readonly [from: number, to: number];
  /** The seed's world, made narrower. */
  narrow(plan: Plan, chance: Chance): Plan;
}

const SHARES = [0.25, 0.5, 1];

/** More calls than their servers take at a time: most wait in line. */
const LINES: Focus = {
  faults: ["cuts", "server-killed", "server-frozen", "server-slow", "client-frozen", "server-restarted", "half-open"],
  // Many have none: how long calls may stay in line can be told only while all is well.
  shares: [0, 0.2, 0.6],
  everyMs: [5_000, 60_000],
  lastMs: [50, 20_000],
  durationMs: [30_000, 180_000],
  narrow: (plan, chance) => ({
    ...alone(plan),
    servers: plan.servers.slice(0, 2).map((server) => slowServer(server, plan.clients[0]!, chance.of(server.address))),
    clients: plan.clients.slice(0, 1).map((client) => crowd(client, chance.of(client.name))),
  }),
};

function slowServer(server: ServerPlan, { policy }: ClientPlan, of: Chance): ServerPlan {
  // They take one of the streams that a connection may have.
  const reports = policy === "loadReportsOutOfBand" ? 1 : 0, slow = of.of("slow").is(0.5);
  return {
    ...server,
    workMs: slow ? of.of("work").scale(1_000, 4_000) : of.of("work").scale(100, 1_000),
    maxConcurrentStreams: reports + of.of("streams").scale(1, slow ? 2 : 6),
    maxConnectionAgeMs: of.of("age").is(0.2) ? of.of("how old").scale(12_000, 60_000) : undefined,
  };
}

function crowd(client: ClientPlan, of: Chance): ClientPlan {
  return {
    ...client,
    callsPerSecond: of.of("rate").scale(2, 32),
    mostInFlight: of.of("most in flight").scale(16, 64),
    kinds: of.of("kinds").one([["read"], ["write"], ["read", "write"]] as const),
    timeoutMs: of.of("timeout").scale(1_000, 120_000),
    waitTimeoutMs: of.of("wait").is(0.7) ? of.of("how long").scale(1_500, 10_000) : undefined,
    givesUp: of.of("gives up").is(0.7) ? of.of("how often").between(0, 0.3) : 0,
    asksAnew: of.of("asks anew").is(0.7),
    observed: true,
    connections: of.of("connections").is(0.5) ? 1 : of.of("how many").whole(2, 3),
    maxAgeMs: of.of("age").is(0.2) ? of.of("how old").scale(10_000, 60_000) : undefined,
    maxInFlight: undefined,
    maxInFlightPerEndpoint: undefined,
  };
}

/** Many calls with short times, whose connections end. */
const ENDS: Focus = {
  faults: [
    "cuts",
    "client-frozen",
    "server-slow",
    "server-killed",
    "server-restarted",
    "mute-server",
    "poisonous-calls",
  ],
  everyMs: [1_000, 20_000],
  lastMs: [50, 10_000],
  durationMs: [20_000, 90_000],
  narrow: (plan, chance) => ({
    ...alone(plan),
    servers: plan.servers.slice(0, 2).map((server) => {
      const of = chance.of(server.address);
      return {
        ...server,
        workMs: of.of("work").scale(50, 2_000),
        maxConcurrentStreams: 100,
        maxConnectionAgeMs: of.of("age").is(0.4) ? of.of("how old").scale(2_000, 20_000) : undefined,
      };
    }),
    clients: plan.clients.slice(0, 1).map((client) => {
      const of = chance.of(client.name);
      return {
        ...client,
        callsPerSecond: of.of("rate").scale(4, 32),
        mostInFlight: 64,
        timeoutMs: of.of("timeout").scale(100, 4_000),
        waitTimeoutMs: undefined,
        retry: of.of("retry").is(0.5),
        maxInFlight: undefined,
        maxInFlightPerEndpoint: undefined,
      };
    }),
  }),
};

/** What there is to a focus on registrations and watches. */
interface Registrations {
  readonly faults: readonly string[];
  readonly ttlSeconds: readonly [from: number, to: number];
  /** The share of worlds whose etcd asks for a user. */
  readonly users: number;
  readonly servers: readonly [from: number, to: number];
  readonly clients: number;
  /** Whether each kind of faults happens, in each world. */
  readonly all?: boolean;
}

/** Registrations and watches, with few calls. */
function registrations({ faults, ttlSeconds, users, servers, clients, all = false }: Registrations): Focus {
  return {
    faults,
    shares: all ? [1] : SHARES,
    everyMs: [10_000, 100_000],
    lastMs: [1_000, 120_000],
    durationMs: [120_000, 480_000],
    narrow: (plan, chance) => ({
      ...plan,
      etcd: true,
      etcdUsers: chance.of("users").is(users) ? etcdUsers(chance.of("etcd")) : undefined,
      dnsTtlMs: undefined,
      servers: Array.from({ length: chance.of("servers").whole(...servers) }, (_, i) => ({
        ...plan.servers[i % plan.servers.length]!,
        address: `server${i}:1`,
        ttlSeconds: chance.of(`server ${i}`).scale(...ttlSeconds),
        reportsLoad: false,
      })),
      clients: plan.clients.slice(0, clients).map((client) => ({
        ...client,
        policy: "roundRobin",
        callsPerSecond: 0.1,
        kinds: ["read"],
      })),
    }),
  };
}

function etcdUsers(of: Chance): Plan["etcdUsers"] {
  const passwords = of.of("passwords");
  return {
    tokenTtlMs: of.of("tokens").scale(5_000, 300_000),
    checkMs: passwords.is(0.7) ? passwords.whole(800, 2_000) : passwords.whole(70, 120),
    renewsForAll: of.of("renewals").is(0.5),
  };
}

/** An etcd that comes and goes. */
const ETCD_AWAY = registrations({
  faults: [
    ...["etcd-cuts", "etcd-killed", "etcd-away", "etcd-frozen", "etcd-wiped", "etcd-compacted"],
    ...["server-killed", "server-vanishes"],
  ],
  ttlSeconds: [4, 200],
  users: 0,
  servers: [1, 2],
  clients: 2,
});

/** An etcd that is slow for longer than some leases last. */
const ETCD_SLOW = registrations({
  faults: ["etcd-slow"],
  ttlSeconds: [12, 100],
  users: 0.2,
  servers: [1, 2],
  clients: 1,
});

/** An etcd that forgets what was written, while servers and clients come and go. */
const ETCD_RESTORED = registrations({
  faults: ["etcd-restored", "server-killed", "client-frozen"],
  ttlSeconds: [4, 10],
  users: 0,
  servers: [2, 3],
  clients: 1,
  all: true,
});

/** An etcd that asks for passwords, and is slow to check them. */
const ETCD_USERS = registrations({
  faults: ["tokens-lost", "etcd-killed", "server-restarted"],
  ttlSeconds: [4, 30],
  users: 1,
  servers: [3, 6],
  clients: 3,
});

/** What narrow worlds are about, one each; those that are cheap come twice. */
const FOCI: readonly Focus[] = [LINES, ENDS, ETCD_SLOW, LINES, ETCD_USERS, ETCD_AWAY, ETCD_RESTORED];

/** Clients know the servers. */
function alone(plan: Plan): Plan {
  return { ...plan, etcd: false, etcdUsers: undefined, dnsTtlMs: undefined, followed: 0 };
}

/**
 * A short world about one thing: it has one part of the library do much, with few kinds of faults, often. Many can be
 * played in the time of one that has everything, and each has more of what it is about.
 */
export function narrowPlanOf(seed: number): Plan {
  const chance = new Chance(seed).of("narrow"), focus = FOCI[seed % FOCI.length]!;
  const plan = focus.narrow(planOf(seed), chance.of("world"));
  const durationMs = chance.of("duration").scale(...focus.durationMs);
  return { ...plan, durationMs, faults: faultsOf(focus, { ...plan, durationMs }, chance.of("faults")) };
}

function faultsOf(
  { faults, shares = SHARES, everyMs, lastMs }: Focus,
  { servers, clients, durationMs }: Plan,
  chance: Chance,
): FaultPlan[] {
  const targets: Targets = {
    server: servers.map(({ address }) => address),
    client: clients.map(({ name }) => name),
    etcd: ["etcd:2379"],
    dns: [],
  };
  const share = chance.of("share of kinds").one(shares);
  const storms = chance.of("storms"), stormMs = storms.is(0.5) ? storms.scale(10_000, 200_000) : undefined;
  return faults.filter((kind) => chance.of(`${kind} or not`).is(share)).flatMap((kind) => {
    const own = chance.of(kind), times = { everyMs: own.scale(...everyMs), lastMs, stormMs, durationMs };
    return faultsOfKind(faultOf(kind), targets, times, own);
  }).sort((a, b) => a.atMs - b.atMs);
}
