import { fixedHedging } from "../call/fixed-hedging.ts";
import {
  isMethodName,
  type MethodConfig,
  type MethodHedging,
  type MethodRetryOptions,
  type RetryBudget,
  type ServiceConfig,
} from "../resolver/service-config.ts";
import { quoted } from "../option.ts";
import type { JsonValue } from "./json-value.ts";
import { said } from "./said.ts";

/** gRFC A6: more attempts count as so many. */
const MOST_ATTEMPTS = 5;
const LARGEST_UINT32 = 4_294_967_295;

/** What a service config says about calls: `methodConfig` and `retryThrottling`. */
export function callsOf(root: JsonValue): ServiceConfig {
  const methods = new Map<string, MethodConfig>();
  for (const entry of root.field("methodConfig")?.list() ?? []) {
    const config = methodOf(entry);
    for (const item of entry.field("name")?.list() ?? []) {
      const name = nameOf(item);
      if (methods.has(name)) throw item.error(`${quoted(name)} has a config already: names must be unique`);
      methods.set(name, config);
    }
  }
  const throttling = root.field("retryThrottling");
  return {
    // Own properties, also for a service named __proto__.
    ...methods.size > 0 && { methods: Object.fromEntries(methods) },
    ...throttling && { retryBudget: budgetOf(throttling) },
  };
}

/** A name as the keys of `ServiceConfig.methods` are spelled. */
function nameOf(item: JsonValue): string {
  const service = item.field("service")?.text() ?? "", method = item.field("method")?.text() ?? "";
  if (service === "" && method !== "") throw item.error(`has method ${quoted(method)}, but no service`);
  if (service === "") return "*";
  const name = method === "" ? service : `${service}/${method}`;
  if (service.includes("/") || !isMethodName(name)) {
    throw item.error(`${quoted(name)} is not the name of a method or service`);
  }
  return name;
}

function methodOf(entry: JsonValue): MethodConfig {
  for (const name of ["maxRequestMessageBytes", "maxResponseMessageBytes"]) {
    const limit = entry.field(name);
    if (limit === undefined) continue;
    limit.wholeNumber(0, LARGEST_UINT32);
    throw limit.error("limits by method are not supported: use readMaxBytes and writeMaxBytes of the connector");
  }
  const timeout = entry.field("timeout"), waitForReady = entry.field("waitForReady");
  const retry = entry.field("retryPolicy"), hedging = entry.field("hedgingPolicy");
  if (retry && hedging) throw entry.error("has both retryPolicy and hedgingPolicy: expected one of them");
  return {
    ...timeout && { timeoutMs: timeout.durationAbove0Ms() },
    ...waitForReady && { waitForReady: waitForReady.flag() },
    ...retry && { retry: retryOf(retry) },
    ...hedging && { hedging: hedgingOf(hedging) },
  };
}

function retryOf(policy: JsonValue): MethodRetryOptions {
  const multiplier = policy.required("backoffMultiplier").above0();
  const statusCodes = policy.required("retryableStatusCodes"), codes = statusCodes.codes();
  if (codes.length === 0) throw statusCodes.error("is empty");
  return {
    maxAttempts: attemptsOf(policy),
    initialBackoffMs: policy.required("initialBackoff").durationAbove0Ms(),
    maxBackoffMs: policy.required("maxBackoff").durationAbove0Ms(),
    // Pauses that shrink are valid in gRPC; here they stay as they are.
    backoffMultiplier: Math.max(1, multiplier),
    codes,
  };
}

function hedgingOf(policy: JsonValue): MethodHedging {
  return fixedHedging({
    maxAttempts: attemptsOf(policy),
    ...said({
      delayMs: policy.field("hedgingDelay")?.durationMs(),
      nonFatalCodes: policy.field("nonFatalStatusCodes")?.codes(),
    }),
  });
}

function attemptsOf(policy: JsonValue): number {
  return Math.min(policy.required("maxAttempts").wholeNumber(2, LARGEST_UINT32), MOST_ATTEMPTS);
}

function budgetOf(throttling: JsonValue): RetryBudget {
  const maxTokens = throttling.required("maxTokens"), tokenRatio = throttling.required("tokenRatio");
  const tokens = maxTokens.above0(), given = tokenRatio.above0();
  if (tokens > 1_000) throw maxTokens.error(`${tokens} is above 1000`);
  // gRFC A6: further decimals are ignored. Read from its text: 0.001 * 1000 may be below 1.
  const ratio = Number(given.toFixed(9).replace(/(?<=\.\d{3})\d+$/, ""));
  if (ratio === 0) throw tokenRatio.error(`${given} is below 0.001`);
  return { maxTokens: tokens, tokenRatio: ratio };
}
