import type { Connection } from "../connection/connection.ts";
import { checkOptions, type Checks, flag, made } from "../option.ts";
import type { Timer } from "../time/clock.ts";
import { inResolverOrder, Shuffling } from "./address-order.ts";
import {
  type CallInfo,
  type Picker,
  type Policy,
  type PolicyEnvironment,
  type PolicySnapshot,
  unavailable,
} from "./policy.ts";

/** Options of {@link pickFirst}. */
export interface PickFirstOptions {
  /**
   * Whether the endpoints are tried in a random order, so that many clients don't all use the same server; one with
   * twice the weight of another is twice as likely to be the first (gRFC A113). Defaults to false: in the resolver's
   * order. gRPC's `shuffleAddressList`.
   */
  readonly shuffle?: boolean;
}

const OPTIONS: Checks<PickFirstOptions> = { shuffle: flag };

/**
 * All calls go to one endpoint, the first that can be connected, and only that connection is kept; gRPC's `pick_first`.
 *
 * Endpoints are tried in the resolver's order, IPv4 and IPv6 taking turns, each 250 ms after the one before it, or when
 * that has failed (Happy Eyeballs, gRFC A61). Once all have failed, calls fail until one can be connected; each is then
 * tried again after its own backoff (gRFC A62).
 *
 * The connection is kept as long as its endpoint stays in the set, also when others come before it. When it is lost,
 * none is opened before the next call, which begins again with the first endpoint. If a health check holds it back as
 * failing, the others are tried.
 *
 * @throws TypeError for an invalid option.
 */
export function pickFirst(options: PickFirstOptions = {}): Policy {
  checkOptions("pickFirst()", options, OPTIONS);
  const { shuffle = false } = options;
  return (connections, previous, env) => {
    const search = previous instanceof FirstPicker ? previous.search : new Search(env, shuffle);
    search.look(connections);
    return new FirstPicker(search, connections);
  };
}

made(pickFirst);

/** The picker of {@link pickFirst}. */
class FirstPicker implements Picker {
  readonly search: Search;
  readonly #connections: readonly Connection[];

  constructor(search: Search, connections: readonly Connection[]) {
    this.search = search;
    this.#connections = connections;
  }

  pick(call: CallInfo): Connection | "wait" | Error {
    const { selected, failing } = this.search;
    if (selected !== undefined) return selected.available && !call.excluded(selected) ? selected : "wait";
    if (this.#connections.length === 0) return unavailable([]);
    // Also while those that are new in the set are tried for the first time (gRFC A62).
    if (failing) return new Error("every endpoint is failing");
    this.search.want();
    return "wait";
  }

  exitIdle(): void {
    this.search.want();
  }

  /** Whether it is the one that all calls go to. */
  describe(connection: Connection): PolicySnapshot {
    return { selected: connection === this.search.selected };
  }
}

/** How long an endpoint has until the next one is tried, too, in milliseconds (RFC 8305 section 5). */
const ATTEMPT_DELAY_MS = 250;

/** What all pickers of one transport share: the selected connection, or the search for one. */
class Search {
  readonly #env: PolicyEnvironment;
  readonly #shuffling: Shuffling | undefined;
  #connections: readonly Connection[] | undefined;
  #order: readonly Connection[] = [];
  selected: Connection | undefined;
  /** While nothing is selected. Idle: nothing is tried until a call wants a connection. */
  #state: "idle" | "first pass" | "failing" = "first pass";
  /** The connections that the first pass has tried. */
  readonly #tried = new Set<Connection>();
  /** The last of them, and until when the next one waits for it. */
  #latest: { readonly connection: Connection; readonly untilMs: number } | undefined;
  #timer: Timer | undefined;

  constructor(env: PolicyEnvironment, shuffle: boolean) {
    this.#env = env;
    if (shuffle) this.#shuffling = new Shuffling(() => env.random());
  }

  /** Whether all endpoints have failed since the last connection. */
  get failing(): boolean {
    return this.#state === "failing";
  }

  /** A call needs a connection. */
  want(): void {
    if (this.selected !== undefined || this.#state !== "idle") return;
    this.#state = "first pass";
    // Not right now: a picker is in use.
    this.#env.update();
  }

  /** The set or a state has changed. */
  look(connections: readonly Connection[]): void {
    // Places and weights change only with the set.
    if (connections !== this.#connections) {
      this.#connections = connections;
      this.#order = this.#shuffling?.order(connections) ?? inResolverOrder(connections);
    }
    if (connections.length === 0) this.#state = "first pass";
    const { selected } = this;
    if (selected !== undefined) {
      const inSet = connections.includes(selected);
      if (inSet && isGood(selected)) return this.#select(selected);
      this.selected = undefined;
      // Lost, it waits for a call; removed or held back, others are tried now.
      this.#state = inSet && selected.state !== "ready" ? "idle" : "first pass";
    }
    const ready = this.#order.find(isGood);
    if (ready !== undefined) this.#select(ready);
    else this.#advance();
  }

  #select(connection: Connection): void {
    this.selected = connection;
    this.#endPass();
    // Another policy, which shares it, may have opened it.
    connection.connect();
    for (const other of this.#order) if (other !== connection) other.disconnect();
  }

  #endPass(): void {
    this.#tried.clear();
    this.#latest = undefined;
    this.#timer?.cancel();
  }

  /** Tries the next connection, or all when each has failed once. */
  #advance(): void {
    if (this.#state === "first pass" && this.#passIsOver()) {
      this.#endPass();
      this.#state = "failing";
    }
    if (this.#state === "failing") {
      for (const connection of this.#order) connection.connect();
    }
  }

  #passIsOver(): boolean {
    if (this.#order.length === 0) return false;
    for (const connection of this.#order) {
      if (this.#tried.has(connection)) continue;
      if (this.#waitsForLatest()) return false;
      this.#tried.add(connection);
      // One that has just failed need not be tried again, nor one that is held back.
      if (connection.state === "transient_failure" || connection.state === "ready") continue;
      this.#try(connection);
      return false;
    }
    return !this.#order.some((connection) => connection.state === "connecting");
  }

  #waitsForLatest(): boolean {
    const latest = this.#latest;
    return latest !== undefined && latest.connection.state === "connecting" && this.#env.now() < latest.untilMs;
  }

  /** Opens it, unless it is being opened. */
  #try(connection: Connection): void {
    this.#latest = { connection, untilMs: this.#env.now() + ATTEMPT_DELAY_MS };
    this.#timer?.cancel();
    this.#timer = this.#env.timer(ATTEMPT_DELAY_MS, () => this.#advance());
    connection.connect();
  }
}

/** Whether calls may go there, now or when it has room. */
function isGood(connection: Connection): boolean {
  return connection.state === "ready" && connection.failure === undefined;
}
