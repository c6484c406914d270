import type { BalancedTransportOptions } from "../../../src/transport/options.ts";
import type { Clock } from "../../../src/time/clock.ts";
import type { Random } from "./random.ts";
import type { SimulatedServer } from "./server.ts";

/** What a shape's script may change while the simulation runs. */
export interface Fleet {
  readonly servers: readonly SimulatedServer[];
  readonly clock: Clock;
  readonly random: Random;
  /** When calls begin to count, and when they end, in ms. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** A fleet, its load, and what happens to it. */
export interface Shape {
  readonly name: string;
  /** For the tables. */
  readonly title: string;
  readonly servers: number;
  readonly clients: number;
  /** Calls per second ÷ those that the servers can answer on average, as long as nothing fails. */
  readonly load: number;
  /** Defaults to 2. */
  readonly cores?: number;
  /** A round trip in ms; defaults to 0.5. */
  readonly rttMs?: number;
  /** How long calls count, in simulated seconds, and for how long there are calls before. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** The most seeds to simulate it with; defaults to those of the run. Large fleets differ little from seed to seed. */
  readonly seeds?: number;
  /** The timeout of calls, in ms; defaults to none. */
  readonly timeoutMs?: number;
  /** Whether calls may be retried (and hedged), by the schema; defaults to true. */
  readonly idempotent?: boolean;
  /** How fast each server is; defaults to 1. */
  speed?(index: number): number;
  /** The share of its capacity that a server has on average, whatever other programs take; defaults to 1. */
  readonly meanShare?: number;
  /** Draws a call's work in ms of one core; defaults to normal(10, 10), which is {@link MEAN_WORK_MS} on average. */
  work?(random: Random): number;
  /** The mean of `work`. */
  readonly meanWorkMs?: number;
  /** Schedules what happens. */
  script?(fleet: Fleet): void;
}

/** How calls are balanced: options of `createBalancedTransport`. */
export interface Contender {
  readonly name: string;
  /** Made anew for each simulation. */
  options(): Partial<BalancedTransportOptions>;
  /** Whether the registry knows how fast each server is, as a weight. */
  readonly weights?: boolean;
}

/** The mean of a normal distribution (10, 10) without what is negative. */
export const MEAN_WORK_MS = 10.833;

/** What a simulation showed. */
export interface Result {
  /** Calls that began while calls counted: `succeeded` + `failed` + `unfinished`. */
  readonly calls: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly unfinished: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p995Ms: number;
  readonly p999Ms: number;
  /** Of all calls, also those that did not count. */
  readonly attemptsPerCall: number;
  readonly probesPerCall: number;
  /** The attempts that reached each server while calls counted. */
  readonly arrived: readonly number[];
}
