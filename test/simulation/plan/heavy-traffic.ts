import { Chance } from "../chance/chance.ts";
import type { ClientPlan, Plan, ServerPlan } from "./plan.ts";

/** Of so many calls one is a stream, at clients that make streams besides others. */
const STREAMS = 16;

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
  return {
    ...server,
    // Most answer at once, as those do that look something up in memory.
    workMs: chance.of("work").is(0.7) ? 0 : chance.of("work time").scale(1, 20),
    maxConcurrentStreams: chance.of("streams").scale(100, 1_000),
  };
}

function heavyClient(client: ClientPlan, chance: Chance): ClientPlan {
  const { kinds, maxInFlight, maxInFlightPerEndpoint } = client;
  const unary = kinds.filter((kind) => kind === "read" || kind === "write");
  const streams = kinds.filter((kind) => kind === "list" || kind === "chat");
  const most = unary.length === 0 ? ["read" as const] : unary;
  const callsAtOnce = chance.of("calls at once").scale(16, 128);
  return {
    ...client,
    callsAtOnce,
    callsPerSecond: callsAtOnce * chance.of("rate").scale(10, 80),
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
