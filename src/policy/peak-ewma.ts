import type { Connection, Outcome } from "../connection/connection.ts";
import { checkOptions, type Checks, made, milliseconds, millisecondsFrom0 } from "../option.ts";
import { type ChoiceOptions, ChoicePicker } from "./choice-picker.ts";
import { circleOf, connectAll } from "./circle.ts";
import { Latency, type LatencySettings } from "./latency.ts";
import { type Policy, type PolicyEnvironment, type PolicySnapshot, unavailable } from "./policy.ts";
import { registeredWeights } from "./registered-weights.ts";

/** Options of {@link peakEwma}. */
export interface PeakEwmaOptions {
  /**
   * After how many milliseconds what a server's calls took counts for 1/e: sooner forgotten, sooner tried again.
   * Defaults to 10,000, as in Finagle and Linkerd.
   */
  readonly decayMs?: number;
  /**
   * How many milliseconds a failed call counts for at least, or as many as it had left, if that is less. Otherwise a
   * server that fails at once would look like the fastest. Defaults to 1,000.
   */
  readonly penaltyMs?: number;
}

const OPTIONS: Checks<PeakEwmaOptions> = { decayMs: milliseconds, penaltyMs: millisecondsFrom0 };

/** How many endpoints are compared for each call. */
const CHOICES = 2;

/**
 * Of two endpoints drawn at random, each call goes to the one where it is likely to end sooner: the one with the lower
 * (latency × (calls in flight + 1)); `peak_ewma` of Finagle and Linkerd. The latency is a moving average that follows
 * peaks at once and decays while nothing is heard, so a slow server is tried again from time to time. A server that
 * nothing is known about gets one call before the others know more.
 *
 * For a stream, the time until the response headers counts. A call that its caller gives up, or whose deadline passes,
 * counts for the time that it took, if that is more than the latency known. A failure (Unavailable, Internal, Unknown,
 * DataLoss, ResourceExhausted, or DeadlineExceeded with time left) enters the average as if it had taken `penaltyMs`, or
 * twice the latency, and counts for more if others came right before it: a few in a thousand cost their server a few
 * calls, and a server that only fails gets hardly any.
 *
 * Weights count: a server of twice the weight is drawn twice as often, and preferred up to twice the latency.
 *
 * @throws TypeError or RangeError if an option is invalid.
 */
export function peakEwma(options: PeakEwmaOptions = {}): Policy {
  checkOptions("peakEwma()", options, OPTIONS);
  const { decayMs = 10_000, penaltyMs = 1_000 } = options;
  const settings: LatencySettings = { decayMs, penaltyMs };
  return (connections, previous, env) => {
    connectAll(connections);
    const circle = circleOf(connections);
    const known = previous instanceof PeakEwmaPicker && previous.settings === settings
      ? previous.known
      : new WeakMap<Connection, Latency>();
    return new PeakEwmaPicker({ settings, known, env }, {
      connections: circle,
      weights: registeredWeights(circle),
      compared: CHOICES,
      random: env.random,
      otherwise: unavailable(connections),
    });
  };
}

made(peakEwma);

/** What a picker knows and learns. */
interface Knowledge {
  readonly settings: LatencySettings;
  /** Of all connections that the transport's pickers have had. */
  readonly known: WeakMap<Connection, Latency>;
  readonly env: PolicyEnvironment;
}

/** The picker of {@link peakEwma}. */
class PeakEwmaPicker extends ChoicePicker {
  readonly settings: LatencySettings;
  readonly known: WeakMap<Connection, Latency>;
  readonly #env: PolicyEnvironment;
  /** Of its connections. */
  readonly #scores: Float64Array;
  /** Logarithms of their weights. */
  readonly #logWeights: Float64Array | undefined;

  constructor({ settings, known, env }: Knowledge, options: ChoiceOptions) {
    super(options);
    this.settings = settings;
    this.known = known;
    this.#env = env;
    this.#scores = new Float64Array(options.connections.length);
    options.connections.forEach((connection, i) => this.#latencyOf(connection).showIn(this.#scores, i));
    if (options.weights !== undefined) this.#logWeights = Float64Array.from(options.weights, Math.log);
  }

  #latencyOf(connection: Connection): Latency {
    const { incarnation } = connection.endpoint;
    let latency = this.known.get(connection);
    if (latency === undefined || latency.incarnation !== incarnation) {
      this.known.set(connection, latency = new Latency(this.settings, incarnation));
    }
    return latency;
  }

  /** The logarithm of latency × (calls in flight + 1) ÷ weight, but for what is the same for all: the time. */
  protected costOf(connection: Connection, index: number): number {
    const { inFlight } = connection;
    let cost = this.#scores[index]!;
    if (inFlight > 0) {
      if (cost === -Infinity) cost = this.#latencyOf(connection).waitingScore(this.#env.now());
      cost += Math.log(inFlight + 1);
    }
    return this.#logWeights === undefined ? cost : cost - this.#logWeights[index]!;
  }

  done(connection: Connection, outcome: Outcome): void {
    this.known.get(connection)?.learn(outcome, this.#env.now());
  }

  /** The latency to reckon with, to a microsecond; 0 while nothing is known. */
  describe(connection: Connection): PolicySnapshot | undefined {
    const latency = this.known.get(connection);
    return latency && { latencyMs: Number(latency.at(this.#env.now()).toFixed(3)) };
  }
}
