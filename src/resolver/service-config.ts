import { Code } from "@connectrpc/connect";
import {
  byName,
  type Check,
  type Checks,
  fields,
  fieldsOrFalse,
  flag,
  from1,
  listOf,
  makes,
  milliseconds,
  number,
  or,
  wholeNumber,
} from "../option.ts";
import type { Policy } from "../policy/policy.ts";

/**
 * What a service's owner says about its calls: gRPC's service config, as types. A resolver may yield one with each
 * resolution (`Resolution.config`); until it does, a transport's `defaultServiceConfig` applies.
 *
 * What the config leaves open is as in the transport's options. A config is not modified once it was yielded: a change
 * is a new object.
 *
 * ```ts
 * import { Code } from "@connectrpc/connect";
 * import type { ServiceConfig } from "connect-lb";
 *
 * const config: ServiceConfig = {
 *   methods: {
 *     "proto.Simple/Route": { timeoutMs: 500, retry: { maxAttempts: 3, codes: [Code.Unavailable] } },
 *     "proto.Simple": { timeoutMs: 5_000 },
 *     "*": { waitForReady: true },
 *   },
 *   retryBudget: { maxTokens: 10, tokenRatio: 0.1 },
 * };
 * ```
 */
export interface ServiceConfig {
  /**
   * Settings by method: for `"package.Service/Method"`, for the other methods of `"package.Service"`, and for all
   * others (`"*"`). The most specific entry applies as a whole: nothing is added from a less specific one. gRPC:
   * `methodConfig`.
   */
  readonly methods?: Readonly<Record<string, MethodConfig>>;
  /**
   * The token bucket shared by all calls of the transport. Defaults to the transport's `retry.budget`. A new budget
   * starts with the share of tokens that the previous one had left. gRPC: `retryThrottling`.
   */
  readonly retryBudget?: RetryBudget;
  /**
   * How a connection is chosen for each call. Calls go on while one policy replaces another: the new one takes over when
   * a connection that it wants is ready. Transports from `withPolicy` keep their own. Defaults to the transport's
   * `policy`. gRPC: `loadBalancingConfig`.
   */
  readonly policy?: Policy;
  /**
   * Whether it is from a place that others can write to. Then its timeouts only shorten `defaultTimeoutMs`, too;
   * `retry` and `hedging` apply only to methods that the schema marks as `IDEMPOTENT` or `NO_SIDE_EFFECTS` (or that the
   * transport's `retry.methods` lists); `waitForReady` is ignored; and `retryBudget` can't exceed the transport's.
   * Defaults to false.
   */
  readonly untrusted?: boolean;
}

/** Settings of one or more methods. A call keeps those with which it began. */
export interface MethodConfig {
  /**
   * The longest timeout of a call, in milliseconds: a call's own may be shorter. Defaults to the transport's
   * `defaultTimeoutMs` for calls without a timeout of their own, and no limit for the others. gRPC: `timeout`.
   */
  readonly timeoutMs?: number;
  /**
   * Whether calls wait for a connection to become ready; `balance({ waitForReady })` overrides it. Defaults to the
   * transport's `waitForReady`.
   */
  readonly waitForReady?: boolean;
  /**
   * When calls are retried; `false`: never. As in gRPC, it declares that the methods are safe to retry, whether or not
   * the schema marks them as idempotent. Fields that it leaves out have their own defaults. Defaults to the transport's
   * `retry`; if that is `false`, nothing here changes it. gRPC: `retryPolicy`.
   */
  readonly retry?: MethodRetryOptions | false;
  /**
   * When a call is sent to further endpoints while the first has not answered, `fixedHedging({ maxAttempts: 3 })`;
   * `false`: never. As in gRPC, it replaces `retry`, so that a method can't have both, and it declares that the methods
   * may be processed several times. It applies to unary calls, and to server streaming until the response headers
   * arrive. Defaults to the transport's `hedge`; if the transport's `retry` is `false`, nothing here adds hedges. gRPC:
   * `hedgingPolicy`.
   */
  readonly hedging?: MethodHedging | false;
}

/** What `fixedHedging()` returns: its options, and the code that hedges, so that only programs that hedge contain it. */
export interface MethodHedging extends Required<FixedHedgingOptions> {
  /** Starts it for a transport; only the transport knows what it takes and returns. */
  start(env: never): unknown;
}

/** Options of `fixedHedging()` (gRFC A6). */
export interface FixedHedgingOptions {
  /**
   * The most attempts per call that are answered or may have been processed, including the first. At least 2; more than
   * 5 count as 5.
   */
  readonly maxAttempts: number;
  /** The time between two attempts, in milliseconds. Defaults to 0: all are made at once. gRPC: `hedgingDelay`. */
  readonly delayMs?: number;
  /**
   * The codes after which the next attempt is made at once while the others continue; any other error ends the call.
   * Defaults to none. gRPC: `nonFatalStatusCodes`.
   */
  readonly nonFatalCodes?: readonly Code[];
}

/** How often, when and after what a call is retried (gRFC A6). */
export interface MethodRetryOptions {
  /**
   * The most attempts per call that are answered or may have been processed, including the first. Defaults to 4 (gRFC
   * A6's example).
   */
  readonly maxAttempts?: number;
  /** The codes after which a call is retried. Defaults to Unavailable only. */
  readonly codes?: readonly Code[];
  /**
   * The longest pause before the second attempt, in milliseconds; the actual pause is random, between 0 and this.
   * Defaults to 100.
   */
  readonly initialBackoffMs?: number;
  /** The longest pause before any attempt, in milliseconds. Defaults to 1,000. */
  readonly maxBackoffMs?: number;
  /** How much the longest pause grows from attempt to attempt. Defaults to 2. */
  readonly backoffMultiplier?: number;
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

const above0 = number("a number above 0", (value) => value > 0);
const TAKER = "a service config";

/** The check of a list of codes. */
export const codes: Check = listOf("an array of Connect codes, such as Code.Unavailable", isCode);

/** The checks of {@link MethodRetryOptions}. */
export const METHOD_RETRY: Checks<MethodRetryOptions> = {
  maxAttempts: wholeNumber(1),
  codes,
  initialBackoffMs: milliseconds,
  maxBackoffMs: milliseconds,
  backoffMultiplier: from1,
};

/** The checks of {@link RetryBudget}. */
export const RETRY_BUDGET: Checks<RetryBudget> = { maxTokens: above0, tokenRatio: above0 };

const METHOD: Checks<MethodConfig> = {
  timeoutMs: milliseconds,
  waitForReady: flag,
  retry: fieldsOrFalse(TAKER, METHOD_RETRY),
  hedging: or(false, makes("fixedHedging({ maxAttempts }) or false", isHedging)),
};

const methodGroup = fields(TAKER, METHOD);

const methodConfig: Check = (name, value) => {
  methodGroup(name, value);
  const { retry, hedging } = value as MethodConfig;
  if (!retry || !hedging) return;
  throw new TypeError(`option ${name} has both retry and hedging: expected one of them, as in gRPC`);
};

const CONFIG: Checks<ServiceConfig> = {
  methods: byName(
    'an object by method: "package.Service/Method", "package.Service" or "*"',
    (name) => name === "*" || isMethodName(name),
    methodConfig,
  ),
  retryBudget: fields(TAKER, RETRY_BUDGET),
  policy: makes("a policy, such as roundRobin()", (value) => typeof value === "function"),
  untrusted: flag,
};

/** The check of a {@link ServiceConfig}. */
export const serviceConfig: Check = fields(TAKER, CONFIG);

/** Whether a value is the name of a method or of a service: `"proto.Simple/Route"`, `"proto.Simple"`. */
export function isMethodName(value: unknown): boolean {
  return typeof value === "string" && /^[\w.]+(\/\w+)?$/.test(value);
}

function isHedging(value: unknown): boolean {
  return typeof (value as Partial<MethodHedging> | null)?.start === "function";
}

function isCode(value: unknown): boolean {
  return typeof value === "number" && Code[value] !== undefined;
}

/**
 * Checks the configs that one resolver yields, one after another. The returned function returns the config that
 * applies: the given one, or the last valid one if it is invalid, which is reported once.
 */
export function lastValidConfig(
  skipped: (cause: Error) => void,
): (config: ServiceConfig | Error | undefined) => ServiceConfig | undefined {
  let last: ServiceConfig | Error | undefined, valid: ServiceConfig | undefined;
  return (config) => {
    if (config === last) return valid;
    last = config;
    try {
      if (config instanceof Error) throw config;
      if (config !== undefined) serviceConfig("config", config);
      valid = config;
    } catch (error) {
      skipped(error as Error);
    }
    return valid;
  };
}
