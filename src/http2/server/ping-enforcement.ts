import type { Clock } from "../../time/clock.ts";
import { ErrorCode, Http2Error } from "../wire/error.ts";
import type { KeepaliveEnforcement } from "./options.ts";

/** gRFC A8: this many PINGs may come too early. */
const MAX_STRIKES = 2;
/** How far apart PINGs must be while there are no calls, if those aren't allowed, in milliseconds: A8's two hours. */
const WITHOUT_CALLS_MS = 7_200_000;

/** Refuses clients that ping too often (gRFC A8), which keeps idle phones awake and servers busy. */
export class PingEnforcement {
  readonly #clock: Clock;
  readonly #minIntervalMs: number;
  readonly #withoutCalls: boolean;
  #strikes = 0;
  #lastAt: number | undefined;
  #doneBefore = 0;

  constructor(clock: Clock, { minPingIntervalMs, pingsWithoutCalls }: KeepaliveEnforcement = {}) {
    this.#clock = clock;
    this.#minIntervalMs = minPingIntervalMs ?? 10_000;
    this.#withoutCalls = pingsWithoutCalls ?? true;
  }

  /**
   * Counts a PING. `done`: a count that grows with whatever was sent or begun for a call since; clients measure
   * bandwidth by PINGs then, so those are free.
   *
   * @throws Http2Error ENHANCE_YOUR_CALM
   */
  pinged(done: number, inUse: boolean): void {
    const leastMs = inUse || this.#withoutCalls ? this.#minIntervalMs : WITHOUT_CALLS_MS;
    const now = this.#clock.now();
    if (this.#doneBefore !== done) this.#strikes = 0;
    else if (this.#lastAt !== undefined && now - this.#lastAt < leastMs) this.#strikes++;
    this.#doneBefore = done;
    this.#lastAt = now;
    // The text by which gRPC's clients know why.
    if (this.#strikes > MAX_STRIKES) throw new Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "too_many_pings");
  }
}
