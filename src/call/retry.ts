import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type { AttemptEnd } from "../connection/mark.ts";
import { type Checks, group, listOf, milliseconds, number, wholeNumber } from "../option.ts";
import { codeOf } from "./failure.ts";

/** When a call that may have been processed, or was answered with an error, is retried (gRFC A6). */
export interface RetryOptions {
  /**
   * The most attempts per call that are answered or may have been processed, including the first. Defaults to 4 (gRFC
   * A6's example).
   */
  readonly maxAttempts?: number;
  /** The codes after which a call is retried. Defaults to Unavailable only. */
  readonly codes?: readonly Code[];
  /**
   * Methods that are safe to retry although the schema does not mark them as such: `"proto.Simple/Route"`, or
   * `"proto.Simple"` for a whole service.
   */
  readonly methods?: readonly string[];
  /**
   * The longest pause before the second attempt, in milliseconds; the actual pause is random, between 0 and this.
   * Defaults to 100.
   */
  readonly initialBackoffMs?: number;
  /** The longest pause before any attempt, in milliseconds. Defaults to 1,000. */
  readonly maxBackoffMs?: number;
  /** How much the longest pause grows from attempt to attempt. Defaults to 2. */
  readonly backoffMultiplier?: number;
  /** A token bucket shared by all calls of the transport, so that retries can't overwhelm servers in trouble. */
  readonly budget?: RetryBudget;
}

/** gRFC A6's retry throttling: nothing is retried unless more than half of `maxTokens` is left. */
export interface RetryBudget {
  /**
   * The capacity of the bucket, which starts full; each failed attempt takes one token. Defaults to 1,000 (A6's
   * maximum).
   */
  readonly maxTokens?: number;
  /** How many tokens each successful call gives back. Defaults to 0.1. */
  readonly tokenRatio?: number;
}

const from1 = number("a number from 1", (value) => value >= 1 && value < Infinity);
const above0 = number("a number above 0", (value) => value > 0);

const BUDGET: Checks<RetryBudget> = { maxTokens: above0, tokenRatio: above0 };

/** The checks of {@link RetryOptions}. */
export const RETRY: Checks<RetryOptions> = {
  maxAttempts: wholeNumber(1),
  codes: listOf("an array of Connect codes, such as Code.Unavailable", isCode),
  methods: listOf('an array of names: "package.Service/Method" or "package.Service"', isMethodName),
  initialBackoffMs: milliseconds,
  maxBackoffMs: milliseconds,
  backoffMultiplier: from1,
  budget: group("an object, { maxTokens, tokenRatio }", "createBalancedTransport()", BUDGET),
};

/**
 * The trailer in which a server says after how many milliseconds a call may be retried, or that it must not be (a
 * negative number). A call is not retried if the pushback exceeds its remaining time or the transport's
 * `waitTimeoutMs`.
 */
const PUSHBACK = "grpc-retry-pushback-ms";

/** Decides which failed attempts of idempotent methods are retried, and when. */
export class RetryPolicy {
  readonly #maxAttempts: number;
  readonly #codes: ReadonlySet<Code>;
  readonly #methods: ReadonlySet<string>;
  readonly #initialMs: number;
  readonly #maxMs: number;
  readonly #multiplier: number;
  readonly #maxTokens: number;
  readonly #tokenRatio: number;
  readonly #random: () => number;
  #tokens: number;

  constructor(options: RetryOptions, random: () => number) {
    this.#maxAttempts = options.maxAttempts ?? 4;
    this.#codes = new Set(options.codes ?? [Code.Unavailable]);
    this.#methods = new Set(options.methods);
    this.#initialMs = options.initialBackoffMs ?? 100;
    this.#maxMs = options.maxBackoffMs ?? 1_000;
    this.#multiplier = options.backoffMultiplier ?? 2;
    this.#maxTokens = this.#tokens = options.budget?.maxTokens ?? 1_000;
    this.#tokenRatio = options.budget?.tokenRatio ?? 0.1;
    this.#random = random;
  }

  /** A call succeeded. */
  succeeded(): void {
    if (this.#tokens < this.#maxTokens) this.#tokens = Math.min(this.#maxTokens, this.#tokens + this.#tokenRatio);
  }

  /**
   * An attempt that was answered, or may have been processed, failed; it was its call's `number`th to end this way.
   * Returns how many milliseconds to wait before the next one, or undefined if there must be none.
   */
  next(method: DescMethod, number: number, end: AttemptEnd, error: unknown): number | undefined {
    if (!this.#codes.has(codeOf(error))) return undefined;
    this.#tokens = Math.max(0, this.#tokens - 1);
    const pushback = error instanceof ConnectError ? error.metadata.get(PUSHBACK) : null;
    if (number >= this.#maxAttempts || this.#tokens <= this.#maxTokens / 2 || !this.#isSafe(method)) return undefined;
    if (pushback !== null) return /^[0-9]{1,9}$/.test(pushback) ? Number(pushback) : undefined;
    // A lost connection says nothing about the other endpoints, so the first of them is tried immediately.
    if (end === "maybe-processed" && number === 1) return 0;
    return this.#random() * Math.min(this.#maxMs, this.#initialMs * this.#multiplier ** (number - 1));
  }

  #isSafe(method: DescMethod): boolean {
    if (method.idempotency !== MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN) return true;
    if (this.#methods.size === 0) return false;
    const service = method.parent.typeName;
    return this.#methods.has(service) || this.#methods.has(`${service}/${method.name}`);
  }
}

function isCode(value: unknown): boolean {
  return typeof value === "number" && Code[value] !== undefined;
}

function isMethodName(value: unknown): boolean {
  return typeof value === "string" && /^[\w.]+(\/\w+)?$/.test(value);
}
