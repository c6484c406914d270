import type { Connection } from "../connection/connection.ts";
import { AliasTable } from "./alias-table.ts";
import type { CallInfo, Picker } from "./policy.ts";

/** What a picker compares, and how. */
export interface ChoiceOptions {
  readonly connections: readonly Connection[];
  /** How often each is drawn relative to others; undefined: all equally often. */
  readonly weights: readonly number[] | undefined;
  /** How many are drawn for each pick; if there are no more, all are compared. */
  readonly compared: number;
  readonly random: () => number;
  /** What to return when none is available. */
  readonly otherwise: "wait" | Error;
}

/** How many draws are made for each connection that is compared, before all are looked at. */
const DRAWS = 8;

/**
 * A picker that draws a few connections at random, and picks the one of least cost ("power of two choices"): nearly as
 * good as comparing all of them, in a time that doesn't depend on how many there are. And where clients know different
 * things, comparing all would make each send everything to the one server that it thinks best.
 *
 * None is compared twice. Those that are unavailable or excluded are replaced by others.
 */
export abstract class ChoicePicker implements Picker {
  protected readonly connections: readonly Connection[];
  readonly #compared: number;
  readonly #random: () => number;
  readonly #otherwise: "wait" | Error;
  readonly #table: AliasTable | undefined;
  /** The indices compared for the current pick. */
  readonly #drawn: number[] = [];

  constructor({ connections, weights, compared, random, otherwise }: ChoiceOptions) {
    this.connections = connections;
    this.#compared = compared;
    this.#random = random;
    this.#otherwise = otherwise;
    if (weights !== undefined) this.#table = new AliasTable(weights);
  }

  /** The lower the better. */
  protected abstract costOf(connection: Connection, index: number): number;

  pick(call: CallInfo): Connection | "wait" | Error {
    const drawn = this.#compared < this.connections.length ? this.#bestOfDrawn(call) : undefined;
    return drawn ?? this.#bestOfAll(call) ?? this.#otherwise;
  }

  /** Of two that are equally good, the one drawn first, so that these get calls in proportion to their weights. */
  #bestOfDrawn(call: CallInfo): Connection | undefined {
    const connections = this.connections, drawn = this.#drawn, compared = this.#compared;
    let best: Connection | undefined, least = Infinity, found = 0;
    for (let draw = 0; draw < DRAWS * compared && found < compared; draw++) {
      const index = this.#draw(), connection = connections[index]!;
      if (!connection.available || call.excluded(connection) || includes(drawn, index, found)) continue;
      drawn[found++] = index;
      const cost = this.costOf(connection, index);
      if (best !== undefined && cost >= least) continue;
      best = connection;
      least = cost;
    }
    return best;
  }

  #draw(): number {
    const random = this.#random();
    return this.#table === undefined ? Math.floor(random * this.connections.length) : this.#table.draw(random);
  }

  /** Of several that are equally good, one at random. */
  #bestOfAll(call: CallInfo): Connection | undefined {
    const connections = this.connections;
    let best: Connection | undefined, least = Infinity, equal = 0;
    for (let i = 0; i < connections.length; i++) {
      const connection = connections[i]!;
      if (!connection.available || call.excluded(connection)) continue;
      const cost = this.costOf(connection, i);
      if (best === undefined || cost < least) {
        best = connection;
        least = cost;
        equal = 1;
      } else if (cost === least && this.#random() * ++equal < 1) {
        best = connection;
      }
    }
    return best;
  }
}

/** Whether an index is among the first so many of a list. */
function includes(indices: readonly number[], index: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (indices[i] === index) return true;
  return false;
}
