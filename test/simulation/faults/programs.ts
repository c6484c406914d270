// What programs do.
import { ETCD } from "../world/world.ts";
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

export const etcdKilled: Fault = {
  kind: "etcd-killed",
  hits: "etcd",
  begin(world) {
    world.etcd?.kill();
    return () => world.etcd?.start();
  },
};

export const etcdFrozen: Fault = {
  kind: "etcd-frozen",
  hits: "etcd",
  begin({ etcd }) {
    const process = etcd?.process;
    process?.freeze();
    return () => process?.thaw();
  },
};

export const etcdWiped: Fault = {
  kind: "etcd-wiped",
  hits: "etcd",
  begin(world) {
    world.etcd?.wipe();
    return () => world.etcd?.start();
  },
};

export const etcdCuts: Fault = {
  kind: "etcd-cuts",
  hits: "etcd",
  begin({ network, chance }, { size }) {
    const own = chance.of(`cuts of etcd ${network.now()}`);
    for (const end of network.endsAt(ETCD)) if (own.is(size)) end.reset();
  },
};
