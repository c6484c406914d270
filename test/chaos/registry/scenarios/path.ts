// The path to etcd breaks, in ways that TCP tells at once and in ways that it never tells.
import { setTimeout as sleep } from "node:timers/promises";
import type { RegistryScenario } from "../lab.ts";

/** The longest back-off and slack for a machine whose cores are all busy. */
const BACK_MS = 2_000 + 500;
/** How soon a silent path is noticed and left. */
const SILENT_MS = 10_000;

export const compacted: RegistryScenario = {
  name: "compacted",
  title: "history compacted while the connection was cut",
  bound: `the set as it is now within ${BACK_MS.toLocaleString("en")} ms of the path's return, in one step`,
  limitMs: 60_000,
  async run(lab) {
    const { etcd, gateway } = await lab.etcd();
    const proxies = await lab.proxies(etcd.url);
    const clients = lab.open({ ttlSeconds: 15 }, (i) => ({ endpoints: [proxies[i]!.address] }));
    await Promise.all([1, 2].map((n) => lab.put(gateway, clients, `127.0.0.1:${n}`)));
    await lab.settled(clients, ["127.0.0.1:1", "127.0.0.1:2"]);
    await Promise.all(proxies.map((proxy) => proxy.refuse()));
    for (const proxy of proxies) proxy.cut();
    await lab.each(clients, (client) => client.told("stale", (m) => m.kind === "set" && m.stale));
    await Promise.all(clients.map((client) => gateway.delete(`${client.prefix}127.0.0.1:1`)));
    await lab.put(gateway, clients, "127.0.0.1:3");
    await gateway.compact();
    await Promise.all(proxies.map((proxy) => proxy.listen()));
    const backMs = Date.now();
    await lab.each(clients, async (client) => {
      const now = [client.config.address!, "127.0.0.1:2", "127.0.0.1:3"];
      client.figures.within("fresh after", await client.sees(now) - backMs, BACK_MS);
      const between = client.all("set", backMs).filter(({ addresses }) =>
        addresses?.includes("127.0.0.1:1") !== addresses?.includes("127.0.0.1:3") ? false : true
      );
      client.figures.none("incomplete sets", between.map((set) => JSON.stringify(set)));
      const told = client.events("watch-restarted").some(({ cause }) => /compacted/.test(cause ?? ""));
      if (!told) client.figures.fail("it did not say that the history was compacted");
    });
    await lab.put(gateway, clients, "127.0.0.1:4");
    await lab.judge(clients, gateway);
  },
};

export const cutInCatchUp: RegistryScenario = {
  name: "cut-in-catch-up",
  title: "the connection cut three times during a 5,000-event catch-up",
  bound: "all 5,000 events seen within 20 s of the path's return",
  limitMs: 90_000,
  async run(lab) {
    const { etcd, gateway } = await lab.etcd();
    const proxies = await lab.proxies(etcd.url);
    const clients = lab.open({ service: "many" }, (i) => ({ endpoints: [proxies[i]!.address] }));
    await gateway.put("/grpclb/many/first", "127.0.0.1:1");
    await lab.settled(clients, ["127.0.0.1:1"]);
    await Promise.all(proxies.map((proxy) => proxy.refuse()));
    for (const proxy of proxies) proxy.cut();
    await lab.each(clients, (client) => client.told("stale", (m) => m.kind === "set" && m.stale));
    // Each key is written twice, so that a lost event shows as the key's former value.
    const keys = lab.quick ? 1_250 : 2_500;
    for (const from of [10_000, 20_000]) {
      const entry = (i: number) => [`/grpclb/many/${i}`, `127.0.0.1:${from + i}`] as const;
      await gateway.putAll(Array.from({ length: keys }, (_, i) => entry(i)));
    }
    // When this is there, so is all before it.
    await gateway.put("/grpclb/many/last", "127.0.0.1:2");
    // etcd sends a catch-up in batches of 1,000 revisions, about 47 KB each.
    const cuts = lab.quick ? [30_000] : [30_000, 30_000, 30_000];
    for (const proxy of proxies) proxy.cutAfter(...cuts);
    await Promise.all(proxies.map((proxy) => proxy.listen()));
    const backMs = Date.now();
    await lab.each(clients, async (client) => {
      client.figures.within("caught up after", await client.counts(keys + 2, 30_000) - backMs, 20_000);
      const connected = client.all("event", backMs).filter(({ cause }) => !/ECONNREFUSED/.test(cause ?? ""));
      const cut = connected.filter(({ type }) => type === "watch-restarted");
      client.figures.atLeast("cuts", cut.length, cuts.length);
    });
    await lab.judge(clients, gateway);
  },
};

export const largeCatchUp: RegistryScenario = {
  name: "large-catch-up",
  title: "a catch-up of 1,000 events above 4 MiB in one batch",
  bound: "all seen within 10 s of the path's return; the receive limit is never reached",
  limitMs: 90_000,
  async run(lab) {
    const { etcd, gateway } = await lab.etcd();
    const proxies = await lab.proxies(etcd.url);
    const clients = lab.open({ service: "large" }, (i) => ({ endpoints: [proxies[i]!.address] }));
    await gateway.put("/grpclb/large/first", "127.0.0.1:1");
    await lab.settled(clients, ["127.0.0.1:1"]);
    await Promise.all(proxies.map((proxy) => proxy.refuse()));
    for (const proxy of proxies) proxy.cut();
    await lab.each(clients, (client) => client.told("stale", (m) => m.kind === "set" && m.stale));
    const Metadata = { filling: "x".repeat(6_000) };
    const value = (port: number) => JSON.stringify({ Addr: `127.0.0.1:${port}`, Metadata });
    await gateway.putAll(Array.from({ length: 1_000 }, (_, i) => [`/grpclb/large/${i}`, value(10_000 + i)]));
    await Promise.all(proxies.map((proxy) => proxy.listen()));
    const backMs = Date.now();
    await lab.each(clients, async (client) => {
      client.figures.within("caught up after", await client.counts(1_001, 30_000) - backMs, 10_000);
      const limits = client.all("event").filter(({ cause }) => /exhausted|limit|larger/i.test(cause ?? ""));
      client.figures.none("limits reached", limits.map((event) => JSON.stringify(event)));
    });
    await lab.judge(clients, gateway);
  },
};

export const blackHole: RegistryScenario = {
  name: "black-hole",
  title: "the path to the etcd endpoint in use drops everything",
  bound: `events come by another endpoint within ${
    SILENT_MS.toLocaleString("en")
  } ms; the key (TTL 15 s) keeps its lease throughout`,
  limitMs: 60_000,
  async run(lab) {
    const { etcd, gateway } = await lab.etcd();
    const proxies = await lab.proxies(etcd.url);
    const others = await lab.proxies(etcd.url);
    const endpoints = (i: number) => [proxies[i]!.address, others[i]!.address];
    const clients = lab.open({ ttlSeconds: 15, fromFirst: true }, (i) => ({ endpoints: endpoints(i) }));
    await lab.settled(clients);
    const before = await lab.each(clients, (client) => gateway.keys(client.key));
    const goneMs = Date.now();
    for (const proxy of proxies) proxy.blackHole();
    await lab.put(gateway, clients, "127.0.0.1:1");
    await lab.each(clients, async (client) => {
      const seen = await client.sees([client.config.address!, "127.0.0.1:1"]);
      client.figures.within("back after", seen - goneMs, SILENT_MS);
    });
    // Twice the lease's time: it is kept alive by the other endpoint.
    await sleep(lab.quick ? 0 : Math.max(0, goneMs + 20_000 - Date.now()));
    await lab.each(clients, async (client, i) => {
      const [now] = await gateway.keys(client.key);
      client.figures.none("leases lost", now?.lease === before[i]![0]!.lease ? [] : ["the key is on another lease"]);
    });
    await lab.judge(clients, gateway);
  },
};

export const halfOpen: RegistryScenario = {
  name: "half-open",
  title: "connections to the only etcd endpoint half open: silent forever, while new ones work",
  bound: `events come again within ${SILENT_MS.toLocaleString("en")} ms; the key (TTL 15 s) keeps its lease`,
  limitMs: 60_000,
  async run(lab) {
    const { etcd, gateway } = await lab.etcd();
    const proxies = await lab.proxies(etcd.url);
    const clients = lab.open({ ttlSeconds: 15 }, (i) => ({ endpoints: [proxies[i]!.address] }));
    await lab.settled(clients);
    const before = await lab.each(clients, (client) => gateway.keys(client.key));
    const goneMs = Date.now();
    for (const proxy of proxies) proxy.halfOpen();
    await lab.put(gateway, clients, "127.0.0.1:1");
    await lab.each(clients, async (client, i) => {
      const seen = await client.sees([client.config.address!, "127.0.0.1:1"]);
      client.figures.within("back after", seen - goneMs, SILENT_MS);
      const [now] = await gateway.keys(client.key);
      client.figures.none("leases lost", now?.lease === before[i]![0]!.lease ? [] : ["the key is on another lease"]);
    });
    await lab.judge(clients, gateway);
  },
};
