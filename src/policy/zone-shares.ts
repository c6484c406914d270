/** In a zone with fewer servers than that, a client prefers none. */
const LEAST_SERVERS = 2;

/**
 * How a client of the zone `own` spreads its calls over zones (Envoy's zone-aware routing): it keeps them in its own, as
 * long as that has as large a share of the servers as of the clients. The rest goes to zones with servers to spare.
 *
 * @param servers how many usable servers each zone has
 * @param clients how many clients each zone has; undefined: the same in all
 * @returns the share of each zone of `servers`; they add up to 1, unless there are no servers
 */
export function zoneShares(
  own: string,
  servers: ReadonlyMap<string, number>,
  clients: Readonly<Record<string, number>> | undefined,
): Map<string, number> {
  const total = sum(servers.values());
  const shareOf = (zone: string) => (servers.get(zone) ?? 0) / total;
  const zones = [...servers.keys()];
  const all = (share: (zone: string) => number) => new Map(zones.map((zone) => [zone, share(zone)]));
  if (total === 0) return all(() => 0);
  if ((servers.get(own) ?? 0) < LEAST_SERVERS) return all(shareOf);
  const clientCount = clients === undefined ? zones.length : sum(Object.values(clients));
  const clientShare = (zone: string) => (clients === undefined ? 1 : clients[zone] ?? 0) / clientCount;
  const local = clientShare(own) <= shareOf(own) ? 1 : shareOf(own) / clientShare(own);
  const spareOf = (zone: string) => (zone === own ? 0 : Math.max(0, shareOf(zone) - clientShare(zone)));
  // If calls are left over, another zone has servers to spare.
  const spare = sum(zones.map(spareOf));
  return all((zone) => {
    if (zone === own) return local;
    return spare === 0 ? 0 : (1 - local) * spareOf(zone) / spare;
  });
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
