import { checkEndpoint, type Endpoint } from "../endpoint.ts";
import { asError } from "../error-text.ts";
import { inHashOrder, randomSeed } from "../hash/hash-order.ts";
import type { Uint64 } from "../hash/xxh64.ts";
import {
  type Check,
  checkOptions,
  type Checks,
  clock as aClock,
  makes,
  random as aRandom,
  required,
  text,
  wholeNumber,
} from "../option.ts";
import { type Clock, systemClock } from "../time/clock.ts";
import { untilAborted } from "../time/until-aborted.ts";
import { LatestValue } from "./latest-value.ts";
import { peerSlice } from "./peer-slice.ts";
import { checkIterable } from "./read.ts";
import type { Resolution, Resolver } from "./resolver.ts";
import { watchResolver } from "./watch.ts";

/** Options of {@link peerSubset}. */
export interface PeerSubsetOptions {
  /** How many endpoints a client uses at least; if there are no more, all. */
  readonly size: number;
  /** Where the clients are registered: `registry.resolver("simple_clients")`. */
  readonly peers: Resolver;
  /** The address with which this client is registered among `peers`. */
  readonly self: string;
  /** The source of time. Defaults to the runtime's. */
  readonly clock?: Clock;
  /** The source of random numbers. Defaults to `Math.random`. */
  readonly random?: () => number;
}

const aResolver: Check = /* @__PURE__ */ makes(
  "a resolver, such as registry.resolver(service)",
  (value) => typeof (value as Partial<Resolver> | null)?.resolve === "function",
);

const OPTIONS: Checks<PeerSubsetOptions> = {
  size: /* @__PURE__ */ required(wholeNumber(1)),
  peers: /* @__PURE__ */ required(aResolver),
  self: /* @__PURE__ */ required(text),
  clock: aClock,
  random: aRandom,
};

/** How long a set waits for the first set of peers. */
const PEERS_TIMEOUT_MS = 2_000;

/**
 * A part of a resolver's endpoints, dealt out evenly among the clients of a service that are registered themselves.
 * It is the transport's resolver, around the one of the servers:
 * `peerSubset({ size: 20, peers: registry.resolver("clients"), self: "10.0.0.7:9000" }, registry.resolver("servers"))`.
 *
 * The servers lie on a ring, and each client takes the same share of it, at least `size` wide, so that all servers are
 * covered equally (the deterministic aperture of Finagle). A server that lies partly in a share has a smaller weight
 * there; the default policy, among others, obeys it. When a client or a server comes or goes, each share changes by
 * one or two servers, rarely by three. Until the peers are known, for at most 2 s, nothing is resolved; while they can't be known, the
 * part is random and stable, as that of `subset()`. A client that is not among the peers takes a place as if it were.
 *
 * It is a resolver rather than a policy, because the peers must be watched as long as the servers are, or listed when
 * they are. Endpoints outside the part have no connection; those that leave it finish their calls and are closed, as if
 * they had been removed.
 *
 * @throws TypeError or RangeError if an option is invalid.
 */
export function peerSubset(options: PeerSubsetOptions, resolver: Resolver): Resolver {
  checkOptions("peerSubset()", options, OPTIONS);
  aResolver("resolver", resolver);
  const { peers } = options, part = new Part(options);
  return {
    ...resolver.target !== undefined && { target: resolver.target },
    ...resolver.scheme !== undefined && { scheme: resolver.scheme },
    resolve: (signal) => part.watch(resolver, peers, signal),
    ...resolver.list !== undefined && peers.list !== undefined && {
      list: async (signal: AbortSignal) => {
        const [resolution] = await Promise.all([resolver.list!(signal), part.listPeers(peers, signal)]);
        return part.of(resolution);
      },
    },
    ...resolver.refresh !== undefined && { refresh: () => resolver.refresh!() },
  };
}

/** One client's part of the sets. */
class Part {
  readonly #size: number;
  readonly #self: string;
  readonly #clock: Clock;
  readonly #random: () => number;
  /** Made when it is first needed: in some places, random numbers can't be had when a program starts. */
  #seed: Uint64 | undefined;
  /** The addresses of all clients; undefined while they are not known. */
  #peers: readonly string[] | undefined;
  /** What the last part was made from: the same endpoints give the same objects. */
  #last: { readonly endpoints: unknown; readonly peers: unknown; readonly part: readonly Endpoint[] } | undefined;

  constructor({ size, self, clock = systemClock, random = Math.random }: PeerSubsetOptions) {
    this.#size = size;
    this.#self = self;
    this.#clock = clock;
    this.#random = random;
  }

  /** The part of a resolution. What is invalid stays in it, and is reported by its reader. */
  of(resolution: Resolution): Resolution {
    const endpoints = resolution?.endpoints;
    if (!Array.isArray(endpoints)) return resolution;
    if (this.#last?.endpoints !== endpoints || this.#last.peers !== this.#peers) {
      const valid = endpoints.filter(isValid), invalid = endpoints.filter((endpoint) => !isValid(endpoint));
      this.#last = { endpoints, peers: this.#peers, part: [...this.#choose(valid), ...invalid] };
    }
    return { ...resolution, endpoints: this.#last.part };
  }

  #choose(endpoints: readonly Endpoint[]): readonly Endpoint[] {
    if (this.#size >= endpoints.length) return endpoints;
    const peers = this.#peers;
    if (peers !== undefined) {
      return peerSlice(endpoints, this.#size, { index: peers.indexOf(this.#self), of: peers.length });
    }
    this.#seed ??= randomSeed(this.#random);
    return inHashOrder(endpoints, ({ address }) => address, this.#seed).slice(0, this.#size);
  }

  #learnPeers({ endpoints }: Resolution): void {
    if (endpoints === undefined) return;
    // A client that is not registered yet takes its place all the same.
    const addresses = [...new Set([...endpoints.map(({ address }) => address), this.#self])].sort();
    if (addresses.join() !== this.#peers?.join()) this.#peers = addresses;
  }

  /** Yields when either the servers or the peers change. */
  async *watch(resolver: Resolver, peers: Resolver, signal: AbortSignal): AsyncIterable<Resolution> {
    const clock = this.#clock, random = this.#random;
    const running = new AbortController(), stop = () => running.abort(signal.reason);
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    let servers: Resolution | undefined, heard = false, failure: Error | undefined;
    const latest = new LatestValue(() => this.of(servers!));
    const changed = () => {
      if (servers !== undefined && heard) latest.changed();
    };
    const peersHeard = () => {
      heard = true;
      changed();
    };
    const timer = clock.timer(PEERS_TIMEOUT_MS, peersHeard);
    void watchResolver(peers, {
      resolved: (resolution) => {
        this.#learnPeers(resolution);
        peersHeard();
      },
      skipped() {},
    }, { clock, random, signal: running.signal });
    const watchServers = async () => {
      try {
        for await (servers of checkIterable(resolver.resolve(running.signal))) changed();
      } catch (error) {
        failure = asError(error);
      }
      if (!heard) peersHeard();
      latest.end();
    };
    void watchServers();
    try {
      yield* latest.consume(running.signal);
      if (failure !== undefined) throw failure;
    } finally {
      signal.removeEventListener("abort", stop);
      timer.cancel();
      running.abort(new Error("the subset is no longer resolved"));
    }
  }

  /** Reads the peers once. If that fails or takes long, the last ones stay. */
  async listPeers(peers: Resolver, signal: AbortSignal): Promise<void> {
    const abort = new AbortController(), stop = () => abort.abort(signal.reason);
    signal.addEventListener("abort", stop);
    const timer = this.#clock.timer(
      PEERS_TIMEOUT_MS,
      () => abort.abort(new Error("list() of the peers did not answer")),
    );
    try {
      this.#learnPeers(await untilAborted(peers.list!(abort.signal), abort.signal));
    } catch {
      // The part is made from what is known.
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", stop);
    }
  }
}

const judged = new WeakMap<object, boolean>();

/** Whether an endpoint can be used. Each object is checked once. */
function isValid(endpoint: unknown): endpoint is Endpoint {
  if (typeof endpoint !== "object" || endpoint === null) return false;
  let valid = judged.get(endpoint);
  if (valid !== undefined) return valid;
  try {
    checkEndpoint(endpoint);
    valid = true;
  } catch {
    valid = false;
  }
  judged.set(endpoint, valid);
  return valid;
}
