/**
 * Hedging: a call that has no answer yet is sent to further endpoints as well, and the first answer is used. Transports
 * and service configs are given it as a value, `hedging()` or `fixedHedging()`, so that programs that don't hedge
 * contain no code for it. This file is all that calls know of it; `hedged-attempts.ts` makes the attempts.
 *
 * @module
 */
import type { DescMethod } from "@bufbuild/protobuf";
import type { Connection } from "../connection/connection.ts";
import type { MessageListener, UnaryEndListener } from "../connection/end-reporting.ts";
import type { AttemptEnd } from "../connection/mark.ts";
import type { CallCounter } from "../snapshot.ts";
import type { Clock } from "../time/clock.ts";
import type { FailedAttempts } from "./failed-attempts.ts";
import type { WithTrailer } from "./record.ts";

/** How the calls of a transport are hedged, as {@link hedging} returns it. It runs once per transport. */
export type Hedging = (env: HedgingEnvironment) => CallHedging;

/** What a transport provides to hedging. */
export interface HedgingEnvironment {
  readonly clock: Clock;
  readonly random: () => number;
  /** The budget that hedges share with retries: whether it allows another attempt. */
  readonly throttle: { readonly allows: boolean };
}

/** Hedges calls. */
export interface CallHedging {
  /** Whether calls of the method are hedged. */
  covers(method: DescMethod): boolean;
  /** Makes the attempts of a call, beginning with this one. Settles with its answer, or the error for the caller. */
  run<A>(call: HedgedCall<A>, attempt: OneAttempt, signal: AbortSignal | undefined): Promise<A>;
}

/** What hedging needs from a call. */
export interface HedgedCall<A> {
  readonly method: DescMethod;
  readonly env: { readonly clock: Clock; readonly calls: CallCounter; readonly balancer: { readonly panic: boolean } };
  /** What it tried so far. */
  readonly tried: FailedAttempts;
  /** Whether it avoids a connection. */
  excluded(connection: Connection): boolean;
  /** Throws if its time is over. */
  checkTime(): void;
  /** The next attempt, if there is a connection right now that `allows` accepts; may throw. */
  attemptNow(allows: (connection: Connection) => boolean): OneAttempt | undefined;
  /** Sends an attempt, which ends when the signal aborts, and reports to `hedged` how it ends. */
  send(attempt: OneAttempt, signal: AbortSignal, hedged: HedgedAttempt<A>): Promise<A>;
  /** The only attempt failed: resolves with the next one, or rejects with the error for the caller. */
  afterFailure(attempt: OneAttempt, error: unknown): Promise<OneAttempt>;
  /** An attempt failed while others are in flight; see `Call`. */
  failedBeside(attempt: OneAttempt, error: unknown): number | undefined;
  /** The call has ended, with the error for its caller if it failed. */
  over(error: unknown): void;
}

/** An attempt as hedging sees it; see `CallAttempt`. */
export interface OneAttempt extends MessageListener {
  readonly connection: Connection;
  partArrived(): void;
  abandon(): void;
  ended(end: AttemptEnd, error: unknown, response: WithTrailer | undefined): void;
}

/** One of the attempts that a hedged call has in flight, as the call sees it. */
export interface HedgedAttempt<A> extends UnaryEndListener<A> {
  /** Whether it is the first one to be answered; the others are then cancelled. */
  wins(): boolean;
  /** It won, and goes on until the signal aborts: a stream. */
  follow(signal: AbortSignal): void;
}
