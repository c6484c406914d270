import { Code } from "@connectrpc/connect";
import {
  type Check,
  checkOptions,
  type Checks,
  clock,
  flag,
  fn,
  group,
  interceptors,
  kind,
  listOf,
  makes,
  milliseconds,
  number,
  or,
  random,
  required,
  wholeNumber,
} from "../option.ts";
import type { BackoffOptions } from "../time/backoff.ts";
import type { RetryBudget, RetryOptions } from "./retry.ts";
import type { BalancedTransportOptions } from "./transport.ts";

const from1 = number("a number from 1", (value) => value >= 1 && value < Infinity);
const above0 = number("a number above 0", (value) => value > 0);
const jitter = number('a number from 0 to 1, or "full"', (value) => value >= 0 && value <= 1);

const BACKOFF: Checks<BackoffOptions> = {
  initialMs: milliseconds,
  maxMs: milliseconds,
  factor: from1,
  jitter: or("full", jitter),
};

const BUDGET: Checks<RetryBudget> = { maxTokens: above0, tokenRatio: above0 };

const RETRY: Checks<RetryOptions> = {
  maxAttempts: wholeNumber(1),
  codes: listOf("an array of Connect codes, such as Code.Unavailable", isCode),
  methods: listOf('an array of names: "package.Service/Method" or "package.Service"', isMethodName),
  initialBackoffMs: milliseconds,
  maxBackoffMs: milliseconds,
  backoffMultiplier: from1,
  budget: group("an object, { maxTokens, tokenRatio }", "createBalancedTransport()", BUDGET),
};

const TRANSPORT: Checks<BalancedTransportOptions> = {
  resolver: required(makes(
    "a resolver, such as registry.resolver(service) or staticResolver([…])",
    (value) => typeof (value as { resolve?: unknown } | null | undefined)?.resolve === "function",
  )),
  connector: required(makes("a connector, such as grpcConnector() or transportConnector(…)", isFunction)),
  policy: makes("a policy, such as roundRobin()", isFunction),
  interceptors,
  defaultTimeoutMs: milliseconds,
  waitTimeoutMs: milliseconds,
  waitForReady: flag,
  retry: or(false, group("an object or false", "createBalancedTransport()", RETRY)),
  backoff: group("an object, { initialMs, maxMs, factor, jitter }", "createBalancedTransport()", BACKOFF),
  removedStreamGraceMs: milliseconds,
  idleTimeoutMs: milliseconds,
  onEvent: fn("a function, (event) => void"),
  onAttempt: fn("a function, (attempt) => void"),
  clock,
  random,
};

/** @throws TypeError or RangeError that names the option, its value and what is expected. */
export function checkTransportOptions(options: BalancedTransportOptions): void {
  checkOptions("createBalancedTransport()", options, TRANSPORT);
}

/** An AbortSignal. */
export const signal: Check = kind(
  "an AbortSignal",
  (value) => typeof (value as Partial<AbortSignal> | null)?.addEventListener === "function",
);

/** @throws TypeError or RangeError unless the value is a number of milliseconds from 0. */
export function checkGrace(graceMs: number): void {
  if (typeof graceMs !== "number" || Number.isNaN(graceMs)) {
    throw new TypeError(`close() takes a number of milliseconds, not ${String(graceMs)}`);
  }
  if (graceMs < 0) throw new RangeError(`close() takes milliseconds from 0, not ${graceMs}`);
}

function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

function isCode(value: unknown): boolean {
  return typeof value === "number" && Code[value] !== undefined;
}

function isMethodName(value: unknown): boolean {
  return typeof value === "string" && /^[\w.]+(\/\w+)?$/.test(value);
}
