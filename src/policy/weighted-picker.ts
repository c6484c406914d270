import type { Connection } from "../connection/connection.ts";
import { anyAvailable } from "./any-available.ts";
import { circleOf, CirclePicker, lastOf, startAfter } from "./circle.ts";
import { type CallInfo, type Picker, type PolicyEnvironment, type PolicySnapshot, unavailable } from "./policy.ts";
import { RoundRobinPicker } from "./round-robin.ts";
import { scaledWeights, StrideScheduler } from "./stride-scheduler.ts";
import { boundedWeights, meanWeight } from "./weights.ts";

/** How many picks of the scheduler may turn out to be unavailable, or excluded, before all connections are looked at. */
const TRIES = 16;

/** How many generations there are to begin with. */
const GENERATIONS = 65_535;

/**
 * A picker that gives each connection a share of the calls in proportion to its weight (0: not known), and that goes on
 * where the previous one was. If all weights are the same, it is that of round robin.
 */
export function weightedPicker(
  connections: readonly Connection[],
  weights: readonly number[],
  previous: Picker | undefined,
  env: PolicyEnvironment,
): CirclePicker {
  const circle = circleOf(connections), otherwise = unavailable(connections);
  const last = lastOf(previous), start = startAfter(last, circle, env);
  const bounded = boundedWeights(weights);
  let at = 0;
  const circleWeights = circle.map((connection) => {
    while (connections[at] !== connection) at++;
    return bounded[at]!;
  });
  const scaled = scaledWeights(circleWeights);
  if (scaled === undefined) return new RoundRobinPicker(circle, start, last, otherwise);
  const generation = previous instanceof WeightedPicker
    ? previous.scheduler.generation
    : Math.floor(env.random() * GENERATIONS);
  const scheduler = new StrideScheduler(scaled, start, generation);
  return new WeightedPicker({ circle, weights: circleWeights, scaled, scheduler, last, otherwise, env });
}

/** What a picker works with: a circle of connections, their weights, and where it is. */
interface Weighted {
  readonly circle: readonly Connection[];
  readonly weights: readonly number[];
  readonly scaled: Uint16Array;
  readonly scheduler: StrideScheduler;
  readonly last: Connection | undefined;
  readonly otherwise: "wait" | Error;
  readonly env: PolicyEnvironment;
}

class WeightedPicker extends CirclePicker {
  readonly #circle: readonly Connection[];
  readonly #weighted: Weighted;
  readonly scheduler: StrideScheduler;
  last: Connection | undefined;
  /** The weight in use of each connection, for those who ask. */
  #inUse: Map<Connection, number> | undefined;

  constructor(weighted: Weighted) {
    super();
    this.#weighted = weighted;
    this.#circle = weighted.circle;
    this.scheduler = weighted.scheduler;
    this.last = weighted.last;
  }

  pick(call: CallInfo): Connection | "wait" | Error {
    for (let tries = 0; tries < TRIES; tries++) {
      const connection = this.#circle[this.scheduler.next()]!;
      if (connection.available && !call.excluded(connection)) return this.last = connection;
    }
    const { circle, scaled, otherwise, env } = this.#weighted;
    const connection = anyAvailable(circle, call, env, scaled);
    return connection === undefined ? otherwise : this.last = connection;
  }

  /** Its weight in use, in the units of those that were given. */
  describe(connection: Connection): PolicySnapshot {
    return { weight: (this.#inUse ??= this.#weightsInUse()).get(connection) };
  }

  #weightsInUse(): Map<Connection, number> {
    const { circle, weights } = this.#weighted, mean = meanWeight(weights);
    return new Map(circle.map((connection, i) => [connection, weights[i] === 0 ? mean : weights[i]!]));
  }
}
