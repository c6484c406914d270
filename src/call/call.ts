import type { DescMethod } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type { AttemptEnd } from "../connection/mark.ts";
import { isNoted } from "../connection/note.ts";
import { EARLY_MS } from "../time/deadline.ts";
import type { CallAttempt } from "./attempt.ts";
import { callFailure, codeOf, endedConnection, endOf, lastAttemptText } from "./failure.ts";
import { FailedAttempts } from "./failed-attempts.ts";
import { PickingCall } from "./picking-call.ts";

/** The most attempts one call makes if all are refused or not sent; more would hardly help. */
const MOST_ATTEMPTS = 16;

/**
 * A call that decides what follows a failed attempt: whether and when to make another, or which error the caller sees.
 * Subclasses make the attempts.
 */
export abstract class Call<M extends DescMethod, A> extends PickingCall<M, A> {
  /**
   * The attempt failed: resolves with the next one, or rejects with the error for the caller. `replayable`: whether the
   * request can be sent again.
   */
  protected async afterFailure(
    attempt: CallAttempt<A>,
    error: unknown,
    replayable: boolean,
  ): Promise<CallAttempt<A>> {
    if (replayable && isNoted(error, "full")) return await this.#fromFull(attempt, error);
    const end = endOf(error);
    if (this.abandoned && end !== "answered") attempt.abandon();
    attempt.ended(end, error, undefined);
    const failed = this.failures ??= new FailedAttempts();
    const pauseMs = this.#nextAttemptIn(failed, end, error, replayable);
    if (pauseMs === undefined) throw this.failure(attempt, end, error);
    failed.add(attempt.connection, end, error);
    failed.exclude(attempt.connection);
    if (pauseMs > 0) await this.pause(pauseMs);
    this.checkTime();
    return await this.nextAttempt();
  }

  /** The connection turned out to be full: the call waits for room. */
  async #fromFull(attempt: CallAttempt<A>, error: unknown): Promise<CallAttempt<A>> {
    attempt.takeBack(error);
    // A link that hides that it is full, such as an incomplete wrapper, is asked again after a pause, not in a busy
    // loop.
    const failed = this.failures ??= new FailedAttempts();
    if (attempt.connection.available && failed.declined++ > 0) failed.exclude(attempt.connection);
    this.checkTime();
    return await this.nextAttempt();
  }

  /** The error for the caller if the attempt was the last one. */
  protected failure(attempt: CallAttempt<A>, end: AttemptEnd, error: unknown): unknown {
    if (this.signal?.aborted) {
      const aborted = this.aborted();
      return codeOf(error) === aborted.code ? error : aborted;
    }
    if (end === "answered") return error;
    const failed = this.failures ??= new FailedAttempts();
    failed.add(attempt.connection, end, error);
    // The server, or whatever broke the connection, may have been faster than the link's timer; a server that enforces
    // the deadline itself cancels the attempt when it passes.
    if (this.timeLeftMs() <= (codeOf(error) === Code.Canceled ? EARLY_MS : 0)) return this.deadlineExceeded();
    // Unavailable would invite the caller to retry a call that does harm.
    const code = endedConnection(error) ? Code.Internal : end === "maybe-processed" ? codeOf(error) : Code.Unavailable;
    return callFailure(`${this.name}: ${lastAttemptText(failed.list)}`, failed.list, code);
  }

  /** The pause before another attempt, or undefined if there must be none. */
  #nextAttemptIn(failed: FailedAttempts, end: AttemptEnd, error: unknown, replayable: boolean): number | undefined {
    if (!replayable || this.signal?.aborted || this.env.balancer.closed || isNoted(error, "final")) return undefined;
    if (isNoted(error, "suspect") && failed.suspected++ > 0) return undefined;
    if (end === "not-sent" || end === "refused") return this.number < MOST_ATTEMPTS ? 0 : undefined;
    const pauseMs = this.methodSettings.retry?.next(this.method, ++failed.retried, end, error);
    // A server's pushback may be arbitrarily long.
    if (pauseMs === undefined || pauseMs > this.env.waitTimeoutMs || pauseMs >= this.timeLeftMs()) return undefined;
    return pauseMs;
  }
}
