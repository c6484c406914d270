import type { Connection } from "../connection/connection.ts";
import { checkOptions, type Checks, made, milliseconds, number } from "../option.ts";
import { checkPolicy } from "./check-policy.ts";
import { DecoratingPicker } from "./decorating-picker.ts";
import { defaultPolicy } from "./default-policy.ts";
import { excluding } from "./excluding.ts";
import { isPick } from "./parts.ts";
import type { CallInfo, Picker, PickResult, Policy, PolicyEnvironment, PolicySnapshot } from "./policy.ts";

/** Options of {@link slowStart}. */
export interface SlowStartOptions {
  /** How long an endpoint gets fewer calls after it was connected, in milliseconds. Defaults to 60,000. */
  readonly windowMs?: number;
  /**
   * How the share grows: with 1 in proportion to the time; above, faster at first: with 2 it has half of it after a
   * quarter of the time. Defaults to 1. Envoy's `aggression`.
   */
  readonly aggression?: number;
  /** The share at the beginning, above 0 and below 1. Defaults to 0.1. Envoy's `min_weight_percent`. */
  readonly minShare?: number;
}

const OPTIONS: Checks<SlowStartOptions> = {
  windowMs: milliseconds,
  aggression: number("a number above 0", (value) => value > 0 && value < Infinity),
  minShare: number("a number above 0 and below 1", (value) => value > 0 && value < 1),
};

/** How often a pick is drawn again because the endpoint is new. */
const MOST_REDRAWN = 2;

/**
 * Gives an endpoint that was just connected a growing share of its calls, for servers that have to warm up (caches,
 * compilers); Envoy's slow start. Another policy chooses: `slowStart({ windowMs: 30_000 }, leastRequest())`. The share
 * grows from `minShare` to all of it within `windowMs`, and begins anew when a connection was lost.
 *
 * If all endpoints are new, as after the client's own start, nobody gets fewer.
 *
 * @param policy what chooses. Defaults to the default policy.
 * @throws TypeError or RangeError if an option is invalid.
 */
export function slowStart(options: SlowStartOptions = {}, policy: Policy = defaultPolicy()): Policy {
  checkOptions("slowStart()", options, OPTIONS);
  checkPolicy(policy);
  const { windowMs = 60_000, aggression = 1, minShare = 0.1 } = options;
  const shareOf = (ageMs: number) => Math.max(minShare, Math.min(1, ageMs / windowMs) ** (1 / aggression));
  return (connections, previous, env) => {
    const before = previous instanceof SlowStartPicker ? previous : undefined;
    const now = env.now(), since = new Map<Connection, number>();
    for (const connection of connections) {
      if (connection.state === "ready") since.set(connection, before?.since.get(connection) ?? now);
    }
    const inner = policy(connections, before?.inner, env);
    return new SlowStartPicker(inner, env, since, shareOf, windowMs);
  };
}

made(slowStart);

class SlowStartPicker extends DecoratingPicker {
  /** When each connection became ready. */
  readonly since: ReadonlyMap<Connection, number>;
  readonly #env: PolicyEnvironment;
  readonly #shareOf: (ageMs: number) => number;
  /** When none is new any more. */
  #untilMs: number;

  constructor(
    inner: Picker,
    env: PolicyEnvironment,
    since: ReadonlyMap<Connection, number>,
    shareOf: (ageMs: number) => number,
    windowMs: number,
  ) {
    super(inner);
    this.since = since;
    this.#env = env;
    this.#shareOf = shareOf;
    let oldest = Infinity, newest = -Infinity;
    for (const at of since.values()) {
      oldest = Math.min(oldest, at);
      newest = Math.max(newest, at);
    }
    // Those that began at the same time share alike.
    this.#untilMs = oldest === newest ? -Infinity : newest + windowMs;
  }

  pick(call: CallInfo): Connection | PickResult | "wait" | Error {
    const picked = this.inner.pick(call);
    if (this.#untilMs === -Infinity || !isPick(picked)) return picked;
    const now = this.#env.now();
    if (now >= this.#untilMs) this.#untilMs = -Infinity;
    return this.#isHeldBack(picked, now) ? this.#pickAgain(call, picked, now) : picked;
  }

  #isHeldBack(picked: Connection | PickResult, now: number): boolean {
    const since = this.since.get("connection" in picked ? picked.connection : picked);
    return since !== undefined && this.#env.random() >= this.#shareOf(now - since);
  }

  #pickAgain(call: CallInfo, first: Connection | PickResult, now: number): Connection | PickResult {
    const passed: unknown[] = [];
    for (let picked = first; passed.length < MOST_REDRAWN;) {
      passed.push("connection" in picked ? picked.connection : picked);
      const next = this.inner.pick(excluding(call, (connection) => passed.includes(connection)));
      // There is no other: better a new one than none.
      if (!isPick(next)) return picked;
      if (!this.#isHeldBack(next, now)) return next;
      picked = next;
    }
    return first;
  }

  override describe(connection: Connection): PolicySnapshot | undefined {
    const inner = super.describe(connection), since = this.since.get(connection);
    if (since === undefined || this.#untilMs === -Infinity) return inner;
    return { ...inner, slowStartShare: this.#shareOf(this.#env.now() - since) };
  }
}
