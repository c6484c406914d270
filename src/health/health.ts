import type { Transport } from "@connectrpc/connect";
import type { Connection, Health, Outcome } from "../connection/connection.ts";
import type { OutlierRule } from "./ejected.ts";
import type { Timer } from "../time/clock.ts";

/**
 * A health check decides for each ready connection whether calls may go to it. It runs once per transport, whatever the
 * policy; policies see a connection that is held back as not `available`. If a transport has several checks, a
 * connection is serving when all of them say so.
 *
 * To write one: return an object that keeps state by connection and reports health with `env.report`. An active check
 * probes the server from `ready` until `ended`; a passive one watches the calls' results in `outcome`. Errors that its
 * methods throw are printed and otherwise ignored. `test/health/health.test.ts` has an example.
 */
export type HealthCheck = (env: HealthEnvironment) => HealthWatch;

/** What a transport provides to a health check. */
export interface HealthEnvironment {
  /** Milliseconds on a monotonic scale. */
  now(): number;
  /** A random number in [0, 1). */
  random(): number;
  /**
   * Runs `callback` once after `delayMs` milliseconds, unless the transport is closed first. It does not keep the
   * process alive.
   */
  timer(delayMs: number, callback: () => void): Timer;
  /**
   * Sets a connection's health: `"serving"`; `"unknown"`: it is held back, and calls may wait for it; an Error: it is
   * held back and counts as failing, for this reason. Every connection is serving until reported otherwise, so a check
   * that must probe first reports `"unknown"` in `ready`. Reports for a connection that is not ready are ignored.
   */
  report(connection: Connection, health: Health): void;
  /**
   * Lets a connection that serves begin only so many attempts, in addition to those that it was allowed and has not
   * begun, for example one at a time until it has proved itself; Infinity: any number, as from the beginning. While it
   * may begin none, it is not `available`. Ignored for a connection that is not ready.
   */
  allow(connection: Connection, attempts: number): void;
  /**
   * Declares a panic, or that it is over: health is ignored, and all ready connections get calls, because it is not
   * some of them that fail. Returns whether that has an effect: not where the transport's `panicShare` is 0.
   */
  panic(on: boolean): boolean;
  /**
   * Says that a connection should be held back because its calls fail, by this rule, and is not, as too many are. The
   * transport reports it (the event `ejection-unenforced`).
   */
  unenforced(connection: Connection, rule: OutlierRule): void;
  /** How many attempts have ever succeeded on a connection, or on all connections of the transport. */
  successes(connection?: Connection): number;
}

/** A running health check. */
export interface HealthWatch {
  /**
   * The connection is ready, for the first time or again. Calls over `transport` go only to its server; they are not
   * attempts: not counted in `inFlight`, not retried, not reported to pickers. They do not keep the process alive, where
   * the link can tell them from others (those of `grpcConnector` can), and end with Unavailable by `ended`, or earlier
   * if the link replaces an aged connection. One that finds all the streams in use that the server allows fails with
   * Unavailable, too. Neither says anything about its health.
   */
  ready?(connection: Connection, transport: Transport): void;
  /** The connection is no longer ready, or was removed from the set. Its reports are discarded. */
  ended?(connection: Connection): void;
  /** An attempt on the connection has ended. */
  outcome?(connection: Connection, outcome: Outcome): void;
  /**
   * Whether it is enough for `outcome` to hear of attempts that failed, and of a sample of those that succeeded: a few,
   * and all on connections that are held back or restricted. If that is so for all checks, most attempts are not timed
   * (then `latencyMs` is NaN), and checks cost next to nothing. How many succeeded is known to `env.successes`.
   */
  readonly sampled?: boolean;
  /** Another check found that the connection's server serves again, or for the first time. */
  recovered?(connection: Connection): void;
  /** The connection's server was restarted: its endpoint has another incarnation. */
  restarted?(connection: Connection): void;
  /** The transport was closed: nothing is reported afterwards. */
  close?(): void;
}
