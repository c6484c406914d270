// An etcd with users.
import { setTimeout as sleep } from "node:timers/promises";
import type { RegistryScenario } from "../lab.ts";

const user = { username: "root", password: "secret" };
/** How long a refused user waits before the next try, and slack. */
const REFUSED_MS = 30_000 + 1_000;

export const tokenLost: RegistryScenario = {
  name: "token-lost",
  title: "the token made invalid by a restart of etcd",
  bound: "a new one is fetched: fresh within 5,500 ms, the key (TTL 15 s) on its lease, no refusal reported",
  limitMs: 60_000,
  async run(lab) {
    const { gateway, etcd } = await lab.etcd();
    await gateway.enableAuth(user.password);
    const clients = lab.open({ endpoints: [etcd.url], ttlSeconds: lab.outlastingTtl, user });
    await lab.settled(clients);
    const before = await lab.each(clients, (client) => gateway.keys(client.key));
    await etcd.restart();
    const upMs = Date.now();
    gateway.login(user.username, user.password);
    await lab.put(gateway, clients, "127.0.0.1:1");
    await lab.each(clients, async (client) => {
      const seen = await client.sees([client.config.address!, "127.0.0.1:1"]);
      client.figures.within("fresh after", seen - upMs, 5_500);
    });
    // Until the registration has looked at its key, for which it needs the new token.
    await sleep(lab.quick ? 0 : 8_000);
    await lab.each(clients, async (client, i) => {
      const [now] = await gateway.keys(client.key);
      client.figures.none("leases lost", now?.lease === before[i]![0]!.lease ? [] : ["the key is on another lease"]);
      client.figures.none("refusals", client.events("auth-refused").map(({ cause }) => String(cause)));
    });
    await lab.judge(clients, gateway);
  },
};

export const wrongPassword: RegistryScenario = {
  name: "wrong-password",
  title: "a wrong password, corrected in etcd later",
  bound: `said within 5,000 ms; tried every 30 s only (at most twice by each loop in 35 s); ` +
    `registered and fresh within ${REFUSED_MS.toLocaleString("en")} ms after it was corrected`,
  limitMs: 120_000,
  async run(lab) {
    const { gateway, etcd } = await lab.etcd();
    await gateway.enableAuth(user.password);
    const startMs = Date.now();
    const wrong = { ...user, password: "new secret" };
    const clients = lab.open({ endpoints: [etcd.url], ttlSeconds: 2, user: wrong });
    await lab.each(clients, async (client) => {
      const said = await client.told("refused", (m) => m.kind === "event" && m.type === "auth-refused", 0, 20_000);
      client.figures.within("said after", said - client.all("started")[0]!.atMs, 5_000);
    });
    await sleep(Math.max(0, startMs + 36_000 - Date.now()));
    await lab.each(clients, async (client) => {
      // Two loops: the watch and the registration.
      client.figures.atMost("refusals", client.events("auth-refused").length, 4);
      const known = client.all("set").filter(({ count }) => count !== undefined);
      client.figures.none("sets out of nothing", known.map((set) => JSON.stringify(set)));
    });
    await gateway.call("auth/user/changepw", { name: wrong.username, password: wrong.password });
    gateway.login(wrong.username, wrong.password);
    const rightMs = Date.now();
    await lab.each(clients, async (client) => {
      const registered = await client.registered(0, 40_000);
      client.figures.within("registered after", registered - rightMs, REFUSED_MS);
      const seen = await client.sees([client.config.address!], 40_000);
      client.figures.within("fresh after", seen - rightMs, REFUSED_MS);
    });
    await lab.judge(clients, gateway);
  },
};
