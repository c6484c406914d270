import type { Connection } from "../connection/connection.ts";
import { checkOptions, type Checks, made, wholeNumber } from "../option.ts";
import { type ChoiceOptions, ChoicePicker } from "./choice-picker.ts";
import { circleOf, connectAll } from "./circle.ts";
import { type Policy, unavailable } from "./policy.ts";
import { registeredWeights } from "./registered-weights.ts";

/** Options of {@link leastRequest}. */
export interface LeastRequestOptions {
  /**
   * How many endpoints are compared for each call, from 2; above 10 counts as 10. Defaults to 2. gRPC's `choiceCount`.
   */
  readonly choices?: number;
}

const OPTIONS: Checks<LeastRequestOptions> = { choices: /* @__PURE__ */ wholeNumber(2) };

/** The most endpoints that are compared if there are many (gRFC A48). */
const MOST_CHOICES = 10;

/** So few endpoints are all compared: it costs nothing, and evens out better. */
const FEW = 8;

/**
 * Each call goes to the endpoint with the fewest calls in flight of a few that are drawn at random; gRPC's
 * `least_request` (gRFC A48). A slow server has more calls in flight, and gets fewer new ones. What counts are this
 * transport's own calls, streams included.
 *
 * Other than in gRPC, no endpoint is drawn twice for one call; up to 8 endpoints are all compared, with ties decided at
 * random; and weights count: an endpoint of twice the weight gets twice the calls while all are equally fast, and may
 * have twice as many in flight.
 *
 * @throws TypeError or RangeError if an option is invalid.
 */
export function leastRequest(options: LeastRequestOptions = {}): Policy {
  checkOptions("leastRequest()", options, OPTIONS);
  const choiceCount = Math.min(options.choices ?? 2, MOST_CHOICES);
  return (connections, _, { random }) => {
    connectAll(connections);
    const circle = circleOf(connections);
    return new LeastRequestPicker({
      connections: circle,
      weights: registeredWeights(circle),
      compared: circle.length <= FEW ? FEW : choiceCount,
      random,
      otherwise: unavailable(connections),
    });
  };
}

made(leastRequest);

/** The picker of {@link leastRequest}. */
class LeastRequestPicker extends ChoicePicker {
  readonly #weights: readonly number[] | undefined;
  readonly #random: () => number;
  /** Whether all are compared, so that heavier ones are not drawn more often. */
  readonly #all: boolean;

  constructor(options: ChoiceOptions) {
    super(options);
    this.#weights = options.weights;
    this.#random = options.random;
    this.#all = options.compared >= options.connections.length;
  }

  protected costOf({ inFlight }: Connection, index: number): number {
    if (this.#weights === undefined) return inFlight;
    // The new call counts as one on average, exponentially distributed: of endpoints that are idle, each is the least
    // with a probability in proportion to its weight. With exactly one, the heaviest would always be.
    const added = this.#all ? -Math.log(1 - this.#random()) : 0;
    return (inFlight + added) / this.#weights[index]!;
  }
}
