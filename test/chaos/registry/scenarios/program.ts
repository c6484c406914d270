// What happens to the program itself, or to its key.
import { setTimeout as sleep } from "node:timers/promises";
import type { RegistryScenario } from "../lab.ts";

/** How often a registration of a short TTL looks whether its key still stands, and its next round after that. */
const LOOK_MS = 5_000 + 1_000 + 500;

export const programFrozen: RegistryScenario = {
  name: "program-frozen",
  title: "the program itself frozen (SIGSTOP) for longer than its TTL (2 s)",
  bound: "after SIGCONT registered again under exactly one new lease, and fresh, within 5,000 ms",
  limitMs: 60_000,
  async run(lab) {
    const { gateway, etcd } = await lab.etcd();
    const clients = lab.open({ endpoints: [etcd.url], ttlSeconds: 2 });
    await lab.put(gateway, clients, "127.0.0.1:1");
    await lab.settled(clients, ["127.0.0.1:1"]);
    const before = new Set((await gateway.leases()).keys());
    for (const client of clients) client.freeze();
    await lab.put(gateway, clients, "127.0.0.1:2");
    await lab.each(clients, async (client) => {
      while ((await gateway.keys(client.key)).length > 0) await sleep(50);
    });
    await sleep(lab.quick ? 0 : 10_000);
    const thawedMs = Date.now();
    for (const client of clients) client.thaw();
    await lab.each(clients, async (client) => {
      client.figures.within("registered after", await client.registered(thawedMs) - thawedMs, 5_000);
      const all = [client.config.address!, "127.0.0.1:1", "127.0.0.1:2"];
      client.figures.within("fresh after", await client.sees(all) - thawedMs, 5_000);
      const leases = [...await gateway.leases()].filter(([id, keys]) => !before.has(id) && keys.includes(client.key));
      const [own] = await gateway.keys(client.key);
      const right = leases.length === 1 && leases[0]![0] === own?.lease;
      client.figures.none("wrong leases", right ? [] : leases.map(([id]) => id));
    });
    await lab.judge(clients, gateway);
  },
};

export const keyDeleted: RegistryScenario = {
  name: "key-deleted",
  title: "the key deleted by someone else",
  bound: `put again, on the same lease, within ${LOOK_MS.toLocaleString("en")} ms (TTL 2 s)`,
  limitMs: 60_000,
  async run(lab) {
    const { gateway, etcd } = await lab.etcd();
    const clients = lab.open({ endpoints: [etcd.url], ttlSeconds: 2 });
    await lab.settled(clients);
    const before = await lab.each(clients, (client) => gateway.keys(client.key));
    const goneMs = Date.now();
    await Promise.all(clients.map((client) => gateway.delete(client.key)));
    await lab.each(clients, async (client, i) => {
      // It is told of, and the set has it again: both by the program itself.
      const told = (type: string) => client.told(type, (m) => m.kind === "event" && m.type === type, goneMs, 20_000);
      await told("key-missing");
      client.figures.within("registered after", await told("registered") - goneMs, LOOK_MS);
      await client.sees([client.config.address!]);
      const [now] = await gateway.keys(client.key);
      client.figures.none("leases lost", now?.lease === before[i]![0]!.lease ? [] : ["the key is on another lease"]);
    });
    await lab.judge(clients, gateway);
  },
};

export const twoClaims: RegistryScenario = {
  name: "two-claims",
  title: "two programs claim one key",
  bound:
    `the last writer's key stays, the first reports within ${
      LOOK_MS.toLocaleString("en")
    } ms that its key was taken and does not fight; ` +
    `once the last is gone, the first takes the key back within ${LOOK_MS.toLocaleString("en")} ms`,
  limitMs: 90_000,
  async run(lab) {
    const { gateway, etcd } = await lab.etcd();
    const firsts = lab.open({ endpoints: [etcd.url], ttlSeconds: 2 });
    await lab.settled(firsts);
    const lasts = lab.open({ endpoints: [etcd.url], ttlSeconds: 2 });
    await lab.settled(lasts);
    const putMs = Date.now();
    const taken = await lab.each(firsts, async (first) => {
      const told = await first.told("taken", (m) => m.kind === "event" && m.type === "key-taken", 0, 20_000);
      first.figures.within("reported after", told - putMs, LOOK_MS);
      return (await gateway.keys(first.key))[0]!;
    });
    // Several times the interval in which either looks at the key.
    await sleep(lab.quick ? 3_000 : 15_000);
    await lab.each(firsts, async (first, i) => {
      const [now] = await gateway.keys(first.key);
      const rewrites = now?.modRevision === taken[i]!.modRevision ? [] : [JSON.stringify(now)];
      first.figures.none("fought over the key", rewrites);
      const complaints = lasts[i]!.all("event").filter(({ type }) => type === "key-taken" || type === "lease-lost");
      first.figures.none("complaints of the last", complaints.map((event) => JSON.stringify(event)));
    });
    const goneMs = Date.now();
    await lab.each(lasts, async (last) => {
      await last.close();
      last.judgeSilence();
    });
    await lab.each(firsts, async (first) => {
      first.figures.within("taken back after", await first.registered(goneMs) - goneMs, LOOK_MS);
    });
    await lab.judge(firsts, gateway);
  },
};
