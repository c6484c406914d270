import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, createContextValues } from "@connectrpc/connect";
import { MAX_DELAY_MS } from "../time/clock.ts";
import type { CallEnvironment } from "./environment.ts";
import { type FailedCallLimit, rememberFailure } from "./failed-call.ts";
import { callFailure, codeOf } from "./failure.ts";
import { FailedAttempts } from "./failed-attempts.ts";
import { ObservedCall } from "./observed-call.ts";
import { balanceKey, type BalanceSettings } from "./options.ts";
import type { MethodSettings } from "./settings.ts";

/** How long a call may take. */
interface TimeLimit {
  /** When the call began, on the clock's scale. */
  readonly sinceMs: number;
  /** As the caller gave it. */
  readonly ownMs: number | undefined;
  /** Whether the service's config, which may say otherwise, may not be known yet. */
  provisional: boolean;
  /** Undefined: it may take any time. */
  totalMs: number | undefined;
  /** What was left of it when that was last looked at, in whole milliseconds. */
  leftMs: number | undefined;
}

/**
 * A call's request and its deadline: how much time is left, and the errors for when there is none.
 *
 * There is one for each call, so its fields, and those of the classes below it, are only declared, and assigned in the
 * constructor; and its private methods have no `#`. V8 would otherwise define each field once more, and mark each object
 * for each class with such methods, which makes creating one three times as expensive.
 */
export class BoundedCall<M extends DescMethod = DescMethod> {
  declare readonly method: M;
  /** Ends it. A call of a relay has none until it waits. */
  declare signal: AbortSignal | undefined;
  /** As the caller gave them, or with what an observer added. */
  declare headerInit: HeadersInit | undefined;
  /** As the caller gave them, or created for a picker that reads them. */
  declare protected contextValuesInit: ContextValues | undefined;
  declare readonly env: CallEnvironment;
  declare protected methodSettings: MethodSettings;
  /** Undefined: none, and the service's config can't bring one. */
  declare private limit: TimeLimit | undefined;
  declare protected failures: FailedAttempts | undefined;
  /** How many attempts were made. */
  declare protected number: number;
  declare private madeHeader: Headers | undefined;
  /** The call as its observers see it, from `observe` on; undefined if nobody watches it. */
  declare observed: ObservedCall | undefined;

  /** @throws ConnectError if the caller has aborted, has no time left, or gave a timeout that is not a number. */
  constructor(
    env: CallEnvironment,
    method: M,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    contextValues: ContextValues | undefined,
  ) {
    this.limit = this.failures = undefined;
    this.madeHeader = this.observed = undefined;
    this.number = 0;
    this.env = env;
    this.method = method;
    this.signal = signal;
    this.headerInit = header;
    this.contextValuesInit = contextValues;
    if (env.balancer.closed) throw this.neverBegun(this.closed());
    if (signal?.aborted) throw this.neverBegun(this.aborted());
    const ownMs = timeoutMs ?? undefined;
    if (ownMs !== undefined) {
      if (typeof ownMs !== "number" || Number.isNaN(ownMs)) {
        const text = `timeoutMs is ${ownMs}: expected a number of milliseconds`;
        throw this.neverBegun(new ConnectError(text, Code.InvalidArgument));
      }
      if (ownMs <= 0) {
        throw this.neverBegun(this.unavailable(`no time left: timeoutMs is ${ownMs}`, Code.DeadlineExceeded));
      }
    }
    const { clock } = env, { config } = env.balancer;
    this.methodSettings = env.settings.of(method, config);
    const limitMs = timeoutOf(ownMs, this.methodSettings);
    const provisional = config === "unknown";
    if (limitMs !== undefined || provisional) {
      this.limit = { sinceMs: clock.now(), ownMs, provisional, totalMs: limitMs, leftMs: limitMs };
    }
  }

  /**
   * A call that began before the service's config was known gets its settings as soon as it is; its time counts from
   * its beginning. Returns whether they changed.
   */
  protected configured(): boolean {
    const limit = this.limit;
    if (limit === undefined || !limit.provisional) return false;
    const { config } = this.env.balancer;
    if (config === "unknown") return false;
    limit.provisional = false;
    const before = this.methodSettings;
    this.methodSettings = this.env.settings.of(this.method, config);
    if (this.methodSettings === before) return false;
    limit.totalMs = limit.leftMs = timeoutOf(limit.ownMs, this.methodSettings);
    return true;
  }

  /** What the caller said to the balancer. */
  get settings(): BalanceSettings | undefined {
    return this.contextValuesInit?.get(balanceKey);
  }

  get header(): Headers {
    return this.madeHeader ??= new Headers(this.headerInit);
  }

  get contextValues(): ContextValues {
    return this.contextValuesInit ??= createContextValues();
  }

  /** The time left for the next attempt, in whole milliseconds above 0; undefined: no limit. */
  get timeoutMs(): number | undefined {
    return this.limit?.leftMs;
  }

  /** When it began, if it does now; on the clock's scale. */
  get beganMs(): number {
    return this.limit === undefined ? this.env.clock.now() : this.limit.sinceMs;
  }

  /** The call's remaining time as of now, for a call that continues this one; see `timeoutMs`. */
  timeLeft(): number | undefined {
    try {
      this.checkTime();
    } catch (error) {
      throw this.neverBegun(error);
    }
    return this.timeoutMs;
  }

  /** The call begins: notifies its observers. From here on, `over` must follow. */
  protected observe(): void {
    const { calls, callObservers } = this.env;
    calls.started++;
    if (callObservers === undefined) return;
    this.observed = ObservedCall.start(this, callObservers);
    if (this.madeHeader !== undefined) this.headerInit = this.madeHeader;
  }

  /**
   * The call has ended, with the error for its caller if it failed. Only the first end counts. `nowMs`: now, for those
   * who know it: reading the clock is what observers cost most.
   */
  over(error: unknown, nowMs?: number): void {
    if (error !== undefined) {
      const failures = this.failures ??= new FailedAttempts();
      if (!failures.final) this.env.calls[this.abandoned ? "abandoned" : "failed"]++;
      failures.final = true;
      const { method, env: { balancer } } = this;
      rememberFailure(error, { method, attempts: failures.list, balancer, limit: this.limitFrom });
    }
    this.observed?.end(error, this.number, nowMs ?? this.env.clock.now());
  }

  /** Its observers hear of a call that fails before it begins, too. Returns the error for its caller. */
  protected neverBegun(error: unknown): unknown {
    this.observe();
    this.over(error);
    return error;
  }

  protected get name(): string {
    return `${this.method.parent.typeName}/${this.method.name}`;
  }

  protected timeLeftMs(): number {
    const limit = this.limit;
    if (limit?.totalMs === undefined) return Infinity;
    return limit.sinceMs + limit.totalMs - this.env.clock.now();
  }

  /** Updates `timeoutMs`; throws if the caller has aborted, the balancer is closed, or no time is left. */
  checkTime(): void {
    if (this.signal?.aborted) throw this.aborted();
    if (this.env.balancer.closed) throw this.closed();
    const leftMs = this.timeLeftMs();
    if (leftMs === Infinity) return;
    if (leftMs <= 0) throw this.deadlineExceeded();
    this.limit!.leftMs = Math.ceil(leftMs);
  }

  /** How long it may take, and who said so; undefined: any time. */
  private get limitFrom(): FailedCallLimit | undefined {
    const { totalMs: ms, ownMs } = this.limit ?? {}, { timeoutFrom } = this.methodSettings ?? {};
    if (ms === undefined) return undefined;
    const own = ownMs !== undefined && Math.ceil(ownMs) <= ms;
    return { ms, from: own || timeoutFrom === undefined ? "the call" : timeoutFrom };
  }

  protected unavailable(text: string, code: Code, cause?: unknown): ConnectError {
    return callFailure(`${this.name}: ${text}`, this.failures?.list ?? [], code, cause);
  }

  protected closed(): ConnectError {
    return this.unavailable("the transport is closed", Code.FailedPrecondition);
  }

  protected deadlineExceeded(): ConnectError {
    const attempts = this.number === 1 ? "1 attempt" : `${this.number} attempts`;
    const last = this.failures?.list.at(-1);
    const tried = this.number === 0 ? "" : `after ${attempts}${last ? `, the last on ${last.address}` : ""}, `;
    return this.unavailable(`no time left: ${tried}${this.env.balancer.describe()}`, Code.DeadlineExceeded);
  }

  /** Whether the caller has aborted it, or stopped reading. A signal that enforces the call's deadline is another matter. */
  protected get abandoned(): boolean {
    const { signal } = this;
    return signal !== undefined && signal.aborted && codeOf(signal.reason) !== Code.DeadlineExceeded;
  }

  protected aborted(): ConnectError {
    return ConnectError.from(this.signal!.reason, Code.Canceled);
  }
}

/** A call's timeout: its own, or its method's if that is shorter; in whole milliseconds. */
function timeoutOf(ownMs: number | undefined, { timeoutMs, maxTimeoutMs }: MethodSettings): number | undefined {
  const limitMs = ownMs === undefined ? timeoutMs : ownMs < maxTimeoutMs ? ownMs : maxTimeoutMs;
  return limitMs === undefined ? undefined : Math.min(Math.ceil(limitMs), MAX_DELAY_MS);
}
