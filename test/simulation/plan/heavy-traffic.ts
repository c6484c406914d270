import { Chance } from "../chance/chance.ts";
import type { ClientPlan, Plan, ServerPlan } from "./plan.ts";

/** Of so many calls one is a stream, at clients that make streams besides others. */
const STREAMS = 64;

/**
 * The same world with heavy traffic: clients make many calls at a time, and servers take many. Calls that are made in the
 * same moment share events, chunks and flushes, so that many can be played.
 */
export function withHeavyTraffic(plan: Plan): Plan {
  const chance = new Chance(plan.seed).of("heavy traffic");
  return {
    ...plan,
    servers: plan.servers.map((server) => heavyServer(server, chance.of(server.address))),
    clients: plan.clients.map((client) => heavyClient(client, chance.of(client.name))),
  };
}

function heavyServer(server: ServerPlan, chance: Chance): ServerPlan {
  // Most answer at once, as those do that look something up in memory.
  const workMs = chance.of("work").is(0.7) ? 0 : chance.of("work time").scale(1, 20);
  return {
    ...server,
    workMs,
    // A timer for each call costs more than all the rest of it.
    answersEveryMs: workMs > 0 && chance.of("answers together").is(0.9) ? chance.of("every").whole(1, 5) : undefined,
    maxConcurrentStreams: chance.of("streams").scale(200, 1_000),
  };
}

function heavyClient(client: ClientPlan, chance: Chance): ClientPlan {
  const { kinds, maxInFlight, maxInFlightPerEndpoint } = client;
  const unary = kinds.filter((kind) => kind === "read" || kind === "write");
  const streams = kinds.filter((kind) => kind === "list" || kind === "chat");
  const most = unary.length === 0 ? ["read" as const] : unary;
  const callsAtOnce = chance.of("calls at once").scale(64, 512);
  return {
    ...client,
    callsAtOnce,
    callsPerSecond: callsAtOnce * chance.of("rate").scale(2, 16),
    mostInFlight: callsAtOnce * chance.of("most in flight").whole(2, 8),
    kinds: streams.length === 0 ? most : [
      ...Array.from({ length: STREAMS - 1 }, (_, i) => most[i % most.length]!),
      chance.of("streams").one(streams),
    ],
    // So that they hold back some calls, but not most.
    maxInFlight: maxInFlight && maxInFlight + callsAtOnce,
    maxInFlightPerEndpoint: maxInFlightPerEndpoint && maxInFlightPerEndpoint + callsAtOnce,
  };
}
