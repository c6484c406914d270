// A cluster of three, of which the member that carries the watch goes bad in different ways.
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "../../../support/eventually.ts";
import type { Etcd } from "../../../support/etcd.ts";
import { Gateway } from "../gateway.ts";
import type { RegistryScenario } from "../lab.ts";

const TTL_SECONDS = 15;

export const withoutQuorum: RegistryScenario = memberGoesBad({
  name: "without-quorum",
  title: "the member in use is cut off from the other two: it answers, but has no quorum",
  withinMs: 6_000,
  async happen({ isolate }) {
    isolate(0);
  },
});

export const memberKilled: RegistryScenario = memberGoesBad({
  name: "member-killed",
  title: "the member in use killed, one of three",
  withinMs: 4_000,
  async happen({ members }) {
    await members[0]!.kill();
  },
});

export const memberFrozen: RegistryScenario = memberGoesBad({
  name: "member-frozen",
  title: "the member in use frozen with SIGSTOP, one of three",
  withinMs: 10_000,
  async happen({ members }) {
    members[0]!.pause();
  },
});

interface Mishap {
  readonly name: string;
  readonly title: string;
  /** How soon the watch must be on another member, the choice of a new leader included. */
  readonly withinMs: number;
  happen(cluster: { readonly members: readonly Etcd[]; isolate(member: number): void }): Promise<void>;
}

function memberGoesBad({ name, title, withinMs, happen }: Mishap): RegistryScenario {
  return {
    name,
    title,
    bound: `the watch is on another member within ${withinMs.toLocaleString("en")} ms; ` +
      `the key (TTL ${TTL_SECONDS} s) keeps its lease throughout`,
    limitMs: 90_000,
    async run(lab) {
      const cluster = await lab.cluster();
      const [first, second] = cluster.members as [Etcd, Etcd];
      const clients = lab.open({
        endpoints: cluster.members.map(({ url }) => url),
        ttlSeconds: TTL_SECONDS,
        fromFirst: true,
      });
      const gateway = new Gateway(second.url);
      await lab.put(gateway, clients, "127.0.0.1:1");
      await lab.settled(clients, ["127.0.0.1:1"]);
      const before = await lab.each(clients, (client) => gateway.keys(client.key));
      await checkWatched(first, clients.length);
      const sinceMs = Date.now();
      await happen(cluster);
      // The rest of the cluster may have to choose a leader first.
      await eventually("the others serve", () => lab.put(gateway, clients, "127.0.0.1:2").then(() => true), 20_000);
      await lab.each(clients, async (client) => {
        await client.sees([client.config.address!, "127.0.0.1:1", "127.0.0.1:2"], 30_000);
        const fresh = client.events("set-fresh", sinceMs).at(-1)?.atMs ?? NaN;
        client.figures.within("on another after", fresh - sinceMs, withinMs);
      });
      // Twice the lease's time, in which it must have been kept alive.
      await sleep(lab.quick ? 0 : Math.max(0, sinceMs + 2_000 * TTL_SECONDS - 5_000 - Date.now()));
      await lab.each(clients, async (client, i) => {
        const [now] = await gateway.keys(client.key);
        client.figures.none("leases lost", now?.lease === before[i]![0]!.lease ? [] : ["the key is on another lease"]);
        const less = client.all("set", sinceMs).filter(({ count = 0 }) => count < 2);
        client.figures.none("sets with endpoints missing", less.map((set) => JSON.stringify(set)));
      });
      await lab.judge(clients, gateway);
    },
  };
}

/** Looks whether a member has the watches of all clients, as it says in its metrics. */
async function checkWatched(member: Etcd, count: number): Promise<void> {
  await eventually(`${count} watches on ${member.name}`, async () => {
    const metrics = await (await fetch(`${member.url}/metrics`)).text();
    return Number(/^etcd_debugging_mvcc_watcher_total (\d+)/m.exec(metrics)?.[1]) >= count;
  });
}
