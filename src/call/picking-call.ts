import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { PickerSource } from "../balancer/picker-source.ts";
import { waitFor } from "../balancer/wait.ts";
import type { Connection } from "../connection/connection.ts";
import { EndpointConnection } from "../connection/endpoint-connection.ts";
import { textOf } from "../error-text.ts";
import { isDrop } from "../policy/drop.ts";
import type { CallInfo, Picker } from "../policy/policy.ts";
import { connectionBehind } from "../policy/view.ts";
import { PACE_MS } from "../time/pace.ts";
import { type AttemptedCall, CallAttempt } from "./attempt.ts";
import { BoundedCall } from "./bounded-call.ts";
import { FailedAttempts } from "./failed-attempts.ts";
import type { WaitReason } from "./observer.ts";
import { readPick } from "./read-pick.ts";

/**
 * What a wait can end with other than an attempt: every connection the picker has was tried, the call's settings
 * changed, or a pause is over.
 */
const TRIED = { tried: true } as const;
const CONFIGURED = { configured: true } as const;
const OVER = { over: true } as const;

/**
 * A call that gets connections for its attempts: it picks, waits in line while none is available, and after a pause
 * retries those that declined. `A` is the type of the call's answer.
 */
export abstract class PickingCall<M extends DescMethod, A> extends BoundedCall<M>
  implements CallInfo, AttemptedCall<A> {
  abstract attemptFailed(attempt: CallAttempt<A>, error: unknown): Promise<A>;

  excluded(connection: Connection): boolean {
    return this.failures !== undefined && this.failures.skips(connection);
  }

  get hashKey(): string | undefined {
    return this.settings?.hashKey;
  }

  get retried(): number {
    return this.failures === undefined ? 0 : this.failures.retried + this.failures.beside;
  }

  get beside(): number {
    return this.failures === undefined ? 0 : this.failures.beside;
  }

  /** What the call tried so far. */
  get tried(): FailedAttempts {
    return this.failures ??= new FailedAttempts();
  }

  count(): number {
    this.number++;
    return this.failures?.vacant.pop() ?? this.number;
  }

  uncount(number: number): void {
    this.number--;
    // Hedges that began after it have the numbers that follow. Without observers, attempts have none.
    if (number > 0) this.tried.vacant.push(number);
  }

  /** @throws ConnectError with code Unavailable if the transport's throttle refuses the call. */
  protected checkThrottle(): void {
    const why = this.env.throttle?.refuses(this.method);
    if (why !== undefined) throw this.unavailable(`not sent: ${why}`, Code.Unavailable);
  }

  /**
   * The next attempt, if a connection is available right now, and `allows` accepts it. The connection counts it from
   * here on: `begin` must follow.
   *
   * @throws ConnectError with code Internal if the picker throws or returns no valid pick; with the drop's code if it
   * drops the call.
   */
  attemptNow(allows?: (connection: Connection) => boolean): CallAttempt<A> | undefined {
    const picked = this.pickNow(allows);
    return picked instanceof EndpointConnection ? new CallAttempt(this, undefined, picked, undefined) : picked;
  }

  /** The same; without the attempt if its picker returned a connection, and does not want to hear how it ends. */
  protected pickNow(allows?: (connection: Connection) => boolean): EndpointConnection | CallAttempt<A> | undefined {
    if (this.env.balancer.serving) return undefined;
    const picked = this.pick(), connection = connectionOf(picked);
    // A user's policy may ignore `available`: its calls must not jump the queue either.
    if (connection === undefined || connection.full || allows?.(connection) === false) return undefined;
    connection.begin();
    return picked as EndpointConnection | CallAttempt<A>;
  }

  /** The next attempt, as soon as there is a connection. Rejects with the error for the caller. */
  protected async nextAttempt(): Promise<CallAttempt<A>> {
    this.checkLine();
    const sinceMs = this.env.clock.now();
    for (;;) {
      const found = await this.wait(sinceMs);
      if (found instanceof CallAttempt) return found;
      if (found === CONFIGURED) continue;
      // Every endpoint the picker knows was tried and declined, perhaps only briefly. After a pause, there may be a
      // picker that knows another one; if not, start over with these.
      const failed = this.failures!;
      this.observed?.waiting("backoff");
      await this.pause(Math.min(PACE_MS + failed.pauseMs(this.env.random), this.timeLeftMs()));
      this.checkTime();
      const attempt = this.attemptNow();
      if (attempt !== undefined) return attempt;
      failed.readmit();
    }
  }

  /** A call that comes back from an attempt may always wait: it is older than those that have not had one. */
  private checkLine(): void {
    const { balancer, maxWaiting } = this.env;
    if (balancer.waiting < maxWaiting || this.number > 0 || this.failures !== undefined) return;
    const text = `${balancer.waiting} calls wait for a connection, as many as maxWaiting allows`;
    throw this.unavailable(`${text}: ${balancer.describe()}`, Code.Unavailable);
  }

  private pick(): EndpointConnection | CallAttempt<A> | "wait" | Error {
    const { balancer } = this.env;
    const { picker } = balancer;
    if (picker === undefined) {
      balancer.start();
      return "wait";
    }
    if (this.failures !== undefined) this.failures.skipped = false;
    let picked: unknown;
    try {
      picked = picker.pick(this);
    } catch (error) {
      throw this.unavailable(`the policy's picker threw: ${textOf(error)}`, Code.Internal, error);
    }
    const connection = connectionBehind(picked);
    if (connection !== undefined) {
      if (connection.limited) return this.unless(balancer.overload, "wait");
      if (picked === connection && picker.done === undefined) return connection;
      return new CallAttempt<A>(this, picker, connection, {
        connection,
        given: picked as Connection,
        header: undefined,
      });
    }
    if (picked === "wait") return this.unless(balancer.overload, picked);
    if (!(picked instanceof Error)) return this.read(picker, picked);
    if (!isDrop(picked)) return this.unless(balancer.overload, picked);
    throw this.unavailable(textOf(picked), picked instanceof ConnectError ? picked.code : Code.Unavailable, picked);
  }

  /** The pick is nothing, and the call fails if that is because of too many others: it is not to add to a queue. */
  private unless<T>(overload: string | undefined, picked: T): T {
    if (overload === undefined) return picked;
    throw this.unavailable(`${overload}: ${this.env.balancer.describe()}`, Code.Unavailable);
  }

  /** Reads a pick other than a bare connection. */
  private read(picker: Picker, picked: unknown): CallAttempt<A> {
    try {
      const pick = readPick(picked);
      return new CallAttempt<A>(this, picker, pick.connection, pick);
    } catch (error) {
      throw this.unavailable(`the policy's picker ${textOf(error)}`, Code.Internal, error);
    }
  }

  /** Ends early if the caller aborts or the transport is closed: `checkTime` then throws. */
  protected async pause(ms: number): Promise<void> {
    const { balancer, clock } = this.env;
    const over = () => OVER;
    await waitFor(balancer, clock, {
      signal: this.signal,
      limitMs: ms,
      poll: () => (balancer.closed ? OVER : undefined),
      expired: over,
      aborted: over,
    });
  }

  /** What a waiting call finds: an attempt, or that every connection left was tried; undefined: it goes on waiting. */
  private look(waitForReady: boolean): CallAttempt<A> | typeof TRIED | undefined {
    const picked = this.pick(), connection = connectionOf(picked);
    const skipped = this.failures?.skipped === true;
    if (connection?.full) return undefined;
    if (picked === "wait" && !skipped) return undefined;
    if (picked instanceof Error && !skipped) {
      if (waitForReady) return undefined;
      const text = `${picked.message}: ${this.env.balancer.describe()}`;
      throw this.unavailable(text, Code.Unavailable, picked.cause);
    }
    this.checkTime();
    if (connection === undefined) return TRIED;
    const attempt = picked === connection ? new CallAttempt<A>(this, undefined, connection, undefined) : picked;
    return (attempt as CallAttempt<A>).takePromised();
  }

  /**
   * Resolves with an attempt, with `TRIED` if every connection left was tried, or with `CONFIGURED` if other limits
   * apply from now on. Servers that are up but full are no reason to fail: only the call's own deadline ends the wait
   * for them. `sinceMs`: since when the call has been waiting.
   */
  private wait(sinceMs: number): Promise<CallAttempt<A> | typeof TRIED | typeof CONFIGURED> {
    const { balancer, clock, waitTimeoutMs } = this.env;
    const waitForReady = this.settings?.waitForReady ?? this.methodSettings.waitForReady;
    // A call that waits for readiness waits until its own deadline, if it has one.
    const leftMs = this.timeLeftMs();
    const limitMs = waitForReady && leftMs < Infinity
      ? leftMs
      : Math.min(leftMs, sinceMs + waitTimeoutMs - clock.now());
    let untilDeadline = limitMs === leftMs;
    return waitFor<CallAttempt<A> | typeof TRIED | typeof CONFIGURED>(balancer, clock, {
      signal: this.signal,
      limitMs,
      returned: this.number > 0 || this.failures !== undefined,
      wantsConnection: true,
      poll: () => {
        if (balancer.closed) throw this.closed();
        if (this.configured()) return CONFIGURED;
        const found = this.look(waitForReady);
        if (found === undefined) this.observed?.waiting(waitReason(balancer));
        return found;
      },
      expired: () => {
        if (untilDeadline) throw this.deadlineExceeded();
        const moreMs = balancer.moreTimeMs(waitTimeoutMs), leftMs = this.timeLeftMs();
        untilDeadline = leftMs <= moreMs;
        if (moreMs > 0) return Math.max(0, Math.min(leftMs, moreMs));
        throw this.unavailable(`no connection within ${waitTimeoutMs} ms: ${balancer.describe()}`, Code.Unavailable);
      },
      aborted: () => {
        throw this.aborted();
      },
    });
  }
}

/** Where a pick goes; undefined if there is none. */
function connectionOf(picked: unknown): EndpointConnection | undefined {
  if (picked instanceof EndpointConnection) return picked;
  return picked instanceof CallAttempt ? picked.connection : undefined;
}

/** What a call that finds no connection waits for. */
function waitReason(balancer: PickerSource): WaitReason {
  if (balancer.picker === undefined) return "resolution";
  return balancer.full ? "room" : "connection";
}
