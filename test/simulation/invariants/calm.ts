import type { CallKind } from "../world/ledger.ts";
import type { Plan } from "../plan/plan.ts";
import { badTimes, isCalm } from "./bad-times.ts";
import type { Invariant } from "./invariant.ts";

/** The longest that anything takes to recover: the longest backoff of connections, and a keepalive before it. */
const MOST_MS = 240_000;
/** How long a dial may take, and how long a PING may stay unanswered: the defaults. */
const CONNECT_MS = 20_000, PING_MS = 10_000;
/** How long it takes at most until a server is registered for the first time, without users. */
const FIRST_MS = 10_000;
/** The least TTL with which a key stands although etcd answers after seconds: half of it is how long a renewal may take. */
const SLOW_SECONDS = 12;
/**
 * How much longer it takes to register again at a slow etcd. From a dead connection to the key there are at most seven
 * round trips of up to 4.2 s: a dial, a renewal whose token is refused, an authentication, a renewal that finds the lease
 * gone, a grant, a put; and one more renewal if the first one's time was over while its connection was being opened.
 */
const SLOW_REPAIR_MS = 7 * 4_200;
/** How long before its deadline a call may fail for lack of time. */
const EARLY_MS = 1_000;
/** How long a stream takes besides its server's work: its messages, and its reader's pauses. */
const STREAM_MS = 15_000;

/** How long it takes at most until calls succeed again after something that lasted so long. */
function recoveryMs({ etcd, dnsTtlMs = 0, clients, servers }: Plan, lastedMs: number): number {
  // Delays grow by 1.6, at least 0.8 times as long as they should be: their sum is what has passed.
  const backoffMs = 1.2 * Math.min(120_000, 1_000 + 0.75 * lastedMs);
  const noticedMs = Math.max(...clients.map(({ keepaliveMs }) => keepaliveMs)) + PING_MS;
  const foundMs = etcd ? registeredMs(Math.max(...servers.map(({ ttlSeconds }) => ttlSeconds))) : 2 * dnsTtlMs;
  return Math.min(MOST_MS, noticedMs + backoffMs + CONNECT_MS + foundMs);
}

/** How long it takes at most until a server is registered again, once etcd can be reached. */
function registeredMs(ttlSeconds: number): number {
  return 1_000 * ttlSeconds + 60_000;
}

/** How long a call may wait for its turn and be answered, if all clients make as many as they may. */
function neededMs({ clients, servers, latencyMs, jitterMs }: Plan, kind: CallKind): number {
  const most = clients.reduce((sum, { mostInFlight }) => sum + mostInFlight, 0);
  const streams = clients.some(({ kinds }) => kinds.includes("list") || kinds.includes("chat"));
  const eachMs = streams && (kind === "list" || kind === "chat") ? STREAM_MS : 0;
  const queueMs = Math.max(
    ...servers.map(({ workMs, maxConcurrentStreams }) => (4 * workMs + eachMs / 4) * most / maxConcurrentStreams),
  );
  return 1_000 + eachMs + queueMs + 20 * (latencyMs + jitterMs);
}

/** A call whose servers were all well throughout its life succeeds. */
export const succeedsInCalm: Invariant = {
  name: "succeeds-in-calm",
  watch(world) {
    const { plan } = world;
    const bad = badTimes(plan.faults, (lastedMs) => lastedMs === 0 ? 20_000 : recoveryMs(plan, lastedMs));
    const needs = { read: 0, write: 0, list: 0, chat: 0 };
    for (const kind of ["read", "write", "list", "chat"] as const) needs[kind] = neededMs(plan, kind);
    /** A server's connection that has become too old is cut off after a grace of 10 s. */
    const cut = plan.servers.some(({ maxConnectionAgeMs }) => maxConnectionAgeMs !== undefined);
    return {
      ended({ id, kind, startedMs, timeoutMs = Infinity, code, givenUp, error }) {
        const nowMs = world.time.now();
        if (code === undefined || givenUp || !isCalm(bad, startedMs, nowMs)) return;
        // Its time was too short. One that fails long before that does so for another reason.
        if (timeoutMs < needs[kind] && nowMs >= startedMs + timeoutMs - EARLY_MS) return;
        if (cut && (kind === "list" || kind === "chat") && nowMs - startedMs > 9_000) return;
        // That is what its client asked for.
        if (error instanceof Error && /as many as maxInFlight/.test(error.message)) return;
        world.broken("succeeds-in-calm", `${id} failed: ${error instanceof Error ? error.message : String(error)}`);
      },
    };
  },
};

/** While all is well, no connection fails: those that servers end in order, for their age or for lack of calls, don't. */
export const nothingFailsInCalm: Invariant = {
  name: "nothing-fails-in-calm",
  watch(world) {
    const { plan } = world;
    const bad = badTimes(plan.faults, (lastedMs) => lastedMs === 0 ? 20_000 : recoveryMs(plan, lastedMs));
    return {
      event(client, event) {
        if (event.type !== "connection-state" || event.to !== "transient_failure") return;
        const nowMs = world.time.now(), { endpoint: { address }, from } = event;
        // Nor when it is closed.
        if (nowMs > plan.durationMs || !isCalm(bad, nowMs, nowMs)) return;
        world.broken("nothing-fails-in-calm", `the connection of ${client} to ${address} was ${from}, and fails`);
      },
    };
  },
};

/**
 * A key that etcd could have kept stands: while its program lives and reaches etcd, a server is registered. A slow etcd
 * is no excuse with a TTL of {@link SLOW_SECONDS} or more: it only makes it longer ({@link SLOW_REPAIR_MS}) until
 * servers are registered again that something else kept from it.
 */
export const keysStand: Invariant = {
  name: "keys-stand",
  watch(world) {
    const { etcd, servers, plan } = world;
    if (etcd === undefined) return {};
    const slow = plan.faults.filter(({ kind }) => kind === "etcd-slow");
    /** How long it takes at most until a server is registered again after something that was over at a time. */
    const repairMs = (ttlSeconds: number, overMs: number) => {
      // At first nobody has to find out that something failed, and without users nobody waits for a token.
      const first = overMs === 0 && plan.etcdUsers === undefined;
      const usualMs = first ? FIRST_MS : registeredMs(ttlSeconds);
      const slowed = slow.some(({ atMs, untilMs }) => untilMs > overMs && atMs < overMs + usualMs);
      return slowed ? usualMs + SLOW_REPAIR_MS : usualMs;
    };
    /** Whether it makes no difference to the key of a server with such a TTL, once that stands. */
    const harmless = (kind: string, ttlSeconds: number) =>
      // Leases have no history.
      kind === "etcd-compacted" ||
      plan.etcdUsers === undefined && (kind === "tokens-lost" || kind === "wrong-password") ||
      // Where leases are renewed without a token, it does not matter to them who has one.
      kind === "tokens-lost" && plan.etcdUsers?.renewsForAll === true ||
      kind === "etcd-slow" && ttlSeconds >= SLOW_SECONDS;
    const bad = new Map(servers.map(({ address, plan: { ttlSeconds } }) => {
      const faults = plan.faults.filter(({ who, kind }) =>
        who === address || (who.startsWith("etcd") && !harmless(kind, ttlSeconds))
      );
      return [address, badTimes(faults, (_, overMs) => repairMs(ttlSeconds, overMs))];
    }));
    return {
      registryEvent(who, { type }) {
        const times = bad.get(who), nowMs = world.time.now();
        if (times === undefined || (type !== "lease-lost" && type !== "key-missing")) return;
        if (isCalm(times, nowMs, nowMs)) world.broken("keys-stand", `${who} is well, and reports ${type}`);
      },
      tick() {
        const nowMs = world.time.now();
        const well = servers.filter(({ address }) => isCalm(bad.get(address)!, nowMs, nowMs));
        if (well.length === 0) return;
        void etcd.keys().then((keys) => {
          for (const { address } of well) {
            if (!keys.some((key) => key.endsWith(`/${address}`))) {
              world.broken("keys-stand", `${address} is well, and etcd has ${keys.join(", ") || "no keys"}`);
            }
          }
        });
      },
    };
  },
};
