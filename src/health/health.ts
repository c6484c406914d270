import type { Transport } from "@connectrpc/connect";
import type { Connection, Health, Outcome } from "../connection/connection.ts";
import type { Timer } from "../time/clock.ts";

/**
 * A health check: says of each connection that is ready whether calls may go to it. It works once for a whole transport,
 * whatever its policy; policies see a connection that is held back as not `available`. Where a transport has several, a
 * connection serves when all of them say so.
 *
 * To write one: return an object that notes what it learns, by connection, and reports it with `env.report`. A check by
 * probes calls the server in `ready` and until `ended`; one that judges by what calls get looks at `outcome`. What its
 * methods throw is printed and does no harm. `test/health/health.test.ts` has an example.
 */
export type HealthCheck = (env: HealthEnvironment) => HealthWatch;

/** What a health check has of its transport. */
export interface HealthEnvironment {
  /** Milliseconds on a monotonic scale. */
  now(): number;
  /** A number from 0 up to, but not including, 1. */
  random(): number;
  /** Runs `callback` once after `delayMs` milliseconds, unless the transport is closed before. Holds no process. */
  timer(delayMs: number, callback: () => void): Timer;
  /**
   * Says how a connection is, from now on: `"serving"`; `"unknown"`: it is held back, and calls may wait for it; an Error:
   * it is held back and counts as failing, for this reason. Every connection is serving until something else is said, so
   * that a check which has to ask first says `"unknown"` in `ready`. Nothing happens for a connection that is not ready.
   */
  report(connection: Connection, health: Health): void;
}

/** A health check at work. */
export interface HealthWatch {
  /**
   * The connection is ready, for the first time or again. Calls over `transport` go to its server alone; they are no
   * attempts: not counted in `inFlight`, not repeated, not told to pickers. They have to end by `ended`.
   */
  ready?(connection: Connection, transport: Transport): void;
  /** The connection is not ready any more, or left the set. What was reported of it is forgotten. */
  ended?(connection: Connection): void;
  /** An attempt on the connection has ended. */
  outcome?(connection: Connection, outcome: Outcome): void;
  /** The transport was closed. */
  close?(): void;
}
