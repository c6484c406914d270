import type { DescMethod } from "@bufbuild/protobuf";
import {
  type CallOptions,
  type Code,
  type ContextKey,
  type ContextValues,
  createContextKey,
  createContextValues,
} from "@connectrpc/connect";
import type { AttemptEnd } from "../connection/mark.ts";
import type { Endpoint } from "../endpoint.ts";
import { checkOptions, type Checks, flag, fn, givenOf, quoted } from "../option.ts";

/** What one call asks of the balancer. */
export interface BalanceSettings {
  /**
   * Whether the call waits for a connection to become ready, as long as its timeout and the transport's `waitTimeoutMs`
   * allow, instead of failing at once when every endpoint is failing or there is none. Defaults to the transport's
   * setting. gRPC's wait-for-ready.
   */
  readonly waitForReady?: boolean;
  /** Called for each attempt when it has ended; for a stream, when its last message was read. */
  readonly onAttempt?: (attempt: Attempt) => void;
}

/** One try of a call on one connection, when it has ended. */
export interface Attempt {
  /** Where it went. */
  readonly endpoint: Endpoint;
  /** What was called; `method.parent.typeName` is the service. */
  readonly method: DescMethod;
  /** 1 for the first attempt of a call. */
  readonly number: number;
  /** How it ended, in terms of what may be done about it. */
  readonly end: AttemptEnd;
  /** The code of the error it ended with; undefined for success. Canceled for a stream that its reader gave up. */
  readonly code?: Code;
  /** The error it ended with; undefined for success. */
  readonly error?: unknown;
  /** From its beginning to its end, in milliseconds. */
  readonly latencyMs: number;
}

/** The one context key through which a call's settings reach the balancer. */
export const balanceKey: ContextKey<BalanceSettings | undefined> = createContextKey<BalanceSettings | undefined>(
  undefined,
  { description: "connect-lb: settings of one call" },
);

const SETTINGS: Checks<BalanceSettings> = { waitForReady: flag, onAttempt: fn("a function, (attempt) => void") };

/**
 * Call options with settings for the balancer: `client.route(request, balance({ waitForReady: true }, { timeoutMs: 500 }))`.
 * Options, context values and settings of the balancer in `callOptions` are kept, and not changed; where both say
 * something, `settings` wins.
 *
 * @throws TypeError for settings of the wrong type, or that there are none of.
 */
export function balance(settings: BalanceSettings, callOptions: CallOptions = {}): CallOptions {
  checkOptions("balance()", settings, SETTINGS);
  if (typeof callOptions !== "object" || callOptions === null) {
    throw new TypeError(`balance() takes Connect's call options, not ${quoted(callOptions)}`);
  }
  const inner = callOptions.contextValues ?? createContextValues();
  if (typeof inner.get !== "function") {
    throw new TypeError(`balance() takes Connect's call options with contextValues, not ${quoted(inner)}`);
  }
  const before = inner.get(balanceKey);
  const all = before === undefined ? settings : { ...before, ...givenOf(settings, Object.keys(SETTINGS)) };
  const contextValues: ContextValues = {
    get: <T>(key: ContextKey<T>): T => (key.id === balanceKey.id ? all as T : inner.get(key)),
    set(key, value) {
      inner.set(key, value);
      return contextValues;
    },
    delete(key) {
      inner.delete(key);
      return contextValues;
    },
  };
  return { ...callOptions, contextValues };
}
