import type { Connection } from "../connection/connection.ts";

/** A connection's part of a bounded load. */
interface Load {
  /** Its calls in flight, as they are in the total. */
  counted: number;
  /** Its share of the most calls in flight that are allowed. */
  readonly share: number;
}

/**
 * How many calls each connection may have in flight: its share of all that are, times a factor ("consistent hashing with
 * bounded loads", Mirrokni et al. 2017). It is shared by the pickers of a transport.
 *
 * The total is kept by looking at a connection whenever it is picked, and whenever one of its calls ends. Picks that are
 * not used don't add up, as they would in a counter: the next look at the connection corrects them.
 */
export class Loads {
  #loads: ReadonlyMap<Connection, Load> = new Map();
  #total = 0;

  /** Takes another set of connections, with their weights; failing ones have no share. */
  count(connections: readonly Connection[], weights: ArrayLike<number> | undefined, factor: number): void {
    const weightOf = (connection: Connection, i: number) => connection.failure === undefined ? weights?.[i] ?? 1 : 0;
    const totalWeight = connections.reduce((sum, connection, i) => sum + weightOf(connection, i), 0);
    this.#total = connections.reduce((sum, { inFlight }) => sum + inFlight, 0);
    this.#loads = new Map(connections.map((connection, i) => {
      const share = totalWeight === 0 ? Infinity : factor * weightOf(connection, i) / totalWeight;
      return [connection, { counted: connection.inFlight, share }];
    }));
  }

  /** Whether a connection may have one more call in flight. */
  hasRoom(connection: Connection): boolean {
    const load = this.#loads.get(connection);
    // Rounding must not allow one more.
    return load !== undefined && connection.inFlight < Math.ceil(load.share * (this.#total + 1) - 1e-9);
  }

  /** It is about to have one more. */
  picked(connection: Connection): void {
    this.#see(connection, connection.inFlight + 1);
  }

  /** One of its calls has ended. */
  done(connection: Connection): void {
    this.#see(connection, connection.inFlight);
  }

  #see(connection: Connection, inFlight: number): void {
    const load = this.#loads.get(connection);
    if (load === undefined) return;
    this.#total += inFlight - load.counted;
    load.counted = inFlight;
  }
}
