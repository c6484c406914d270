import type { Connection, Outcome } from "../connection/connection.ts";
import type { Endpoint } from "../endpoint.ts";
import { checkOptions, type Checks, made, number } from "../option.ts";
import { Loads } from "./bounded-loads.ts";
import { connectAll } from "./circle.ts";
import { endpointKeyOf, HASH_KEY, type HashKeyOptions, hashOf } from "./hash-key.ts";
import { type CallInfo, type Picker, type Policy, type PolicyEnvironment, unavailable } from "./policy.ts";
import { registeredWeights } from "./registered-weights.ts";
import { Ranking, SLOTS } from "./rendezvous-ranking.ts";

/** Options of {@link rendezvousHash}. */
export interface RendezvousHashOptions extends HashKeyOptions {
  /**
   * How many calls an endpoint may have in flight, relative to its share of all calls in flight, before its next ones go
   * to others ("consistent hashing with bounded loads"): with 1.25, a quarter more than the mean. It helps where a few
   * keys are much busier than others, at the price that their calls go to several endpoints. Defaults to no bound.
   * Envoy's and HAProxy's `hash_balance_factor`, divided by 100.
   */
  readonly boundedLoad?: number;
}

const OPTIONS: Checks<RendezvousHashOptions> = {
  ...HASH_KEY,
  boundedLoad: /* @__PURE__ */ number("a factor from 1", (value) => value >= 1),
};

/**
 * Calls with the same key go to the same endpoint, as long as that is up: each key ranks all endpoints by a hash of
 * both, and the first one serves it (weighted rendezvous hashing). Its calls are spread more evenly than those of
 * {@link ringHash}, and exactly by weight; when an endpoint comes or goes, only the keys that it serves move, and no two
 * of them to the same place on purpose. Prefer `ringHash` where clients of other gRPC libraries must agree.
 *
 * The key is `balance({ hashKey })` of the call, or else the header `requestHashHeader`; without one, a call goes to a
 * random endpoint. While the first endpoint of a key is failing or full, its calls go to the next in its ranking, and so
 * do their retries; while it is connecting, they wait for it.
 *
 * Keys are put in 262,144 slots. The first call of a slot after the set has changed looks at all endpoints, and so does
 * a call that can't go to the first of its ranking: some 5 ns for each. Other calls take the same time however many there are.
 *
 * @throws TypeError or RangeError if an option is invalid.
 */
export function rendezvousHash(options: RendezvousHashOptions = {}): Policy {
  checkOptions("rendezvousHash()", options, OPTIONS);
  return (connections, previous, env) => {
    connectAll(connections);
    const before = previous instanceof RendezvousPicker && previous.options === options ? previous : undefined;
    const endpoints = connections.map(({ endpoint }) => endpoint);
    const unchanged = before?.endpoints.length === endpoints.length &&
      endpoints.every((endpoint, i) => endpoint === before.endpoints[i]);
    const ranking = unchanged
      ? before.ranking
      : new Ranking(endpoints.map((endpoint) => endpointKeyOf(endpoint, options)), registeredWeights(connections));
    const state: RendezvousState = { connections, endpoints, ranking, options, env };
    const { boundedLoad = Infinity } = options;
    if (boundedLoad === Infinity) return new RendezvousPicker(state);
    const loads = before instanceof BoundedPicker ? before.loads : new Loads();
    loads.count(connections, ranking.weights, boundedLoad);
    return new BoundedPicker(state, loads);
  };
}

made(rendezvousHash);

/** What a picker works with. */
interface RendezvousState {
  readonly connections: readonly Connection[];
  /** What the ranking was made from. */
  readonly endpoints: readonly Endpoint[];
  readonly ranking: Ranking;
  readonly options: RendezvousHashOptions;
  readonly env: PolicyEnvironment;
}

/** The picker of {@link rendezvousHash}. */
class RendezvousPicker implements Picker {
  readonly endpoints: readonly Endpoint[];
  readonly ranking: Ranking;
  readonly options: RendezvousHashOptions;
  protected readonly connections: readonly Connection[];
  readonly #random: () => number;
  readonly #otherwise: "wait" | Error;

  constructor({ connections, endpoints, ranking, options, env }: RendezvousState) {
    this.connections = connections;
    this.endpoints = endpoints;
    this.ranking = ranking;
    this.options = options;
    this.#random = env.random;
    this.#otherwise = unavailable(connections);
  }

  pick(call: CallInfo): Connection | "wait" | Error {
    if (this.connections.length === 0) return this.#otherwise;
    const hash = hashOf(call, this.options);
    const slot = hash === undefined ? Math.floor(this.#random() * SLOTS) : hash.low % SLOTS;
    const index = this.ranking.firstOf(slot), connection = this.connections[index]!;
    if (connection.available) {
      if (this.hasRoom(index) && !call.excluded(connection)) return this.picked(index);
    } else if (hash !== undefined && isOpening(connection) && !call.excluded(connection)) return "wait";
    const other = this.#best(slot, call, false) ?? this.#best(slot, call, true);
    return other === undefined ? this.#otherwise : this.picked(other);
  }

  /** The highest in the ranking that is available; `beyond`: even beyond its bound. */
  #best(slot: number, call: CallInfo, beyond: boolean): number | undefined {
    let best: number | undefined, highest = -Infinity;
    for (let i = 0; i < this.connections.length; i++) {
      const connection = this.connections[i]!;
      if (!connection.available || !beyond && !this.hasRoom(i)) continue;
      const score = this.ranking.scoreOf(slot, i);
      if (score <= highest || call.excluded(connection)) continue;
      best = i;
      highest = score;
    }
    return best;
  }

  /** Whether its load allows one more call. */
  protected hasRoom(_index: number): boolean {
    return true;
  }

  protected picked(index: number): Connection {
    return this.connections[index]!;
  }
}

/** The picker of {@link rendezvousHash} with bounded loads. */
class BoundedPicker extends RendezvousPicker {
  readonly loads: Loads;

  constructor(state: RendezvousState, loads: Loads) {
    super(state);
    this.loads = loads;
  }

  protected override hasRoom(index: number): boolean {
    return this.loads.hasRoom(this.connections[index]!);
  }

  protected override picked(index: number): Connection {
    const connection = super.picked(index);
    this.loads.picked(connection);
    return connection;
  }

  done(connection: Connection, _: Outcome): void {
    this.loads.done(connection);
  }
}

function isOpening({ state, failure }: Connection): boolean {
  return failure === undefined && (state === "idle" || state === "connecting");
}
