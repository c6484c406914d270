import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, createContextValues } from "@connectrpc/connect";
import { MAX_DELAY_MS } from "../time/clock.ts";
import type { CallEnvironment } from "./environment.ts";
import { callFailure } from "./failure.ts";
import type { FailedAttempts } from "./failed-attempts.ts";
import { balanceKey, type BalanceSettings } from "./options.ts";

/** A call's request and its deadline: how much time is left, and the errors for when there is none. */
export class BoundedCall<M extends DescMethod = DescMethod> {
  readonly method: M;
  readonly signal: AbortSignal | undefined;
  /** As the caller gave them. */
  readonly headerInit: HeadersInit | undefined;
  /** As the caller gave them. */
  protected readonly contextValuesInit: ContextValues | undefined;
  readonly env: CallEnvironment;
  readonly settings: BalanceSettings | undefined;
  /** On the clock's scale. */
  readonly #deadlineMs: number | undefined;
  #timeoutMs: number | undefined;
  protected failures: FailedAttempts | undefined;
  /** How many attempts were made. */
  protected number = 0;
  /** Whether it was given a connection before, and so is older than calls waiting for their first. */
  protected returned = false;
  #header: Headers | undefined;
  #contextValues: ContextValues | undefined;

  /** @throws ConnectError if the caller has aborted, has no time left, or gave a timeout that is not a number. */
  constructor(
    env: CallEnvironment,
    method: M,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    contextValues: ContextValues | undefined,
  ) {
    this.env = env;
    this.method = method;
    this.signal = signal;
    this.headerInit = header;
    this.contextValuesInit = contextValues;
    this.settings = contextValues?.get(balanceKey);
    if (signal?.aborted) throw this.aborted();
    timeoutMs ??= env.defaultTimeoutMs;
    if (timeoutMs === undefined) return;
    if (typeof timeoutMs !== "number" || Number.isNaN(timeoutMs)) {
      throw new ConnectError(`timeoutMs is ${timeoutMs}: expected a number of milliseconds`, Code.InvalidArgument);
    }
    if (timeoutMs <= 0) throw this.unavailable(`no time left: timeoutMs is ${timeoutMs}`, Code.DeadlineExceeded);
    this.#timeoutMs = Math.min(Math.ceil(timeoutMs), MAX_DELAY_MS);
    this.#deadlineMs = env.clock.now() + this.#timeoutMs;
  }

  get header(): Headers {
    return this.#header ??= new Headers(this.headerInit);
  }

  get contextValues(): ContextValues {
    return this.#contextValues ??= this.contextValuesInit ?? createContextValues();
  }

  /** The time left for the next attempt, in whole milliseconds above 0; undefined: no limit. */
  get timeoutMs(): number | undefined {
    return this.#timeoutMs;
  }

  /** The call's remaining time as of now, for a call that continues this one; see `timeoutMs`. */
  timeLeft(): number | undefined {
    this.checkTime();
    return this.#timeoutMs;
  }

  protected get name(): string {
    return `${this.method.parent.typeName}/${this.method.name}`;
  }

  protected timeLeftMs(): number {
    return this.#deadlineMs === undefined ? Infinity : this.#deadlineMs - this.env.clock.now();
  }

  /** Updates `timeoutMs`; throws if the caller has aborted, the balancer is closed, or no time is left. */
  protected checkTime(): void {
    if (this.signal?.aborted) throw this.aborted();
    if (this.env.balancer.closed) throw this.closed();
    if (this.#deadlineMs === undefined) return;
    const leftMs = this.timeLeftMs();
    if (leftMs <= 0) throw this.deadlineExceeded();
    this.#timeoutMs = Math.ceil(leftMs);
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

  protected aborted(): ConnectError {
    return ConnectError.from(this.signal!.reason, Code.Canceled);
  }
}
