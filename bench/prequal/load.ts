/** How many servers there are; `prequal` compares from 5 on. */
export const SERVERS = 6;
/** What calls say that take time, and how long those take. */
export const SLOW = "slow", FAST = "fast", SLOW_MS = 5;

/** What a client is asked to do: so many calls a second, or as many as possible with so many in flight. */
export type Order =
  | { readonly do: "open"; readonly callsPerSecond: number; readonly ms: number }
  | { readonly do: "closed"; readonly inFlight: number; readonly ms: number };

/** What a client did. */
export interface Done {
  readonly calls: number;
  readonly probes: number;
  /** CPU time of its process, user and system. */
  readonly cpuUs: number;
}
