import type { Endpoint } from "../endpoint.ts";
import { inHashOrder } from "../hash/hash-order.ts";
import { NO_SEED } from "../hash/xxh64.ts";

/** Which of several clients one is. */
export interface Place {
  /** From 0. */
  readonly index: number;
  /** How many clients there are. */
  readonly of: number;
}

/**
 * The share of one of several clients: the servers lie on a ring, and so do the clients, at equal distances; each takes
 * the slice that begins at its place and is at least `size` servers wide. The width is a multiple of the distance between
 * clients, so each place on the ring is in equally many slices, and all servers have the same load. A server that only
 * partly lies in the slice has its weight reduced to that part. (Finagle's deterministic aperture.)
 */
export function peerSlice(endpoints: readonly Endpoint[], size: number, place: Place): readonly Endpoint[] {
  const servers = endpoints.length, clients = place.of;
  // In units of which a server is `clients` wide, and the distance between clients is `servers`: whole numbers are exact.
  const circle = servers * clients, width = Math.ceil(size * clients / servers) * servers;
  if (width >= circle) return endpoints;
  const start = place.index * servers, end = start + width;
  // Neighbours on the ring have nothing in common, such as a rack.
  const ring = inHashOrder(endpoints, ({ address }) => address, NO_SEED), parts = new Map<Endpoint, number>();
  for (let i = Math.floor(start / clients); i * clients < end; i++) {
    const endpoint = ring[i % servers]!;
    const part = (Math.min(end, (i + 1) * clients) - Math.max(start, i * clients)) / clients;
    // The slice may end in the server in which it begins.
    parts.set(endpoint, (parts.get(endpoint) ?? 0) + part);
  }
  if ([...parts.values()].every((part) => part === 1)) return [...parts.keys()];
  const mean = meanWeight(endpoints);
  return [...parts].map(([endpoint, part]) => ({ ...endpoint, weight: (endpoint.weight ?? mean) * part }));
}

/** What an endpoint without a weight counts as. */
function meanWeight(endpoints: readonly Endpoint[]): number {
  const given = endpoints.flatMap(({ weight }) => weight ?? []);
  return given.length === 0 ? 1 : given.reduce((mean, weight) => mean + weight / given.length, 0);
}
