import type { DescMethod } from "@bufbuild/protobuf";
import type { PickerSource } from "../balancer/picker-source.ts";
import type { Clock } from "../time/clock.ts";
import type { CallHedging, Hedging, HedgingEnvironment } from "./hedging.ts";
import type {
  MethodConfig,
  MethodHedging,
  MethodRetryOptions,
  RetryBudget,
  ServiceConfig,
} from "../resolver/service-config.ts";
import { type RetryOptions, RetryPolicy, safeMethods } from "./retry.ts";
import { DEFAULT_BUDGET, RetryThrottle } from "./retry-throttle.ts";

/** Who says how long a call may take. */
export type TimeoutSource = "the call" | "defaultTimeoutMs" | "defaultServiceConfig" | "the service config";

/** What applies to the calls of one method. */
export interface MethodSettings {
  /** The timeout of calls without one, in milliseconds; undefined: none. */
  readonly timeoutMs: number | undefined;
  /** Where that comes from; undefined without a timeout. */
  readonly timeoutFrom: TimeoutSource | undefined;
  /** The longest timeout of calls with one, in milliseconds. */
  readonly maxTimeoutMs: number;
  readonly waitForReady: boolean;
  /** Undefined: calls are retried only where that is always safe. */
  readonly retry: RetryPolicy | undefined;
  /** Undefined: calls have one attempt at a time. */
  readonly hedging: CallHedging | undefined;
}

/** A transport's options about settings. What the service config leaves open is as they say. */
export interface SettingsOptions {
  readonly defaultTimeoutMs?: number | undefined;
  readonly waitForReady?: boolean | undefined;
  readonly retry?: RetryOptions | false | undefined;
  readonly hedge?: Hedging | undefined;
  readonly defaultServiceConfig?: ServiceConfig | undefined;
  readonly clock: Clock;
  readonly random: () => number;
}

/** What a config has for some methods, and what it means unless the config is untrusted. */
interface Entry {
  readonly given: MethodConfig;
  readonly settings: MethodSettings;
}

/** The settings of a transport's calls, by method: from the resolver's service config, or else the default one. */
export class Settings {
  /** Shared by all calls, under whichever config they began. Undefined: nothing is sent twice that may do harm. */
  readonly throttle: RetryThrottle | undefined;
  readonly #budget: RetryBudget;
  readonly #env: HedgingEnvironment;
  /** Whether the transport's options allow retries. */
  readonly #repeats: boolean;
  readonly #defaults: MethodSettings;
  readonly #defaultConfig: ServiceConfig | undefined;
  /** Whether a method may be processed twice, whatever a config says. */
  readonly #isSafe: (method: DescMethod) => boolean;
  #config: ServiceConfig | undefined;
  #byName: ReadonlyMap<string, Entry> | undefined;
  #byMethod = new WeakMap<DescMethod, MethodSettings>();

  constructor(options: SettingsOptions) {
    const { defaultTimeoutMs, waitForReady = false, retry = {}, hedge, defaultServiceConfig, clock, random } = options;
    this.#defaultConfig = defaultServiceConfig;
    this.#budget = retry === false ? {} : retry.budget ?? {};
    const throttle = new RetryThrottle(this.#budget);
    this.#env = { clock, random, throttle };
    this.#isSafe = safeMethods(retry === false ? [] : retry.methods);
    if (retry !== false || hedge !== undefined) this.throttle = throttle;
    this.#repeats = retry !== false;
    this.#defaults = {
      timeoutMs: defaultTimeoutMs,
      timeoutFrom: defaultTimeoutMs === undefined ? undefined : "defaultTimeoutMs",
      maxTimeoutMs: Infinity,
      waitForReady,
      retry: retry === false ? undefined : new RetryPolicy(retry, this.#isSafe, throttle, random),
      hedging: hedge?.(this.#env),
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

  #find(method: DescMethod, byName: ReadonlyMap<string, Entry>): MethodSettings {
    const { parent: { typeName }, name } = method;
    const entry = byName.get(`${typeName}/${name}`) ?? byName.get(typeName) ?? byName.get("*");
    if (entry === undefined) return this.#defaults;
    return this.#config?.untrusted === true ? this.#readUntrusted(entry.given, method) : entry.settings;
  }

  #adopt(config: ServiceConfig | undefined): void {
    this.#config = config;
    const entries = Object.entries(config?.methods ?? {});
    this.#byName = entries.length === 0
      ? undefined
      : new Map(entries.map(([name, given]) => [name, { given, settings: this.#read(given) }]));
    this.#byMethod = new WeakMap();
    const own = this.#budget, given = config?.retryBudget;
    this.throttle?.configure(
      given === undefined ? own : config?.untrusted === true ? smallerBudget(own, given) : given,
    );
  }

  #read({ timeoutMs, waitForReady, retry, hedging }: MethodConfig): MethodSettings {
    const defaults = this.#defaults;
    const from = this.#config === this.#defaultConfig ? "defaultServiceConfig" : "the service config";
    return {
      timeoutMs: timeoutMs ?? defaults.timeoutMs,
      timeoutFrom: timeoutMs === undefined ? defaults.timeoutFrom : from,
      maxTimeoutMs: timeoutMs ?? Infinity,
      waitForReady: waitForReady ?? defaults.waitForReady,
      ...this.#repetition(retry, hedging),
    };
  }

  #readUntrusted({ timeoutMs, retry, hedging }: MethodConfig, method: DescMethod): MethodSettings {
    const defaults = this.#defaults, allowed = this.#isSafe(method);
    const settings = this.#read({
      ...timeoutMs !== undefined && { timeoutMs },
      ...retry !== undefined && (allowed || retry === false) && { retry },
      ...hedging !== undefined && (allowed || hedging === false) && { hedging },
    });
    if (timeoutMs === undefined) return settings;
    return { ...settings, timeoutMs: Math.min(timeoutMs, defaults.timeoutMs ?? Infinity) };
  }

  /** What a config says about retries and hedges. Not even a config brings them to a transport that never retries. */
  #repetition(
    retry: MethodConfig["retry"],
    hedging: MethodConfig["hedging"],
  ): Pick<MethodSettings, "retry" | "hedging"> {
    const { throttle } = this, defaults = this.#defaults;
    const inherited = hedging === false ? undefined : defaults.hedging;
    if (!this.#repeats || throttle === undefined) return { retry: undefined, hedging: inherited };
    const policy = (options: MethodRetryOptions) => new RetryPolicy(options, () => true, throttle, this.#env.random);
    if (typeof hedging === "object") {
      const { maxAttempts, nonFatalCodes: codes } = hedging;
      // What follows an attempt that failed when no other was in flight: the next one at once, if there is one left.
      return { retry: policy({ maxAttempts, codes, initialBackoffMs: 0 }), hedging: hedgingOf(hedging, this.#env) };
    }
    const own = retry === false ? undefined : retry === undefined ? defaults.retry : policy(retry);
    return { retry: own, hedging: inherited };
  }
}

/** To configs, which stand below calls, the code that they carry is unknown. */
function hedgingOf(value: MethodHedging, env: HedgingEnvironment): CallHedging {
  return value.start(env as never) as CallHedging;
}

/** The budget of a config that may only allow less. */
function smallerBudget(own: RetryBudget, given: RetryBudget): RetryBudget {
  const least = (name: keyof RetryBudget, otherwise: number) =>
    Math.min(own[name] ?? otherwise, given[name] ?? Infinity);
  return {
    maxTokens: least("maxTokens", DEFAULT_BUDGET.maxTokens),
    tokenRatio: least("tokenRatio", DEFAULT_BUDGET.tokenRatio),
  };
}
