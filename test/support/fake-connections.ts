import type { Connection } from "../../src/connection/connection.ts";
import type { ConnectivityState } from "../../src/connectivity.ts";
import type { Endpoint } from "../../src/endpoint.ts";
import type { CallInfo, Picker, PolicyEnvironment } from "../../src/policy/policy.ts";
import type { Clock } from "../../src/time/clock.ts";
import { ManualClock } from "./manual-clock.ts";

/** A connection whose state a test sets. */
export interface FakeConnection extends Connection {
  endpoint: Endpoint;
  state: ConnectivityState;
  available: boolean;
  inFlight: number;
  failure: Error | undefined;
  place: number;
}

/** A connection that is ready; `connect()` and `disconnect()` do what they say at once. */
export function fakeConnection(endpoint: string | Endpoint, init: Partial<FakeConnection> = {}): FakeConnection {
  const connection: FakeConnection = {
    endpoint: typeof endpoint === "string" ? { address: endpoint } : endpoint,
    state: "ready",
    available: true,
    inFlight: 0,
    failure: undefined,
    place: 0,
    connect() {
      if (connection.state === "idle") connection.state = "connecting";
    },
    disconnect() {
      if (connection.state !== "ready" && connection.state !== "connecting") return;
      connection.state = "idle";
      connection.available = false;
    },
    ...init,
  };
  return connection;
}

/** As many as there are weights, with these weights, in address order. */
export function weighted(weights: readonly (number | undefined)[]): FakeConnection[] {
  return weights.map((weight, i) =>
    fakeConnection({ address: addressAt(i), ...weight !== undefined && { weight } }, { place: i })
  );
}

/** Their order is that of the numbers. */
function addressAt(i: number): string {
  return `10.0.${String(i >> 8).padStart(3, "0")}.${String(i & 255).padStart(3, "0")}:80`;
}

/** A policy's environment. Random numbers are a fixed sequence, which looks random. */
export function fakeEnvironment(
  clock: Clock = new ManualClock(),
  random: () => number = mulberry32(1),
): PolicyEnvironment & { updates: number } {
  const env = {
    updates: 0,
    now: () => clock.now(),
    random,
    update: () => void env.updates++,
    timer: (delayMs: number, callback: () => void) => clock.timer(delayMs, callback),
    transport: () => undefined,
  };
  return env;
}

/** Random numbers in [0, 1) that are the same in each run. */
export function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = state + 0x6d2b79f5 | 0;
    let t = Math.imul(state ^ state >>> 15, 1 | state);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 2 ** 32;
  };
}

/** What a picker sees of a call that excludes these. */
export function callExcluding(...connections: readonly Connection[]): CallInfo {
  return { excluded: (connection: Connection) => connections.includes(connection) } as unknown as CallInfo;
}

/** How often each connection is picked. @throws Error if none is. */
export function picksOf(
  picker: Picker,
  connections: readonly Connection[],
  count: number,
  call: CallInfo = callExcluding(),
): number[] {
  const index = new Map(connections.map((connection, i) => [connection, i]));
  const picks = connections.map(() => 0);
  for (let i = 0; i < count; i++) {
    const picked = picker.pick(call), at = index.get(picked as Connection);
    if (at === undefined) throw new Error(`picked ${String(picked)}`);
    picks[at]!++;
  }
  return picks;
}
