import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type { AttemptEnd } from "../connection/mark.ts";
import { type Checks, fields, listOf } from "../option.ts";
import {
  isMethodName,
  METHOD_RETRY,
  type MethodRetryOptions,
  RETRY_BUDGET,
  type RetryBudget,
} from "../resolver/service-config.ts";
import { codeOf } from "./failure.ts";
import type { RetryThrottle } from "./retry-throttle.ts";

/** When a call that may have been processed, or was answered with an error, is retried (gRFC A6). */
export interface RetryOptions extends MethodRetryOptions {
  /**
   * Methods that are safe to retry although the schema does not mark them as such: `"proto.Simple/Route"`, or
   * `"proto.Simple"` for a whole service.
   */
  readonly methods?: readonly string[];
  /** A token bucket shared by all calls of the transport, so that retries can't overwhelm servers in trouble. */
  readonly budget?: RetryBudget;
}

/** The checks of {@link RetryOptions}. */
export const RETRY: Checks<RetryOptions> = {
  ...METHOD_RETRY,
  methods: listOf('an array of names: "package.Service/Method" or "package.Service"', isMethodName),
  budget: fields("createBalancedTransport()", RETRY_BUDGET),
};

/**
 * The trailer in which a server says after how many milliseconds a call may be retried, or that it must not be (a
 * negative number). A call is not retried if the pushback exceeds its remaining time or the transport's
 * `waitTimeoutMs`.
 */
const PUSHBACK = "grpc-retry-pushback-ms";

/** Decides which failed attempts are retried, and when. */
export class RetryPolicy {
  readonly #maxAttempts: number;
  readonly #codes: ReadonlySet<Code>;
  readonly #isSafe: (method: DescMethod) => boolean;
  readonly #initialMs: number;
  readonly #maxMs: number;
  readonly #multiplier: number;
  readonly #throttle: RetryThrottle;
  readonly #random: () => number;

  /** `isSafe`: whether a method can be retried; see {@link safeMethods}. */
  constructor(
    options: MethodRetryOptions,
    isSafe: (method: DescMethod) => boolean,
    throttle: RetryThrottle,
    random: () => number,
  ) {
    this.#maxAttempts = options.maxAttempts ?? 4;
    this.#codes = new Set(options.codes ?? [Code.Unavailable]);
    this.#initialMs = options.initialBackoffMs ?? 100;
    this.#maxMs = options.maxBackoffMs ?? 1_000;
    this.#multiplier = options.backoffMultiplier ?? 2;
    this.#isSafe = isSafe;
    this.#throttle = throttle;
    this.#random = random;
  }

  /** Whether attempts that failed like this one are retried, if nothing else is against it. */
  covers(error: unknown): boolean {
    return this.#codes.has(codeOf(error));
  }

  /**
   * An attempt that was answered, or may have been processed, failed; it was its call's `number`th to end this way.
   * Returns how many milliseconds to wait before the next one, or undefined if there must be none.
   */
  next(method: DescMethod, number: number, end: AttemptEnd, error: unknown): number | undefined {
    const covered = this.covers(error), pushbackMs = pushbackOf(error);
    if (covered || pushbackMs === "never") this.#throttle.failed();
    if (!covered || number >= this.#maxAttempts || !this.#throttle.allows || !this.#isSafe(method)) return undefined;
    if (pushbackMs !== undefined) return pushbackMs === "never" ? undefined : pushbackMs;
    // A lost connection says nothing about the other endpoints, so the first of them is tried immediately.
    if (end === "maybe-processed" && number === 1) return 0;
    return this.#random() * Math.min(this.#maxMs, this.#initialMs * this.#multiplier ** (number - 1));
  }
}

/** What the server says about when to retry; undefined: nothing. */
function pushbackOf(error: unknown): number | "never" | undefined {
  const pushback = error instanceof ConnectError ? error.metadata.get(PUSHBACK) : null;
  if (pushback === null) return undefined;
  return /^[0-9]{1,9}$/.test(pushback) ? Number(pushback) : "never";
}

/** Which methods are safe to retry: those that the schema marks as idempotent, and those listed. */
export function safeMethods(listed: readonly string[] = []): (method: DescMethod) => boolean {
  const names = new Set(listed);
  return ({ idempotency, parent, name }) =>
    idempotency !== MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN ||
    names.has(parent.typeName) || names.has(`${parent.typeName}/${name}`);
}
