import type { Outcome } from "../../src/connection/connection.ts";
import type { CallInfo, Policy } from "../../src/policy/policy.ts";
import { callExcluding, type FakeConnection, fakeEnvironment, mulberry32 } from "./fake-connections.ts";
import { ManualClock } from "./manual-clock.ts";

/** A server of a simulation. */
export interface SimulatedServer {
  /** How many calls it works on at the same time; others wait. */
  readonly workers: number;
  /** How long a call takes. */
  serviceMs(random: () => number): number;
  /** What a call ends with; defaults to success. */
  result?(random: () => number): Partial<Outcome>;
}

/** A simulation of one client. */
export interface Simulation {
  readonly policy: Policy;
  /** One for each server. */
  readonly connections: readonly FakeConnection[];
  readonly servers: readonly SimulatedServer[];
  readonly calls: number;
  /** How many calls arrive in a millisecond, at random. */
  readonly perMs: number;
  readonly seed?: number;
  callOf?(i: number): CallInfo;
}

/** Exponentially distributed service times. */
export function exponential(meanMs: number): SimulatedServer["serviceMs"] {
  return (random) => -Math.log(1 - random()) * meanMs;
}

interface Ending {
  readonly atMs: number;
  readonly index: number;
  readonly latencyMs: number;
}

/** Makes calls that arrive at random, in simulated time; returns how many each server got. */
export function simulate(simulation: Simulation): number[] {
  const { policy, connections, servers, calls, perMs, seed = 1 } = simulation;
  const random = mulberry32(seed), clock = new ManualClock(), env = fakeEnvironment(clock, mulberry32(seed + 1));
  const picker = policy(connections, undefined, env);
  const counts = servers.map(() => 0);
  /** When each of a server's workers is free. */
  const free = servers.map(({ workers }) => Array.from({ length: workers }, () => 0));
  const endings: Ending[] = [];
  const end = (ending: Ending) => {
    clock.skip(ending.atMs - clock.now());
    const connection = connections[ending.index]!, { latencyMs } = ending;
    connection.inFlight--;
    picker.done?.(connection, outcome({ latencyMs, ...servers[ending.index]!.result?.(random) }), callExcluding());
  };
  let nowMs = 0;
  for (let i = 0; i < calls; i++) {
    nowMs -= Math.log(1 - random()) / perMs;
    while (endings.length > 0 && endings[0]!.atMs <= nowMs) end(endings.shift()!);
    clock.skip(nowMs - clock.now());
    const picked = picker.pick(simulation.callOf?.(i) ?? callExcluding());
    const index = connections.indexOf(picked as FakeConnection);
    if (index < 0) throw new Error(`picked ${String(picked)}`);
    counts[index]!++;
    connections[index]!.inFlight++;
    const workers = free[index]!, worker = workers.indexOf(Math.min(...workers));
    const atMs = Math.max(nowMs, workers[worker]!) + servers[index]!.serviceMs(random);
    workers[worker] = atMs;
    let place = endings.length;
    while (place > 0 && endings[place - 1]!.atMs > atMs) place--;
    endings.splice(place, 0, { atMs, index, latencyMs: atMs - nowMs });
  }
  endings.forEach(end);
  return counts;
}

/** An outcome: of a unary call that was answered at once, unless it says otherwise. */
export function outcome(part: Partial<Outcome> = {}): Outcome {
  const { end = "answered", latencyMs = 0 } = part;
  return {
    method: undefined as never,
    timeoutMs: undefined,
    end,
    abandoned: false,
    latencyMs,
    headerMs: end === "answered" ? latencyMs : undefined,
    trailer: new Headers(),
    ...part,
  };
}

/** A call with a key. */
export function keyed(hashKey: string | undefined, header: Record<string, string> = {}): CallInfo {
  return { ...callExcluding(), hashKey, header: new Headers(header) };
}
