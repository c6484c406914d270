import {
  type CallOptions,
  type ContextKey,
  type ContextValues,
  createContextKey,
  createContextValues,
} from "@connectrpc/connect";
import { checkOptions, type Checks, flag, fn, givenOf, kind, quoted } from "../option.ts";
import type { Attempt } from "./observer.ts";

/** Settings of one call for the balancer. */
export interface BalanceSettings {
  /**
   * Whether the call waits for a connection to become ready, as long as its timeout and the transport's `waitTimeoutMs`
   * allow, instead of failing immediately when every endpoint is failing or there are none. Defaults to the transport's
   * setting. gRPC's wait-for-ready.
   */
  readonly waitForReady?: boolean;
  /**
   * Calls with the same key go to the same endpoint, if the transport's policy is one that hashes, such as `ringHash()`;
   * for example the id of a user or of what is cached. It is not sent to the server. Defaults to none: the policy takes
   * a header as the key, or chooses at random.
   */
  readonly hashKey?: string;
  /** Called for each attempt when it has ended; for a stream, when its last message was read. */
  readonly onAttempt?: (attempt: Attempt) => void;
}

/** The context key that carries a call's settings to the balancer. */
export const balanceKey: ContextKey<BalanceSettings | undefined> = createContextKey<BalanceSettings | undefined>(
  undefined,
  { description: "connect-lb: settings of one call" },
);

const SETTINGS: Checks<BalanceSettings> = {
  waitForReady: flag,
  hashKey: kind("a string", (value) => typeof value === "string"),
  onAttempt: fn("a function, (attempt) => void"),
};

/**
 * Adds settings for the balancer to call options:
 * `client.route(request, balance({ waitForReady: true }, { timeoutMs: 500 }))`. Options, context values and balancer
 * settings already in `callOptions` are kept, and `callOptions` is not modified; where both set a value, `settings`
 * wins.
 *
 * @throws TypeError for settings of the wrong type, or unknown ones.
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
