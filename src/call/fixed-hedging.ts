import type { Code } from "@connectrpc/connect";
import { checkOptions, type Checks, made, millisecondsFrom0, required, wholeNumber } from "../option.ts";
import { codes, type FixedHedgingOptions, type MethodHedging } from "../resolver/service-config.ts";
import { CancelGuard } from "./cancel-guard.ts";
import { HedgedAttempts, type HedgingPolicy } from "./hedged-attempts.ts";
import type { CallHedging, HedgedCall, HedgingEnvironment, OneAttempt } from "./hedging.ts";

const CHECKS: Checks<FixedHedgingOptions> = {
  maxAttempts: required(wholeNumber(2)),
  delayMs: millisecondsFrom0,
  nonFatalCodes: codes,
};

/** gRFC A6: more attempts count as so many. */
const MOST_ATTEMPTS = 5;

/**
 * Hedging at fixed intervals (gRFC A6), for methods of a service config: `hedging: fixedHedging({ maxAttempts: 3 })`.
 * The first answer is the call's, and its other attempts are cancelled. Each goes to an endpoint of its own; if none is
 * ready, there are fewer. Hedges draw on the same budget as retries. gRPC: `hedgingPolicy`.
 *
 * @throws TypeError or RangeError if an option is invalid.
 */
export function fixedHedging(options: FixedHedgingOptions): MethodHedging {
  checkOptions("fixedHedging()", options, CHECKS);
  return new FixedHedging(options);
}

made(fixedHedging);

class FixedHedging implements MethodHedging {
  readonly maxAttempts: number;
  readonly delayMs: number;
  readonly nonFatalCodes: readonly Code[];

  constructor({ maxAttempts, delayMs = 0, nonFatalCodes = [] }: FixedHedgingOptions) {
    this.maxAttempts = Math.min(maxAttempts, MOST_ATTEMPTS);
    this.delayMs = delayMs;
    this.nonFatalCodes = [...nonFatalCodes];
  }

  start(env: HedgingEnvironment): FixedCallHedging {
    return new FixedCallHedging(this, env);
  }
}

/** {@link fixedHedging} of one transport's calls. */
export class FixedCallHedging implements CallHedging, HedgingPolicy {
  readonly maxAttempts: number;
  readonly guard: CancelGuard;
  readonly #delayMs: number;
  readonly #throttle: HedgingEnvironment["throttle"];

  constructor({ maxAttempts, delayMs }: MethodHedging, { clock, throttle }: HedgingEnvironment) {
    this.maxAttempts = maxAttempts;
    this.guard = new CancelGuard(clock);
    this.#delayMs = delayMs;
    this.#throttle = throttle;
  }

  covers(): boolean {
    return true;
  }

  run<A>(call: HedgedCall<A>, attempt: OneAttempt, signal: AbortSignal | undefined): Promise<A> {
    return new HedgedAttempts(call, this, signal).start(attempt);
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
