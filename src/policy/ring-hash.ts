import type { Connection } from "../connection/connection.ts";
import { checkOptions, type Checks, made, wholeNumber, wrongOption } from "../option.ts";
import { endpointKeyOf, HASH_KEY, type HashKeyOptions, hashOf } from "./hash-key.ts";
import { HashRing } from "./hash-ring.ts";
import {
  type CallInfo,
  type Picker,
  type Policy,
  type PolicyEnvironment,
  type PolicySnapshot,
  unavailable,
} from "./policy.ts";
import { registeredWeights } from "./registered-weights.ts";

/** Options of {@link ringHash}. */
export interface RingHashOptions extends HashKeyOptions {
  /**
   * How many points the ring has at least, unless `maxRingSize` is smaller: more spread the calls more evenly. Defaults
   * to 1,024. gRPC's `minRingSize`.
   */
  readonly minRingSize?: number;
  /**
   * How many points the ring has at most; above one per endpoint, or some endpoints get no calls. At most 8,388,608.
   * Defaults to 4,096, which is also the most that other gRPC clients use by default. gRPC's
   * `maxRingSize`.
   */
  readonly maxRingSize?: number;
}

/** The largest ring that gRPC allows. */
const LARGEST = 8_388_608;

const OPTIONS: Checks<RingHashOptions> = {
  ...HASH_KEY,
  minRingSize: /* @__PURE__ */ wholeNumber(1, LARGEST),
  maxRingSize: /* @__PURE__ */ wholeNumber(1, LARGEST),
};

/**
 * Calls with the same key go to the same endpoint, as long as that is up; gRPC's `ring_hash` (gRFCs A42, A61, A76), with
 * the same ring as grpc-go's, so that its clients and ours agree. When an endpoint comes or goes, only the keys between
 * its points and the next ones move. For caches and sessions.
 *
 * The key is `balance({ hashKey })` of the call, or else the header `requestHashHeader`; without one, a call goes to a
 * random point of the ring. A connection is opened when a call first needs it; the call waits for it. While an endpoint
 * is failing, its calls go to the next one on the ring, and so do their retries. Weights count as shares of the ring.
 *
 * @throws TypeError or RangeError if an option is invalid.
 */
export function ringHash(options: RingHashOptions = {}): Policy {
  checkOptions("ringHash()", options, OPTIONS);
  const { maxRingSize = 4_096, minRingSize = Math.min(1_024, maxRingSize) } = options;
  if (minRingSize > maxRingSize) {
    throw wrongOption("minRingSize", minRingSize, `at most maxRingSize, which is ${maxRingSize}`, RangeError);
  }
  const makeRing = (connections: readonly Connection[], weights: readonly number[] | undefined): HashRing => {
    const member = ({ endpoint }: Connection, i: number) => {
      return { key: endpointKeyOf(endpoint, options), weight: weights?.[i] ?? 1 };
    };
    return new HashRing(connections.map(member), minRingSize, maxRingSize);
  };
  return (connections, previous, env) => {
    if (connections.length === 0) return { pick: () => unavailable(connections) };
    // Those that calls asked for and that failed: their backoff is over (gRFC A61).
    for (const connection of connections) if (connection.failure !== undefined) connection.connect();
    const before = previous instanceof RingHashPicker && previous.options === options ? previous : undefined;
    const endpoints = connections.map(({ endpoint }) => endpoint);
    const unchanged = before?.endpoints.length === endpoints.length &&
      endpoints.every((endpoint, i) => endpoint === before.endpoints[i]);
    const ring = unchanged ? before.ring : makeRing(connections, registeredWeights(connections));
    return new RingHashPicker({ connections, endpoints, ring, options, env });
  };
}

made(ringHash);

/** What a picker works with. */
interface RingHashState {
  readonly connections: readonly Connection[];
  /** What the ring was made from. */
  readonly endpoints: readonly Connection["endpoint"][];
  readonly ring: HashRing;
  readonly options: RingHashOptions;
  readonly env: PolicyEnvironment;
}

/** The picker of {@link ringHash}. */
class RingHashPicker implements Picker {
  readonly endpoints: RingHashState["endpoints"];
  readonly ring: HashRing;
  readonly options: RingHashOptions;
  readonly #connections: readonly Connection[];
  readonly #env: PolicyEnvironment;
  readonly #otherwise: "wait" | Error;
  /** Whether a connection is being opened. */
  #connecting: boolean;
  /** For those who ask. */
  #shares: ReadonlyMap<Connection, number> | undefined;

  constructor({ connections, endpoints, ring, options, env }: RingHashState) {
    this.endpoints = endpoints;
    this.ring = ring;
    this.options = options;
    this.#connections = connections;
    this.#env = env;
    this.#otherwise = unavailable(connections);
    this.#connecting = connections.some(({ state }) => state === "connecting");
  }

  pick(call: CallInfo): Connection | "wait" | Error {
    const hash = hashOf(call, this.options);
    return hash === undefined ? this.#pickAny(call) : this.#pickFrom(this.ring.find(hash), call);
  }

  /** The first that is not failing, whether or not it is ready: otherwise keys would move while servers connect. */
  #pickFrom(point: number, call: CallInfo): Connection | "wait" | Error {
    for (let step = 0; step < this.ring.size; step++) {
      const connection = this.#at(point + step);
      if (connection.available) {
        if (call.excluded(connection)) continue;
        // Another policy, which shares it, may have opened it.
        connection.connect();
        return connection;
      } else if (connection.failure === undefined && !call.excluded(connection)) {
        connection.connect();
        return "wait";
      }
    }
    return this.#otherwise;
  }

  /** The first that is ready. At most one more is opened at a time. */
  #pickAny(call: CallInfo): Connection | "wait" | Error {
    const { size } = this.ring, start = Math.floor(this.#env.random() * size);
    for (let step = 0; step < size; step++) {
      const connection = this.#at(start + step);
      if (!connection.available) {
        this.#open(connection);
      } else if (!call.excluded(connection)) {
        connection.connect();
        return connection;
      }
    }
    return this.#otherwise;
  }

  /** Its share of the points on the ring. */
  describe(connection: Connection): PolicySnapshot | undefined {
    this.#shares ??= this.#makeShares();
    const ringShare = this.#shares.get(connection);
    return ringShare === undefined ? undefined : { ringShare };
  }

  #makeShares(): ReadonlyMap<Connection, number> {
    const shares = this.ring.sharesOf(this.#connections.length);
    return new Map(this.#connections.map((connection, i) => [connection, shares[i]!]));
  }

  exitIdle(): void {
    const start = Math.floor(this.#env.random() * this.#connections.length);
    for (const connection of [...this.#connections.slice(start), ...this.#connections]) this.#open(connection);
  }

  /** Opens a connection if it is idle and no other is being opened. */
  #open(connection: Connection): void {
    if (this.#connecting || connection.state !== "idle" || connection.failure !== undefined) return;
    this.#connecting = true;
    connection.connect();
  }

  #at(point: number): Connection {
    return this.#connections[this.ring.ownerOf(point % this.ring.size)]!;
  }
}
