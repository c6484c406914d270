import { Code } from "@connectrpc/connect";
import type { BalancedTransportOptions } from "./transport.ts";

/** @throws TypeError or RangeError that names the option, its value and what is expected. */
export function checkTransportOptions(options: BalancedTransportOptions): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`createBalancedTransport takes an options object, not ${String(options)}`);
  }
  const { resolver, connector, interceptors } = options;
  if (typeof resolver?.resolve !== "function") {
    throw new TypeError("option resolver must be a resolver: registry.resolver(service) or staticResolver([…])");
  }
  if (typeof connector !== "function") {
    throw new TypeError("option connector must be a connector: grpcConnector() or transportConnector(…)");
  }
  for (const name of ["policy", "onEvent", "onAttempt", "random"] as const) {
    const value = options[name];
    if (value !== undefined && typeof value !== "function") {
      throw new TypeError(`option ${name} must be a function, not ${typeof value}`);
    }
  }
  if (interceptors !== undefined && !(Array.isArray(interceptors) && interceptors.every(isFunction))) {
    throw new TypeError("option interceptors must be an array of Connect interceptors");
  }
  checkMilliseconds("defaultTimeoutMs", options.defaultTimeoutMs);
  checkMilliseconds("waitTimeoutMs", options.waitTimeoutMs);
  checkMilliseconds("idleTimeoutMs", options.idleTimeoutMs);
  checkMilliseconds("removedStreamGraceMs", options.removedStreamGraceMs);
  checkBackoff(options.backoff);
  checkRetry(options.retry);
  if (options.waitForReady !== undefined && typeof options.waitForReady !== "boolean") {
    throw new TypeError(`option waitForReady must be a boolean, not ${typeof options.waitForReady}`);
  }
  if (options.clock !== undefined && !(isFunction(options.clock.now) && isFunction(options.clock.timer))) {
    throw new TypeError("option clock must be a clock: { now(), timer(delayMs, callback, hold) }");
  }
}

function checkBackoff(backoff: BalancedTransportOptions["backoff"]): void {
  if (backoff === undefined) return;
  if (typeof backoff !== "object" || backoff === null) {
    throw new TypeError(`option backoff must be an object, not ${String(backoff)}`);
  }
  const { initialMs, maxMs, factor, jitter } = backoff;
  checkMilliseconds("backoff.initialMs", initialMs);
  checkMilliseconds("backoff.maxMs", maxMs);
  if (factor !== undefined && !(typeof factor === "number" && factor >= 1 && factor < Infinity)) {
    throw new RangeError(`option backoff.factor is ${factor}: expected a number from 1`);
  }
  if (jitter !== undefined && jitter !== "full" && !(typeof jitter === "number" && jitter >= 0 && jitter <= 1)) {
    throw new RangeError(`option backoff.jitter is ${jitter}: expected a number from 0 to 1, or "full"`);
  }
}

function checkRetry(retry: BalancedTransportOptions["retry"]): void {
  if (retry === undefined || retry === false) return;
  if (typeof retry !== "object" || retry === null) {
    throw new TypeError(`option retry must be an object or false, not ${String(retry)}`);
  }
  const { maxAttempts, codes, methods, backoffMultiplier, budget } = retry;
  if (maxAttempts !== undefined && !(Number.isInteger(maxAttempts) && maxAttempts >= 1)) {
    throw new RangeError(`option retry.maxAttempts is ${maxAttempts}: expected a whole number above 0`);
  }
  if (codes !== undefined && !(Array.isArray(codes) && codes.every((code) => Code[code] !== undefined))) {
    throw new TypeError("option retry.codes must be an array of Connect codes");
  }
  if (methods !== undefined && !(Array.isArray(methods) && methods.every((name) => typeof name === "string"))) {
    throw new TypeError(
      'option retry.methods must be an array of names: "package.Service/Method" or "package.Service"',
    );
  }
  checkMilliseconds("retry.initialBackoffMs", retry.initialBackoffMs);
  checkMilliseconds("retry.maxBackoffMs", retry.maxBackoffMs);
  if (backoffMultiplier !== undefined && !(typeof backoffMultiplier === "number" && backoffMultiplier >= 1)) {
    throw new RangeError(`option retry.backoffMultiplier is ${backoffMultiplier}: expected a number from 1`);
  }
  if (budget !== undefined && (typeof budget !== "object" || budget === null)) {
    throw new TypeError(`option retry.budget must be an object, not ${String(budget)}`);
  }
  for (const name of ["maxTokens", "tokenRatio"] as const) {
    const value = budget?.[name];
    if (value !== undefined && !(typeof value === "number" && value > 0)) {
      throw new RangeError(`option retry.budget.${name} is ${value}: expected a number above 0`);
    }
  }
}

/** @throws TypeError or RangeError unless the value is undefined or a number of milliseconds above 0. */
export function checkMilliseconds(name: string, value: number | undefined): void {
  if (value === undefined) return;
  if (typeof value !== "number" || Number.isNaN(value)) {
    throw new TypeError(`option ${name} must be a number of milliseconds, not ${String(value)}`);
  }
  if (value <= 0) throw new RangeError(`option ${name} is ${value}: expected milliseconds above 0`);
}

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
