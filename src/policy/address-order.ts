import type { Connection } from "../connection/connection.ts";
import { boundedWeights, meanWeight } from "./weights.ts";

/**
 * In the resolver's order, but with the families of addresses taking turns, beginning with that of the first (RFC 8305
 * section 4): if IPv6 doesn't work here, the second address does.
 */
export function inResolverOrder(connections: readonly Connection[]): readonly Connection[] {
  return interleaved([...connections].sort((a, b) => a.place - b.place));
}

/**
 * Shuffles connections so that one with twice the weight is twice as likely to come first (gRFC A113), then lets the
 * families take turns. Each connection keeps its number, so that an order changes only as far as the set does.
 */
export class Shuffling {
  readonly #random: () => number;
  readonly #numbers = new WeakMap<Connection, number>();

  constructor(random: () => number) {
    this.#random = random;
  }

  order(connections: readonly Connection[]): readonly Connection[] {
    const weights = boundedWeights(connections.map(({ endpoint }) => endpoint.weight ?? 0));
    const mean = meanWeight(weights) || 1;
    // By the logarithm of u^(1/w), which can't underflow; the greatest comes first.
    const keyed = connections.map((connection, i) => {
      return { connection, key: Math.log(this.#numberOf(connection)) / (weights[i] || mean) };
    });
    return interleaved(
      keyed.sort((a, b) => Number(a.key < b.key) - Number(a.key > b.key)).map((item) => item.connection),
    );
  }

  #numberOf(connection: Connection): number {
    let number = this.#numbers.get(connection);
    if (number === undefined) this.#numbers.set(connection, number = this.#random());
    return number;
  }
}

/** The families take turns, in the order in which they first appear. */
function interleaved(connections: readonly Connection[]): readonly Connection[] {
  const families = new Map<string, Connection[]>();
  for (const connection of connections) {
    const family = familyOf(connection.endpoint.address), others = families.get(family);
    if (others === undefined) families.set(family, [connection]);
    else others.push(connection);
  }
  const lists = [...families.values()], order: Connection[] = [];
  for (let i = 0; order.length < connections.length; i++) {
    for (const list of lists) if (i < list.length) order.push(list[i]!);
  }
  return order;
}

function familyOf(address: string): "IPv4" | "IPv6" | "other" {
  if (address.startsWith("[")) return "IPv6";
  return /^[0-9.]+:[0-9]+$/.test(address) ? "IPv4" : "other";
}
