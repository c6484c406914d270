// What goes wrong on the way.
import type { Fault } from "./fault.ts";

/** Nothing gets through to or from a server. */
export const blackHole: Fault = {
  kind: "black-hole",
  hits: "server",
  begin({ network }, { who }) {
    const ends = [network.block("*", who), network.block(who, "*")];
    return () => ends.forEach((end) => end());
  },
};

/** The server's bytes get through, those to it don't. */
export const deafServer: Fault = {
  kind: "deaf-server",
  hits: "server",
  begin: ({ network }, { who }) => network.block("*", who),
};

/** Bytes get to the server, its answers don't get back. */
export const muteServer: Fault = {
  kind: "mute-server",
  hits: "server",
  begin: ({ network }, { who }) => network.block(who, "*"),
};

/** A client reaches nobody. */
export const clientOffline: Fault = {
  kind: "client-offline",
  hits: "client",
  begin({ network }, { who }) {
    const ends = [network.block("*", who), network.block(who, "*")];
    return () => ends.forEach((end) => end());
  },
};

/** Some connections of a server are reset. */
export const cuts: Fault = {
  kind: "cuts",
  hits: "server",
  begin({ network, chance }, { who, size }) {
    const own = chance.of(`cuts ${who} ${network.now()}`);
    for (const end of network.endsAt(who)) if (own.is(size)) end.reset();
  },
};

/** The way to a server is slow and narrow. */
export const slowWay: Fault = {
  kind: "slow-way",
  hits: "server",
  begin({ network }, { who, size }) {
    network.way(who, { latencyMs: 10 + 500 * size, jitterMs: 200 * size, bytesPerMs: 1 + 50 * (1 - size) });
    return () => network.way(who, undefined);
  },
};

/** Etcd can't be reached. */
export const etcdAway: Fault = {
  kind: "etcd-away",
  hits: "etcd",
  begin({ network }, { who }) {
    const ends = [network.block("*", who), network.block(who, "*")];
    return () => ends.forEach((end) => end());
  },
};

/** The way to a server loses its speed. */
export const congestion: Fault = {
  kind: "congestion",
  hits: "server",
  begin({ network }, { who, size }) {
    network.way(who, { latencyMs: 50, jitterMs: 0, bytesPerMs: 1 + 10 * size });
    return () => network.way(who, undefined);
  },
};

/** Something on the way forgets some connections of a server: nothing gets through any more, and nobody is told. */
export const halfOpen: Fault = {
  kind: "half-open",
  hits: "server",
  begin({ network, chance }, { who, size, atMs }) {
    const own = chance.of(`half open ${who} ${atMs}`);
    for (const end of network.endsAt(who)) if (own.is(size)) end.forget();
  },
};
