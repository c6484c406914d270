import type { DescMethod } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type { AttemptEnd } from "../connection/mark.ts";
import { isNoted } from "../connection/note.ts";
import { EARLY_MS } from "../time/deadline.ts";
import type { CallAttempt } from "./attempt.ts";
import { callFailure, codeOf, endedConnection, endOf, lastAttemptText } from "./failure.ts";
import { PickingCall } from "./picking-call.ts";

/** The most attempts one call makes if all are refused or not sent; more would hardly help. */
const MOST_ATTEMPTS = 16;

/**
 * A call that decides what follows a failed attempt: whether and when to make another, or which error the caller sees.
 * Subclasses make the attempts.
 */
export abstract class Call<M extends DescMethod, A> extends PickingCall<M, A> {
  /** Whether the request can be sent again. */
  abstract readonly replayable: boolean;

  /** The only attempt in flight failed: resolves with the next one, or rejects with the error for the caller. */
  async afterFailure(attempt: CallAttempt<A>, error: unknown): Promise<CallAttempt<A>> {
    try {
      return await this.afterOnly(attempt, error);
    } catch (failure) {
      this.over(failure);
      throw failure;
    }
  }

  private async afterOnly(attempt: CallAttempt<A>, error: unknown): Promise<CallAttempt<A>> {
    if (this.replayable && isNoted(error, "full")) return await this.fromFull(attempt, error);
    const end = this.conclude(attempt, error);
    const pauseMs = this.nextAttemptIn(end, error);
    if (pauseMs === undefined) throw this.failure(attempt, end, error);
    this.tried.add(attempt.connection, end, error);
    this.tried.exclude(attempt.connection);
    if (pauseMs > 0) {
      this.observed?.waiting("backoff");
      await this.pause(pauseMs);
    }
    this.checkTime();
    return await this.nextAttempt();
  }

  /**
   * An attempt failed while others of the call are in flight. Returns in how many milliseconds another one may be made;
   * undefined: the call goes on with those that are left.
   *
   * @throws the error for the caller if the call ends with this attempt
   */
  failedBeside(attempt: CallAttempt<A>, error: unknown): number | undefined {
    if (isNoted(error, "full")) {
      attempt.takeBack(error);
      return 0;
    }
    const end = this.conclude(attempt, error);
    const pauseMs = this.nextAttemptIn(end, error);
    if (pauseMs === undefined && this.isFinal(end, error)) throw this.failure(attempt, end, error);
    this.tried.add(attempt.connection, end, error);
    return pauseMs;
  }

  /** Reports that the attempt failed, to those who hear of that, and returns how it ended. */
  private conclude(attempt: CallAttempt<A>, error: unknown): AttemptEnd {
    const end = endOf(error);
    if (this.abandoned && end !== "answered") attempt.abandon();
    attempt.ended(end, error, undefined);
    return end;
  }

  /** The connection turned out to be full: the call waits for room. */
  private async fromFull(attempt: CallAttempt<A>, error: unknown): Promise<CallAttempt<A>> {
    attempt.takeBack(error);
    const { tried } = this;
    tried.include(attempt.connection);
    // A link that hides that it is full, such as an incomplete wrapper, is asked again after a pause, not in a busy
    // loop.
    if (attempt.connection.available && tried.declined++ > 0) tried.exclude(attempt.connection);
    this.checkTime();
    return await this.nextAttempt();
  }

  /** The error for the caller if the attempt was the last one. */
  protected failure(attempt: CallAttempt<A>, end: AttemptEnd, error: unknown): unknown {
    if (this.signal?.aborted) {
      const aborted = this.aborted();
      return codeOf(error) === aborted.code ? error : aborted;
    }
    this.tried.add(attempt.connection, end, error);
    if (end === "answered") return this.passedOn(error);
    // The server, or whatever broke the connection, may have been faster than the link's timer; a server that enforces
    // the deadline itself cancels the attempt when it passes.
    if (this.timeLeftMs() <= (codeOf(error) === Code.Canceled ? EARLY_MS : 0)) return this.deadlineExceeded();
    // Unavailable would invite the caller to retry a call that does harm.
    const code = endedConnection(error) ? Code.Internal : end === "maybe-processed" ? codeOf(error) : Code.Unavailable;
    const health = this.env.balancer.describeHealth();
    const text = `${this.name}: ${lastAttemptText(this.tried.list)}${health === undefined ? "" : `; ${health}`}`;
    return callFailure(text, this.tried.list, code);
  }

  /** A server's answer is passed on as it is. If it says that it is unavailable, the cause is what this side knows. */
  private passedOn(error: unknown): unknown {
    const health = codeOf(error) === Code.Unavailable ? this.env.balancer.describeHealth() : undefined;
    if (health !== undefined && error instanceof Error && error.cause === undefined && Object.isExtensible(error)) {
      error.cause = new Error(health);
    }
    return error;
  }

  /** The pause before another attempt, or undefined if there must be none. */
  private nextAttemptIn(end: AttemptEnd, error: unknown): number | undefined {
    if (this.isOver || isNoted(error, "final")) return undefined;
    const { tried } = this;
    if (isNoted(error, "suspect") && tried.suspected++ > 0) return undefined;
    if (end === "not-sent" || end === "refused") return this.number < MOST_ATTEMPTS ? 0 : undefined;
    const number = ++tried.retried;
    const pauseMs = this.methodSettings.retry?.next(this.method, number, end, error);
    // A server's pushback may be arbitrarily long.
    if (pauseMs === undefined || pauseMs > this.env.waitTimeoutMs || pauseMs >= this.timeLeftMs()) return undefined;
    return pauseMs;
  }

  /** Whether another attempt is impossible, whatever became of the last one. */
  private get isOver(): boolean {
    return !this.replayable || this.signal?.aborted === true || this.env.balancer.closed;
  }

  /** Whether the call ends with an attempt that failed in this way, even if others are in flight. */
  private isFinal(end: AttemptEnd, error: unknown): boolean {
    if (this.isOver || isNoted(error, "final") || this.timeLeftMs() <= 0) return true;
    return end === "answered" && this.methodSettings.retry?.covers(error) !== true;
  }
}
