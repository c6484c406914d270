import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, createContextValues } from "@connectrpc/connect";
import type { Connection } from "../connection/connection.ts";
import { EndpointConnection } from "../connection/endpoint-connection.ts";
import type { AttemptEnd } from "../connection/mark.ts";
import { PACE_MS } from "../connection/pool.ts";
import { notify } from "../event.ts";
import type { CallInfo, Picker } from "../policy/policy.ts";
import { type Clock, MAX_DELAY_MS } from "../time/clock.ts";
import { EARLY_MS } from "../time/deadline.ts";
import type { Balancer } from "./balancer.ts";
import { callFailure, codeOf, endOf, textOf } from "./explain.ts";
import { FailedAttempts } from "./failed-attempts.ts";
import type { RetryPolicy } from "./retry.ts";
import { waitFor } from "./wait.ts";
import { type Attempt, balanceKey, type BalanceSettings } from "./options.ts";

/** What all calls of a transport share. */
export interface CallEnvironment {
  readonly balancer: Balancer;
  readonly clock: Clock;
  readonly random: () => number;
  readonly defaultTimeoutMs: number | undefined;
  readonly waitTimeoutMs: number;
  readonly waitForReady: boolean;
  readonly onAttempt: ((attempt: Attempt) => void) | undefined;
  /** Undefined: calls are repeated only where that is always safe. */
  readonly retry: RetryPolicy | undefined;
}

/** The most attempts that one call makes; each was refused or not sent, so more would hardly help. */
const MOST_ATTEMPTS = 16;

/** What a wait can end with beside a connection: all that could be picked were tried, or its time is over. */
const TRIED = { tried: true } as const;
const OVER = { over: true } as const;

/**
 * One call: what it asks for, what time it has left, and where its attempts go, one at a time. Kinds of calls make them:
 * they take a connection, begin an attempt on it, and say how it ended.
 */
export class Call<M extends DescMethod = DescMethod> implements CallInfo {
  readonly method: M;
  readonly signal: AbortSignal | undefined;
  /** As the caller gave them. */
  protected readonly headerInit: HeadersInit | undefined;
  /** As the caller gave them. */
  protected readonly contextValuesInit: ContextValues | undefined;
  readonly #env: CallEnvironment;
  readonly #settings: BalanceSettings | undefined;
  /** On the clock's scale. */
  readonly #deadlineMs: number | undefined;
  #timeoutMs: number | undefined;
  #picker: Picker | undefined;
  /** Where the present attempt is; how many there were with it; and when it began, if somebody wants to know. */
  #connection: EndpointConnection | undefined;
  #number = 0;
  #startMs: number | undefined;
  #failed: FailedAttempts | undefined;
  #header: Headers | undefined;
  #contextValues: ContextValues | undefined;

  /** @throws ConnectError if the caller has aborted, has no time left, or gave a timeout that is no number. */
  constructor(
    env: CallEnvironment,
    method: M,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    contextValues: ContextValues | undefined,
  ) {
    this.#env = env;
    this.method = method;
    this.signal = signal;
    this.headerInit = header;
    this.contextValuesInit = contextValues;
    this.#settings = contextValues?.get(balanceKey);
    if (signal?.aborted) throw this.#aborted();
    timeoutMs ??= env.defaultTimeoutMs;
    if (timeoutMs === undefined) return;
    if (typeof timeoutMs !== "number" || Number.isNaN(timeoutMs)) {
      throw new ConnectError(`timeoutMs is ${timeoutMs}: expected a number of milliseconds`, Code.InvalidArgument);
    }
    if (timeoutMs <= 0) throw this.#unavailable(`no time left: timeoutMs is ${timeoutMs}`, Code.DeadlineExceeded);
    this.#timeoutMs = Math.min(Math.ceil(timeoutMs), MAX_DELAY_MS);
    this.#deadlineMs = env.clock.now() + this.#timeoutMs;
  }

  get header(): Headers {
    return this.#header ??= new Headers(this.headerInit);
  }

  get contextValues(): ContextValues {
    return this.#contextValues ??= this.contextValuesInit ?? createContextValues();
  }

  excluded(connection: Connection): boolean {
    return this.#failed !== undefined && this.#failed.skips(connection);
  }

  /** What is left for the next attempt, in whole milliseconds above 0; undefined: no limit. */
  get timeoutMs(): number | undefined {
    return this.#timeoutMs;
  }

  /** What is left of the call's time right now, for whoever goes on with it; see `timeoutMs`. */
  timeLeft(): number | undefined {
    this.#checkTime();
    return this.#timeoutMs;
  }

  /**
   * A connection for the next attempt, if there is one at once. It counts the attempt from here on, so that calls which
   * are given connections in one go see each other: `begin` must follow.
   *
   * @throws ConnectError with code Internal if the picker throws or gives what is none.
   */
  protected connectionNow(): EndpointConnection | undefined {
    const picked = this.#pick();
    return picked instanceof EndpointConnection ? taken(picked) : undefined;
  }

  /** The same as soon as there is one. Rejects with what the caller should see. */
  protected async connection(): Promise<EndpointConnection> {
    for (;;) {
      const found = await this.#wait();
      if (found instanceof EndpointConnection) return found;
      // Every endpoint that the picker knows was tried and declined, maybe for a moment only. After a pause there may be
      // a picker that knows another; if not, begin again with those.
      const failed = this.#failed!;
      await this.#pause(Math.min(PACE_MS + failed.pauseMs(this.#env.random), this.#timeLeftMs()));
      this.#checkTime();
      const connection = this.connectionNow();
      if (connection !== undefined) return connection;
      failed.readmit();
    }
  }

  #pick(): EndpointConnection | "wait" | Error {
    const { balancer } = this.#env;
    const { picker } = balancer;
    if (picker === undefined) {
      balancer.start();
      return "wait";
    }
    this.#picker = picker;
    if (this.#failed !== undefined) this.#failed.skipped = false;
    let picked: unknown;
    try {
      picked = picker.pick(this);
    } catch (error) {
      throw this.#unavailable(`the policy's picker threw: ${textOf(error)}`, Code.Internal, error);
    }
    if (picked instanceof EndpointConnection || picked === "wait" || picked instanceof Error) return picked;
    const expected = `a connection that its policy was given, "wait" or an Error`;
    throw this.#unavailable(`the policy's picker gave ${String(picked)}: expected ${expected}`, Code.Internal);
  }

  /** An attempt begins on a connection that was taken for it. */
  protected begin(connection: EndpointConnection): void {
    this.#connection = connection;
    this.#number++;
    const { onAttempt, clock } = this.#env;
    const timed = onAttempt !== undefined || this.#settings?.onAttempt !== undefined ||
      this.#picker?.done !== undefined;
    this.#startMs = timed ? clock.now() : undefined;
  }

  /** The server has begun to answer an attempt that goes on: a stream. */
  protected answering(): void {
    this.#connection!.answered();
  }

  /** The attempt has ended, with or without an error: gives its connection free and tells who wants to know. */
  protected ended(end: AttemptEnd, error?: unknown): void {
    const connection = this.#connection!;
    connection.end(end, error);
    if (error === undefined) this.#env.retry?.succeeded();
    if (this.#startMs !== undefined) this.#tell(connection, end, this.#env.clock.now() - this.#startMs, error);
  }

  #tell(connection: EndpointConnection, end: AttemptEnd, latencyMs: number, error: unknown): void {
    const failure = error === undefined ? undefined : { code: codeOf(error), error };
    const picker = this.#picker;
    try {
      picker?.done?.(connection, { end, latencyMs, ...failure && { code: failure.code } });
    } catch (thrown) {
      console.error("connect-lb: done of a policy's picker threw", thrown);
    }
    const { endpoint } = connection;
    const attempt = { endpoint, method: this.method, number: this.#number, end, latencyMs, ...failure };
    for (const listener of [this.#settings?.onAttempt, this.#env.onAttempt]) {
      if (listener !== undefined) notify("onAttempt", listener, attempt);
    }
  }

  /**
   * The attempt has failed: rejects with what the caller should see, or resolves with a connection for the next one.
   * `replayable`: whether the request can be sent again.
   */
  protected async afterFailure(error: unknown, replayable: boolean): Promise<EndpointConnection> {
    const end = endOf(error);
    this.ended(end, error);
    const failed = this.#failed ??= new FailedAttempts();
    const pauseMs = this.#nextAttemptIn(failed, end, error, replayable);
    if (pauseMs === undefined) throw this.failure(end, error);
    failed.add(this.#connection!, end, error);
    failed.exclude(this.#connection!);
    if (pauseMs > 0) await this.#pause(pauseMs);
    this.#checkTime();
    return await this.connection();
  }

  /** What the caller sees when the attempt was the last one. */
  protected failure(end: AttemptEnd, error: unknown): unknown {
    if (this.signal?.aborted) {
      const aborted = this.#aborted();
      return codeOf(error) === aborted.code ? error : aborted;
    }
    if (end === "answered") return error;
    const failed = this.#failed ??= new FailedAttempts();
    failed.add(this.#connection!, end, error);
    // The server, or whatever broke the connection, may have been faster than the link's timer; a server that keeps the
    // deadline itself cancels the attempt when it passes.
    if (this.#timeLeftMs() <= (codeOf(error) === Code.Canceled ? EARLY_MS : 0)) return this.#deadlineExceeded();
    const code = end === "maybe-processed" ? codeOf(error) : Code.Unavailable;
    const attempts = failed.list.length === 1 ? "the attempt" : `the last of ${failed.list.length} attempts`;
    const how = end === "maybe-processed" ? "failed" : end === "refused" ? "was refused" : "was not sent";
    const { address } = this.#connection!.endpoint;
    return callFailure(`${this.#name}: ${attempts}, on ${address}, ${how}: ${textOf(error)}`, failed.list, code);
  }

  /** The pause before another attempt, or undefined if there must be none. */
  #nextAttemptIn(failed: FailedAttempts, end: AttemptEnd, error: unknown, replayable: boolean): number | undefined {
    if (!replayable || this.signal?.aborted || this.#env.balancer.closed) return undefined;
    if (end === "not-sent" || end === "refused") return this.#number < MOST_ATTEMPTS ? 0 : undefined;
    const pauseMs = this.#env.retry?.next(this.method, ++failed.retried, end, error);
    // A server may ask for any pause.
    if (pauseMs === undefined || pauseMs > this.#env.waitTimeoutMs || pauseMs >= this.#timeLeftMs()) return undefined;
    return pauseMs;
  }

  /** Ends early when the caller aborts or the transport is closed: `#checkTime` then throws. */
  async #pause(ms: number): Promise<void> {
    const { balancer, clock } = this.#env;
    const over = () => OVER;
    await waitFor(balancer, clock, {
      signal: this.signal,
      limitMs: ms,
      poll: () => (balancer.closed ? OVER : undefined),
      expired: over,
      aborted: over,
    });
  }

  get #name(): string {
    return `${this.method.parent.typeName}/${this.method.name}`;
  }

  #timeLeftMs(): number {
    return this.#deadlineMs === undefined ? Infinity : this.#deadlineMs - this.#env.clock.now();
  }

  /** Brings `timeoutMs` up to date; throws when the caller has aborted, all is closed, or no time is left. */
  #checkTime(): void {
    if (this.signal?.aborted) throw this.#aborted();
    if (this.#env.balancer.closed) throw this.#closed();
    if (this.#deadlineMs === undefined) return;
    const leftMs = this.#timeLeftMs();
    if (leftMs <= 0) throw this.#deadlineExceeded();
    this.#timeoutMs = Math.ceil(leftMs);
  }

  /** Resolves with a connection, or with `TRIED` when only those are left that were tried. */
  #wait(): Promise<EndpointConnection | typeof TRIED> {
    const { balancer, clock, waitTimeoutMs } = this.#env;
    const waitForReady = this.#settings?.waitForReady ?? this.#env.waitForReady;
    // A call that waits for readiness has its own timeout, if it has one, to say how long.
    const leftMs = this.#timeLeftMs();
    const limitMs = waitForReady && leftMs < Infinity ? leftMs : Math.min(leftMs, waitTimeoutMs);
    return waitFor<EndpointConnection | typeof TRIED>(balancer, clock, {
      signal: this.signal,
      limitMs,
      poll: () => {
        if (balancer.closed) throw this.#closed();
        const picked = this.#pick();
        const skipped = this.#failed?.skipped === true;
        if (picked === "wait" && !skipped) return undefined;
        if (picked instanceof Error && !skipped) {
          if (waitForReady) return undefined;
          throw this.#unavailable(`${picked.message}: ${balancer.describe()}`, Code.Unavailable, picked.cause);
        }
        this.#checkTime();
        return picked instanceof EndpointConnection ? taken(picked) : TRIED;
      },
      expired: () => {
        if (limitMs === leftMs) throw this.#deadlineExceeded();
        throw this.#unavailable(`no connection within ${waitTimeoutMs} ms: ${balancer.describe()}`, Code.Unavailable);
      },
      aborted: () => {
        throw this.#aborted();
      },
    });
  }

  #unavailable(text: string, code: Code, cause?: unknown): ConnectError {
    return callFailure(`${this.#name}: ${text}`, this.#failed?.list ?? [], code, cause);
  }

  #closed(): ConnectError {
    return this.#unavailable("the transport is closed", Code.FailedPrecondition);
  }

  #deadlineExceeded(): ConnectError {
    const attempts = this.#number === 1 ? "1 attempt" : `${this.#number} attempts`;
    const last = this.#failed?.list.at(-1);
    const tried = this.#number === 0 ? "" : `after ${attempts}${last ? `, the last on ${last.address}` : ""}, `;
    return this.#unavailable(`no time left: ${tried}${this.#env.balancer.describe()}`, Code.DeadlineExceeded);
  }

  #aborted(): ConnectError {
    return ConnectError.from(this.signal!.reason, Code.Canceled);
  }
}

/** The connection counts one more attempt. */
function taken(connection: EndpointConnection): EndpointConnection {
  connection.begin();
  return connection;
}
