// What etcd and DNS do, where clients find servers.
import type { DnsSickness } from "../world/dns.ts";
import { ETCD } from "../world/world.ts";
import type { Fault } from "./fault.ts";

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

/** Etcd answers after seconds. */
export const etcdSlow: Fault = {
  kind: "etcd-slow",
  hits: "etcd",
  begin({ network }, { size }) {
    network.way(ETCD, { latencyMs: 1_700 + 400 * size, jitterMs: 0, bytesPerMs: Infinity });
    return () => network.way(ETCD, undefined);
  },
};

/** Etcd forgets its history again and again, also what watches have not seen yet. */
export const etcdCompacted: Fault = {
  kind: "etcd-compacted",
  hits: "etcd",
  begin: ({ etcd }) => void etcd?.compact(),
};

/** Etcd is restored from a backup: what was written since then is lost, and revisions go back. */
export const etcdRestored: Fault = {
  kind: "etcd-restored",
  hits: "etcd",
  begin({ etcd }, { size }) {
    const backup = etcd?.backUp();
    return () => backup && void etcd?.restore(backup, { sameCluster: size < 0.5 });
  },
};

/** Etcd accepts no token that it gave. */
export const tokensLost: Fault = {
  kind: "tokens-lost",
  hits: "etcd",
  begin: ({ etcd }) => etcd?.users?.forgetTokens(),
};

/** Somebody has changed the password, and changes it back. */
export const wrongPassword: Fault = {
  kind: "wrong-password",
  hits: "etcd",
  begin({ etcd }) {
    const users = etcd?.users;
    if (users === undefined) return;
    users.password = "another";
    users.forgetTokens();
    return () => users.password = "secret";
  },
};

/** DNS fails, says nothing, or has no records. */
export const dnsSick: Fault = {
  kind: "dns-sick",
  hits: "dns",
  begin({ dns }, { size }) {
    if (dns === undefined) return;
    const all: DnsSickness[] = ["fails", "silent", "empty"];
    return dns.ail(all[Math.floor(size * all.length)]!);
  },
};
