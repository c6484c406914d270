import type { DescMethod } from "@bufbuild/protobuf";
import { type Checks, listOf, millisecondsFrom0, number, wholeNumber } from "../option.ts";
import { isMethodName, type MethodHedgingOptions, type MethodRetryOptions } from "../resolver/service-config.ts";
import type { Clock } from "../time/clock.ts";
import { LatencyWindow } from "./latency-window.ts";
import { PerMethod } from "./per-method.ts";
import { safeMethods } from "./retry.ts";
import type { RetryThrottle } from "./retry-throttle.ts";

/**
 * Decides when a call whose attempt has not been answered yet sends another one beside it. `HedgedAttempts` makes these
 * attempts; what follows a failed one is decided by the call's retry policy.
 */
export interface HedgingPolicy {
  /** The most attempts per call that are answered or may have been processed, including the first. */
  readonly maxAttempts: number;
  /** Whether calls of the method are hedged. */
  covers(method: DescMethod): boolean;
  /** A call begins. Returns how long it waits before each further attempt, in milliseconds; undefined: it makes none. */
  begin(method: DescMethod): number | undefined;
  /** Whether a hedge may be sent now. */
  readonly allows: boolean;
  /** A hedge was sent. */
  sent(): void;
  /** A call that has sent hedges was answered; `won`: by one of them. */
  raced(won: boolean): void;
  /** The first attempt of a call was answered, or has not been answered for so long. */
  took(method: DescMethod, latencyMs: number): void;
}

/** gRFC A6: more attempts count as so many. */
const MOST_ATTEMPTS = 5;

/** gRFC A6: further attempts at fixed intervals. */
export class FixedHedging implements HedgingPolicy {
  readonly maxAttempts: number;
  readonly #delayMs: number;
  readonly #throttle: RetryThrottle;

  constructor({ maxAttempts, delayMs = 0 }: MethodHedgingOptions, throttle: RetryThrottle) {
    this.maxAttempts = Math.min(maxAttempts, MOST_ATTEMPTS);
    this.#delayMs = delayMs;
    this.#throttle = throttle;
  }

  covers(): boolean {
    return true;
  }

  begin(): number {
    return this.#delayMs;
  }

  get allows(): boolean {
    return this.#throttle.allows;
  }

  sent(): void {}
  raced(): void {}
  took(): void {}
}

/** What follows an attempt of such a call that failed when no other was in flight: the next one at once, if there is one left. */
export function retriesOf({ maxAttempts, nonFatalCodes = [] }: MethodHedgingOptions): MethodRetryOptions {
  return { maxAttempts: Math.min(maxAttempts, MOST_ATTEMPTS), codes: nonFatalCodes, initialBackoffMs: 0 };
}

/** When a call that takes unusually long is sent to another endpoint as well (Dean and Barroso, "The Tail at Scale"). */
export interface HedgeOptions {
  /**
   * The largest share of calls, above 0 and up to 0.5, that hedges may add. A call is hedged once it has taken longer
   * than all but this share of the method's recent calls. Defaults to 0.02: the slowest 2 %.
   */
  readonly extraLoad?: number;
  /** The most attempts per call, including the first. Defaults to 2. */
  readonly maxAttempts?: number;
  /** The shortest time after which a call is hedged, in milliseconds. Defaults to 1. */
  readonly minDelayMs?: number;
  /**
   * Methods that may be processed twice although the schema does not mark them as `IDEMPOTENT` or `NO_SIDE_EFFECTS`:
   * `"proto.Simple/Route"`, or `"proto.Simple"` for a whole service.
   */
  readonly methods?: readonly string[];
}

/** The checks of {@link HedgeOptions}. */
export const HEDGE: Checks<HedgeOptions> = {
  extraLoad: number("a number above 0, up to 0.5", (value) => value > 0 && value <= 0.5),
  maxAttempts: wholeNumber(2),
  minDelayMs: millisecondsFrom0,
  methods: listOf('an array of names: "package.Service/Method" or "package.Service"', isMethodName),
};

/** The most hedges that are saved up for bad times. */
const MOST_TOKENS = 10;

/** About how many of the latest hedges say whether hedging helps. */
const RECENT = 20;
/** If fewer than this share of them were answered first, only this share of hedges is sent: enough to notice when it helps again. */
const LEAST_WON = 0.1;

/** What adaptive hedging needs from its transport. */
export interface AdaptiveHedgingHost {
  readonly throttle: RetryThrottle;
  readonly clock: Clock;
  readonly random: () => number;
}

/**
 * Hedges the slowest calls, whatever slow is: the delay follows the latencies of each method, and hedges never add more
 * than their share of the calls. It stops where hedges are not answered first: if all servers are slow, they only add
 * load.
 */
export class AdaptiveHedging implements HedgingPolicy {
  readonly maxAttempts: number;
  readonly covers: (method: DescMethod) => boolean;
  readonly #extraLoad: number;
  readonly #minDelayMs: number;
  readonly #host: AdaptiveHedgingHost;
  readonly #latencies = new PerMethod(() => new LatencyWindow());
  /** How many hedges may be sent, in fractions: each call adds its share. */
  #tokens = 0;
  /** The share of recent hedges that were answered first. */
  #won = 1;

  constructor({ extraLoad = 0.02, maxAttempts = 2, minDelayMs = 1, methods }: HedgeOptions, host: AdaptiveHedgingHost) {
    this.maxAttempts = maxAttempts;
    this.covers = safeMethods(methods);
    this.#extraLoad = extraLoad;
    this.#minDelayMs = minDelayMs;
    this.#host = host;
  }

  begin(method: DescMethod): number | undefined {
    this.#tokens = Math.min(MOST_TOKENS, this.#tokens + this.#extraLoad);
    const delayMs = this.#latencies.of(method).exceededBy(this.#extraLoad, this.#host.clock.now());
    // Timers would cut off a fraction.
    return delayMs === undefined ? undefined : Math.ceil(Math.max(this.#minDelayMs, delayMs));
  }

  get allows(): boolean {
    const { throttle, random } = this.#host;
    return this.#tokens >= 1 && throttle.allows && (this.#won >= LEAST_WON || random() < LEAST_WON);
  }

  sent(): void {
    this.#tokens--;
  }

  raced(won: boolean): void {
    this.#won += ((won ? 1 : 0) - this.#won) / RECENT;
  }

  took(method: DescMethod, latencyMs: number): void {
    this.#latencies.of(method).add(latencyMs, this.#host.clock.now());
  }
}
