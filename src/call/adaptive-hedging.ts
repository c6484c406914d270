import type { DescMethod } from "@bufbuild/protobuf";
import { checkOptions, type Checks, listOf, made, millisecondsFrom0, number, wholeNumber } from "../option.ts";
import { isMethodName } from "../resolver/service-config.ts";
import { CancelGuard } from "./cancel-guard.ts";
import { HedgedAttempts, type HedgingPolicy } from "./hedged-attempts.ts";
import type { CallHedging, HedgedCall, Hedging, HedgingEnvironment, OneAttempt } from "./hedging.ts";
import { LatencyWindow } from "./latency-window.ts";
import { PerMethod } from "./per-method.ts";
import { safeMethods } from "./retry.ts";

/** When a call that takes unusually long is sent to another endpoint as well (Dean and Barroso, "The Tail at Scale"). */
export interface HedgingOptions {
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

const CHECKS: Checks<HedgingOptions> = {
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

/**
 * Sends a call that takes unusually long to another endpoint as well, whose answer is used if it is first:
 * `hedge: hedging()`. Where hedges are not answered first, because all servers are slow, they become rare.
 *
 * @throws TypeError or RangeError if an option is invalid.
 */
export function hedging(options: HedgingOptions = {}): Hedging {
  checkOptions("hedging()", options, CHECKS);
  return (env) => new AdaptiveHedging(options, env);
}

made(hedging);

/**
 * Hedges the slowest calls, whatever slow is: the delay follows the latencies of each method, and hedges never add more
 * than their share of the calls. It stops where hedges are not answered first: if all servers are slow, they only add
 * load.
 */
export class AdaptiveHedging implements CallHedging, HedgingPolicy {
  readonly maxAttempts: number;
  readonly covers: (method: DescMethod) => boolean;
  readonly guard: CancelGuard;
  readonly #extraLoad: number;
  readonly #minDelayMs: number;
  readonly #env: HedgingEnvironment;
  readonly #latencies = new PerMethod(() => new LatencyWindow());
  /** How many hedges may be sent, in fractions: each call adds its share. */
  #tokens = 0;
  /** The share of recent hedges that were answered first. */
  #won = 1;

  constructor({ extraLoad = 0.02, maxAttempts = 2, minDelayMs = 1, methods }: HedgingOptions, env: HedgingEnvironment) {
    this.maxAttempts = maxAttempts;
    this.covers = safeMethods(methods);
    this.guard = new CancelGuard(env.clock);
    this.#extraLoad = extraLoad;
    this.#minDelayMs = minDelayMs;
    this.#env = env;
  }

  run<A>(call: HedgedCall<A>, attempt: OneAttempt, signal: AbortSignal | undefined): Promise<A> {
    return new HedgedAttempts(call, this, signal).start(attempt);
  }

  begin(method: DescMethod): number | undefined {
    this.#tokens = Math.min(MOST_TOKENS, this.#tokens + this.#extraLoad);
    const delayMs = this.#latencies.of(method).exceededBy(this.#extraLoad, this.#env.clock.now());
    // Timers would cut off a fraction.
    return delayMs === undefined ? undefined : Math.ceil(Math.max(this.#minDelayMs, delayMs));
  }

  get allows(): boolean {
    const { throttle, random } = this.#env;
    return this.#tokens >= 1 && throttle.allows && (this.#won >= LEAST_WON || random() < LEAST_WON);
  }

  sent(): void {
    this.#tokens--;
  }

  raced(won: boolean): void {
    this.#won += ((won ? 1 : 0) - this.#won) / RECENT;
  }

  took(method: DescMethod, latencyMs: number): void {
    this.#latencies.of(method).add(latencyMs, this.#env.clock.now());
  }
}
