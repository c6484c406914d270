// etcd itself goes away, with what it stored or without.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { etcdctl, restoreSnapshot } from "../../../support/etcd.ts";
import type { Client } from "../client.ts";
import type { Gateway } from "../gateway.ts";
import type { Lab, RegistryScenario } from "../lab.ts";

/** The longest back-off, the wait for an answer that never comes, and slack for a machine whose cores are all busy. */
const BACK_MS = 2_000 + 3_000 + 500;
/** A history that was overtaken shows only in the list that follows a cut, 5 s later at most. */
const OVERTAKEN_MS = 5_000 + BACK_MS;

export const killedBriefly: RegistryScenario = {
  name: "killed-briefly",
  title: "etcd killed, and back before the TTL (15 s) has passed",
  bound: `the set and the key remain, on the same lease; fresh again within ${BACK_MS.toLocaleString("en")} ms`,
  limitMs: 60_000,
  async run(lab) {
    const { etcd, gateway } = await lab.etcd();
    const clients = lab.open({ endpoints: [etcd.url], ttlSeconds: lab.outlastingTtl });
    await lab.put(gateway, clients, "127.0.0.1:1");
    await lab.settled(clients, ["127.0.0.1:1"]);
    const before = await lab.each(clients, (client) => gateway.keys(client.key));
    await etcd.kill();
    await lab.each(clients, (client) => client.told("stale", (m) => m.kind === "set" && m.stale));
    await sleep(lab.quick ? 1_000 : 5_000);
    await etcd.restart();
    await recovered(lab, clients, gateway, { freshMs: BACK_MS });
    await lab.each(clients, async (client, i) => {
      const [now] = await gateway.keys(client.key);
      client.figures.none("leases lost", now?.lease === before[i]![0]!.lease ? [] : ["the key is on another lease"]);
      neverLess(client, 2);
    });
    await lab.judge(clients, gateway);
  },
};

export const killedLong: RegistryScenario = {
  name: "killed-long",
  title: "etcd killed for longer than the TTL (2 s)",
  bound: `reported as suspect; registered and fresh again within ${BACK_MS.toLocaleString("en")} ms`,
  limitMs: 60_000,
  async run(lab) {
    const { etcd, gateway } = await lab.etcd();
    const clients = lab.open({ endpoints: [etcd.url], ttlSeconds: 2 });
    await lab.put(gateway, clients, "127.0.0.1:1");
    await lab.settled(clients, ["127.0.0.1:1"]);
    await etcd.kill();
    await lab.each(clients, (client) => client.told("suspect", (m) => m.kind === "state" && m.state === "suspect"));
    await sleep(lab.quick ? 1_000 : 6_000);
    await etcd.restart();
    await recovered(lab, clients, gateway, { freshMs: BACK_MS, registeredMs: BACK_MS });
    await lab.each(clients, async (client) => neverLess(client, 1));
    await lab.judge(clients, gateway);
  },
};

export const wiped: RegistryScenario = {
  name: "wiped",
  title: "etcd's data directory wiped",
  bound: `only what is there now in the set, and registered again under a new lease (TTL 15 s), within ${
    BACK_MS.toLocaleString("en")
  } ms`,
  limitMs: 60_000,
  async run(lab) {
    const { etcd, gateway } = await lab.etcd();
    const clients = lab.open({ endpoints: [etcd.url], ttlSeconds: 15 });
    await Promise.all([1, 2, 3].map((n) => lab.put(gateway, clients, `127.0.0.1:${n}`)));
    await lab.settled(clients, ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]);
    await etcd.restart({ wipe: true });
    await recovered(lab, clients, gateway, { freshMs: BACK_MS, registeredMs: BACK_MS, others: [] });
    await lab.judge(clients, gateway);
  },
};

export const restored: RegistryScenario = {
  name: "restored",
  title: "etcd restored from a snapshot of a lower revision, under the same cluster id",
  bound: `registered again within ${BACK_MS.toLocaleString("en")} ms, the restored set seen within ${
    OVERTAKEN_MS.toLocaleString("en")
  } ms`,
  limitMs: 60_000,
  run: (lab) => restore(lab, 0),
};

export const overtaken: RegistryScenario = {
  name: "overtaken",
  title: "the same, and written to until its revision is higher again before the program is back",
  bound: restored.bound,
  limitMs: 60_000,
  run: (lab) => restore(lab, 100),
};

/** `writes`: how many revisions the restored etcd gets before the clients can reach it. */
async function restore(lab: Lab, writes: number): Promise<void> {
  const { etcd, gateway } = await lab.etcd();
  const proxies = await lab.proxies(etcd.url);
  const clients = lab.open({ ttlSeconds: 15 }, (i) => ({ endpoints: [proxies[i]!.address] }));
  // Before anybody registered: the snapshot knows neither key nor lease.
  await lab.put(gateway, clients, "127.0.0.1:1");
  const snapshot = join(etcd.dataDir, "..", `${etcd.port}.snapshot`);
  lab.defer(() => rm(snapshot, { force: true }));
  await etcdctl(etcd, "snapshot", "save", snapshot);
  const peerUrl = await peerUrlOf(gateway);
  await lab.put(gateway, clients, "127.0.0.1:2");
  await Promise.all(clients.map((client) => gateway.delete(`${client.prefix}127.0.0.1:1`)));
  await lab.settled(clients, ["127.0.0.1:2"]);
  const clusterId = await clusterIdOf(gateway);
  const revision = await gateway.revision();
  await Promise.all(proxies.map((proxy) => proxy.refuse()));
  await etcd.kill();
  await rm(etcd.dataDir, { recursive: true });
  await restoreSnapshot(snapshot, [
    `--data-dir=${etcd.dataDir}`,
    `--name=${etcd.name}`,
    `--initial-cluster=${etcd.name}=${peerUrl}`,
    `--initial-cluster-token=${etcd.name}=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
  ]);
  await etcd.restart();
  if (await clusterIdOf(gateway) !== clusterId) throw new Error("the restored etcd has another cluster id");
  for (let i = 0; i < writes; i++) await gateway.put("/elsewhere", String(i));
  if (await gateway.revision() > revision !== writes > 0) throw new Error("the revision is not as it is to be");
  await Promise.all(proxies.map((proxy) => proxy.listen()));
  await recovered(lab, clients, gateway, {
    freshMs: OVERTAKEN_MS,
    registeredMs: BACK_MS,
    others: ["127.0.0.1:1"],
  });
  await lab.judge(clients, gateway);
}

export const awayAtStart: RegistryScenario = {
  name: "away-at-start",
  title: "etcd down when the program starts, and up later",
  bound: `nothing is known until then (no empty set); registered and fresh within ${BACK_MS.toLocaleString("en")} ms`,
  limitMs: 60_000,
  async run(lab) {
    const { etcd, gateway } = await lab.etcd();
    await etcd.kill();
    const clients = lab.open({ endpoints: [etcd.url], ttlSeconds: 15 });
    await lab.each(clients, async (client) => {
      await client.told("stale", (m) => m.kind === "set" && m.stale, 0, 20_000);
      await client.told("failed", (m) => m.kind === "event" && m.type === "registration-failed");
      const known = client.all("set").filter(({ count }) => count !== undefined);
      client.figures.none("sets out of nothing", known.map((set) => JSON.stringify(set)));
    });
    await sleep(lab.quick ? 500 : 8_000);
    await etcd.restart();
    const upMs = Date.now();
    await lab.put(gateway, clients, "127.0.0.1:1");
    await lab.each(clients, async (client) => {
      client.figures.within("registered after", await client.registered() - upMs, BACK_MS);
      client.figures.within("fresh after", await client.sees(both(client)) - upMs, BACK_MS);
    });
    await lab.judge(clients, gateway);
  },
};

/** etcd serves again: writes another key, and measures how long each takes to see it beside what else there is. */
async function recovered(
  lab: Lab,
  clients: readonly Client[],
  gateway: Gateway,
  bounds: { freshMs: number; registeredMs?: number; others?: readonly string[] },
): Promise<void> {
  const upMs = Date.now();
  await lab.put(gateway, clients, "127.0.0.1:9");
  const { others = ["127.0.0.1:1"], freshMs, registeredMs } = bounds;
  await lab.each(clients, async (client) => {
    if (registeredMs !== undefined) {
      const key = await keyStands(client, gateway, upMs);
      client.figures.within("registered after", key, registeredMs);
    }
    const all = [client.config.address!, "127.0.0.1:9", ...others];
    client.figures.within("fresh after", await client.sees(all) - upMs, freshMs);
  });
}

/** Waits until the client says it is registered, and its key stands; returns how long that took. */
async function keyStands(client: Client, gateway: Gateway, sinceMs: number): Promise<number> {
  const deadlineMs = sinceMs + 30_000;
  while (Date.now() < deadlineMs) {
    const state = client.all("state").at(-1)?.state;
    if (state === "registered" && (await gateway.keys(client.key)).length === 1) return Date.now() - sinceMs;
    await sleep(20);
  }
  throw new Error(`not registered again within 30 s; states: ${client.all("state").map(({ state }) => state)}`);
}

function both(client: Client): readonly string[] {
  return [client.config.address!, "127.0.0.1:1"];
}

/** Once it had that many endpoints, a set never had fewer. */
function neverLess(client: Client, count: number): void {
  const sets = client.all("set").map((set) => set.count ?? 0);
  const full = sets.findIndex((size) => size >= count);
  const less = sets.slice(full).filter((size) => size < count);
  client.figures.none("sets with endpoints missing", less.map((size) => `a set of ${size}`));
}

async function peerUrlOf(gateway: Gateway): Promise<string> {
  const { members } = await gateway.call("cluster/member/list") as { members: { peerURLs: string[] }[] };
  return members[0]!.peerURLs[0]!;
}

async function clusterIdOf(gateway: Gateway): Promise<string> {
  const { header } = await gateway.call("kv/range", { key: "eA==" }) as { header: { cluster_id: string } };
  return header.cluster_id;
}
