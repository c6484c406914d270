import type { DescMethod } from "@bufbuild/protobuf";
import type { PickerSource } from "../balancer/picker-source.ts";
import type { MethodConfig, RetryBudget, ServiceConfig } from "../resolver/service-config.ts";
import { type RetryOptions, RetryPolicy, safeMethods } from "./retry.ts";
import { RetryThrottle } from "./retry-throttle.ts";

/** What applies to the calls of one method. A hedging policy belongs here, beside `retry`. */
export interface MethodSettings {
  /** The timeout of calls without one, in milliseconds; undefined: none. */
  readonly timeoutMs: number | undefined;
  /** The longest timeout of calls with one, in milliseconds. */
  readonly maxTimeoutMs: number;
  readonly waitForReady: boolean;
  /** Undefined: calls are retried only where that is always safe. */
  readonly retry: RetryPolicy | undefined;
}

/** A transport's options about settings. What the service config leaves open is as they say. */
export interface SettingsOptions {
  readonly defaultTimeoutMs?: number | undefined;
  readonly waitForReady?: boolean | undefined;
  readonly retry?: RetryOptions | false | undefined;
  readonly defaultServiceConfig?: ServiceConfig | undefined;
  readonly random: () => number;
}

/** The settings of a transport's calls, by method: from the resolver's service config, or else the default one. */
export class Settings {
  /** Shared by all calls, under whichever config they began. Undefined: nothing is retried that may do harm. */
  readonly throttle: RetryThrottle | undefined;
  readonly #budget: RetryBudget;
  readonly #random: () => number;
  readonly #defaults: MethodSettings;
  readonly #defaultConfig: ServiceConfig | undefined;
  #config: ServiceConfig | undefined;
  #byName: ReadonlyMap<string, MethodSettings> | undefined;
  #byMethod = new WeakMap<DescMethod, MethodSettings>();

  constructor({ defaultTimeoutMs, waitForReady = false, retry = {}, defaultServiceConfig, random }: SettingsOptions) {
    this.#random = random;
    this.#defaultConfig = defaultServiceConfig;
    this.#budget = retry === false ? {} : retry.budget ?? {};
    const throttle = this.throttle = retry === false ? undefined : new RetryThrottle(this.#budget);
    this.#defaults = {
      timeoutMs: defaultTimeoutMs,
      maxTimeoutMs: Infinity,
      waitForReady,
      retry: retry === false || throttle === undefined
        ? undefined
        : new RetryPolicy(retry, safeMethods(retry.methods), throttle, random),
    };
  }

  /** The settings of a method now that a source has this config. Every call asks: without a config, it costs little. */
  of(method: DescMethod, resolved: PickerSource["config"]): MethodSettings {
    const config = typeof resolved === "object" ? resolved : this.#defaultConfig;
    if (config !== this.#config) this.#adopt(config);
    if (this.#byName === undefined) return this.#defaults;
    let settings = this.#byMethod.get(method);
    if (settings === undefined) this.#byMethod.set(method, settings = this.#find(method, this.#byName));
    return settings;
  }

  #find({ parent: { typeName }, name }: DescMethod, byName: ReadonlyMap<string, MethodSettings>): MethodSettings {
    return byName.get(`${typeName}/${name}`) ?? byName.get(typeName) ?? byName.get("*") ?? this.#defaults;
  }

  #adopt(config: ServiceConfig | undefined): void {
    this.#config = config;
    const entries = Object.entries(config?.methods ?? {});
    this.#byName = entries.length === 0
      ? undefined
      : new Map(entries.map(([name, given]) => [name, this.#read(given)]));
    this.#byMethod = new WeakMap();
    this.throttle?.configure(config?.retryBudget ?? this.#budget);
  }

  #read({ timeoutMs, waitForReady, retry }: MethodConfig): MethodSettings {
    const { throttle } = this, defaults = this.#defaults;
    return {
      timeoutMs: timeoutMs ?? defaults.timeoutMs,
      maxTimeoutMs: timeoutMs ?? Infinity,
      waitForReady: waitForReady ?? defaults.waitForReady,
      retry: retry === undefined
        ? defaults.retry
        : retry === false || throttle === undefined
        ? undefined
        : new RetryPolicy(retry, () => true, throttle, this.#random),
    };
  }
}
