import type { Invariant } from "./invariant.ts";

/** No call waits at a server that is full: those that can't be sent yet wait in one line, for whichever has room. */
export const nobodyIsStuck: Invariant = {
  name: "nobody-is-stuck",
  watch(world) {
    const { clients } = world;
    const tick = () => {
      for (const { transport, plan: { name, kinds } } of clients) {
        // A stream counts until its reader has seen its end.
        if (kinds.some((kind) => kind !== "read" && kind !== "write")) continue;
        for (const { endpoint: { address }, inFlight, sockets } of transport.snapshot().endpoints ?? []) {
          const most = world.server(address).plan.maxConcurrentStreams * sockets.length;
          if (sockets.length === 0 || inFlight <= most) continue;
          world.broken("nobody-is-stuck", `${name} has ${inFlight} calls at ${address}, which takes ${most}`);
        }
      }
    };
    return { tick };
  },
};

/** In a quiet world each client has no more connections than it may have. */
export const connectionsAreFew: Invariant = {
  name: "connections-are-few",
  watch: (world) => ({
    still() {
      for (const { plan: { name, connections, maxAgeMs } } of world.clients) {
        // One that is too old stays until the one that replaces it is open.
        const most = maxAgeMs === undefined ? connections : connections + 1;
        const ends = world.network.endsAt(name);
        for (const { address } of world.servers) {
          const open = ends.filter(({ peer }) => peer.node === address).length;
          if (open > most) world.broken("connections-are-few", `${name} has ${open} connections to ${address}`);
        }
      }
    },
  }),
};
