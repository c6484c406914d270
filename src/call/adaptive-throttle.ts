import type { DescMethod } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { checkOptions, type Checks, from1, made, milliseconds } from "../option.ts";
import { Slices } from "../time/slices.ts";
import { codeOf } from "./failure.ts";
import { PerMethod } from "./per-method.ts";
import type { CallThrottle, Throttle, ThrottleEnvironment } from "./throttle.ts";

/** When calls are not made, because servers have recently accepted too few (Google's SRE book, "Handling Overload"). */
export interface AdaptiveThrottleOptions {
  /**
   * How many calls are made for each one that is accepted: at 2, servers reject about as many as they accept. Defaults
   * to 2. The SRE book's K.
   */
  readonly k?: number;
  /** How long a call counts, in milliseconds. Defaults to 120,000. */
  readonly windowMs?: number;
}

const CHECKS: Checks<AdaptiveThrottleOptions> = { k: from1, windowMs: milliseconds };

const SLICES = 12;

/** Attempts that end so were not accepted: their servers have too much to do, or are gone. */
const NOT_ACCEPTED: ReadonlySet<Code> = new Set([Code.Unavailable, Code.ResourceExhausted, Code.DeadlineExceeded]);

/** The share of calls to reject, of which so many were requested and accepted. */
export function rejectedShare(requests: number, accepts: number, k: number): number {
  return Math.max(0, (requests - k * accepts) / (requests + 1));
}

/**
 * Rejects calls of a method with a probability that follows from how many of its recent calls were accepted:
 * (requests − k × accepts) / (requests + 1). A rejected call counts as a request, too, so that servers get little more
 * than they accept, however many calls there are.
 *
 * @throws TypeError or RangeError if an option is invalid.
 */
export function adaptiveThrottle(options: AdaptiveThrottleOptions = {}): Throttle {
  checkOptions("adaptiveThrottle()", options, CHECKS);
  return (env) => new AdaptiveThrottle(options, env);
}

made(adaptiveThrottle);

class AdaptiveThrottle implements CallThrottle {
  readonly #k: number;
  readonly #env: ThrottleEnvironment;
  readonly #counts: PerMethod<Counts>;

  constructor({ k = 2, windowMs = 120_000 }: AdaptiveThrottleOptions, env: ThrottleEnvironment) {
    this.#k = k;
    this.#env = env;
    this.#counts = new PerMethod(() => new Counts(windowMs));
  }

  refuses(method: DescMethod): string | undefined {
    const counts = this.#now(method), { requests, accepts } = counts;
    if (this.#env.random() >= rejectedShare(requests, accepts, this.#k)) return undefined;
    counts.request();
    return `servers accepted ${accepts} of the last ${requests} calls of this method`;
  }

  /**
   * Before it has ended, an attempt says nothing: if it counted from its beginning, the first calls of a program would
   * seem to be rejected.
   */
  ended(method: DescMethod, error: unknown): void {
    const counts = this.#now(method);
    counts.request();
    if (error === undefined || !NOT_ACCEPTED.has(codeOf(error))) counts.accept();
  }

  #now(method: DescMethod): Counts {
    const counts = this.#counts.of(method);
    counts.catchUp(this.#env.now());
    return counts;
  }
}

/** How many calls were requested and accepted in a window of time, in memory of a fixed size. */
class Counts {
  requests = 0;
  accepts = 0;
  readonly #time: Slices;
  readonly #requests: number[] = Array.from({ length: SLICES }, () => 0);
  readonly #accepts: number[] = Array.from({ length: SLICES }, () => 0);
  #current = 0;

  constructor(windowMs: number) {
    this.#time = new Slices(windowMs / SLICES, SLICES);
  }

  request(): void {
    this.requests++;
    this.#requests[this.#current]!++;
  }

  accept(): void {
    this.accepts++;
    this.#accepts[this.#current]!++;
  }

  /** Forgets the slices that are too old. */
  catchUp(nowMs: number): void {
    for (let begun = this.#time.begun(nowMs); begun > 0; begun--) {
      this.#current = (this.#current + 1) % SLICES;
      this.requests -= this.#requests[this.#current]!;
      this.accepts -= this.#accepts[this.#current]!;
      this.#requests[this.#current] = this.#accepts[this.#current] = 0;
    }
  }
}
