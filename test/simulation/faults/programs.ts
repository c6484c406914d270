// What programs do.
import { strangerAt } from "../world/stranger.ts";
import type { Fault } from "./fault.ts";

export const serverKilled: Fault = {
  kind: "server-killed",
  hits: "server",
  begin(world, { who }) {
    world.server(who).kill();
    return () => world.server(who).start();
  },
};

export const serverVanishes: Fault = {
  kind: "server-vanishes",
  hits: "server",
  begin(world, { who }) {
    world.server(who).vanish();
    return () => {
      world.network.up(who);
      world.server(who).start();
    };
  },
};

export const serverFrozen: Fault = {
  kind: "server-frozen",
  hits: "server",
  begin(world, { who }) {
    const { process } = world.server(who);
    process?.freeze();
    return () => process?.thaw();
  },
};

/** A rolling restart, as deployments do it. */
export const serverRestarted: Fault = {
  kind: "server-restarted",
  hits: "server",
  begin(world, { who }) {
    const server = world.server(who);
    void server.drain();
    return () => {
      server.kill();
      server.start();
    };
  },
};

export const serverSick: Fault = {
  kind: "server-sick",
  hits: "server",
  begin(world, { who, size }) {
    world.server(who).failing = size;
    return () => world.server(who).failing = 0;
  },
};

export const serverSlow: Fault = {
  kind: "server-slow",
  hits: "server",
  begin(world, { who, size }) {
    world.server(who).slowness = 1 + 50 * size;
    return () => world.server(who).slowness = 1;
  },
};

export const clientFrozen: Fault = {
  kind: "client-frozen",
  hits: "client",
  begin(world, { who }) {
    const { process } = world.client(who);
    process.freeze();
    return () => process.thaw();
  },
};

/** Some of a client's calls make servers end their connections. */
export const poisonousCalls: Fault = {
  kind: "poisonous-calls",
  hits: "client",
  begin(world, { who, size }) {
    world.client(who).poisonous = size / 10;
    return () => world.client(who).poisonous = 0;
  },
};

/** A server says that it is idle, that it is overloaded, or anything. */
export const serverLies: Fault = {
  kind: "server-lies",
  hits: "server",
  begin(world, { who, size, atMs }) {
    const own = world.chance.of(`lies of ${who} ${atMs}`);
    world.server(who).lies(() => size < 0.3 ? 1e-9 : size < 0.6 ? 1e9 : own.one([0, 1e-300, 0.5, 1, 1e300]));
    return () => world.server(who).lies(undefined);
  },
};

/** A server's handlers take the messages of streams slowly. */
export const serverReadsSlowly: Fault = {
  kind: "server-reads-slowly",
  hits: "server",
  begin(world, { who, size }) {
    world.server(who).readsMs = 10 + 5_000 * size;
    return () => world.server(who).readsMs = 0;
  },
};

/** A client's program takes the messages of streams slowly. */
export const clientReadsSlowly: Fault = {
  kind: "client-reads-slowly",
  hits: "client",
  begin(world, { who, size }) {
    world.client(who).readsMs = 10 + 5_000 * size;
    return () => world.client(who).readsMs = 0;
  },
};

/** A server's streams have big messages. */
export const bigStreams: Fault = {
  kind: "big-streams",
  hits: "server",
  begin(world, { who, size }) {
    world.server(who).bulkBytes = Math.round(200_000 * size);
    return () => world.server(who).bulkBytes = 0;
  },
};

/** A server's machine is gone, and its address is given to something else, before it comes back. */
export const addressTaken: Fault = {
  kind: "address-taken",
  hits: "server",
  begin(world, { who, size }) {
    world.server(who).vanish();
    const leave = strangerAt(world, who, size < 0.5 ? "another service" : size < 0.75 ? "another protocol" : "silent");
    return () => {
      leave();
      world.server(who).start();
    };
  },
};
