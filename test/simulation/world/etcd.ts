import { type Client, createClient } from "@connectrpc/connect";
import { KV, Maintenance } from "../../../gen/etcd/rpc_pb.ts";
import { createMemoryEtcd, type MemoryEtcd } from "../../../src/memory-etcd/memory-etcd.ts";
import { createServerOver } from "../../../src/server/grpc-server.ts";
import { type Backup, backUp, compact, restore } from "./etcd-backup.ts";
import { EtcdUsers } from "./etcd-users.ts";
import type { Process } from "./process.ts";
import { ETCD, type World } from "./world.ts";

/** An etcd: what it knows outlives its processes. */
export class SimulatedEtcd {
  readonly #world: World;
  readonly #disk: Process;
  #data: MemoryEtcd;
  /** What is asked for its keys; of this data. */
  #kv: Client<typeof KV> | undefined;
  /** What the cluster's id and the member's come from. */
  #identity: readonly number[] = [];
  readonly users: EtcdUsers | undefined;
  process: Process | undefined;
  #starts = 0;

  constructor(world: World) {
    this.#world = world;
    this.#disk = world.process(ETCD, "etcd's disk");
    const { etcdUsers } = world.plan;
    if (etcdUsers !== undefined) this.users = new EtcdUsers(etcdUsers);
    this.#data = this.#fresh(false);
  }

  #fresh(sameCluster: boolean): MemoryEtcd {
    const { clock, chance } = this.#disk;
    if (!sameCluster) this.#identity = [chance.next(), chance.next()];
    this.#kv = undefined;
    const first = [...this.#identity];
    const data = createMemoryEtcd({ clock, random: () => first.shift() ?? chance.next(), keepRevisions: 100 });
    // It chooses its ids with the first answer.
    createClient(Maintenance, data.transport()).status({}).catch(() => {});
    return data;
  }

  get running(): boolean {
    return this.process !== undefined && !this.process.dead;
  }

  /** The keys that it has, also while nothing can reach it. */
  async keys(): Promise<string[]> {
    const all = new Uint8Array(1);
    this.#kv ??= createClient(KV, this.#data.transport());
    const { kvs } = await this.#kv.range({ key: all, rangeEnd: all, keysOnly: true });
    return kvs.map(({ key }) => new TextDecoder().decode(key));
  }

  start(): void {
    if (this.running) return;
    const world = this.#world, process = world.process(ETCD, `etcd#${this.#starts++}`);
    const { clock, scheduleFlush, nextTurn } = process;
    this.users?.forgetTokens();
    const routes = this.users?.guard(this.#data.routes, process) ?? this.#data.routes;
    const server = createServerOver({
      routes,
      clock,
      keepalive: { minPingIntervalMs: 5_000 },
      limits: { maxConcurrentStreams: world.plan.etcdStreams ?? 100 },
    }, {
      listen: () => Promise.reject(new Error("not here")),
      scheduleFlush,
      scheduleStreamFlush: scheduleFlush,
      nextTurn,
      http1: undefined,
      random: process.chance.of("server").next,
    });
    this.process = process;
    world.network.listen(ETCD, { process, accept: (stream) => server.serveConnection(stream) });
    world.trace.note("etcd", "listens");
  }

  kill(): void {
    if (!this.running) return;
    this.#world.network.close(ETCD, this.process!);
    this.process!.die();
    this.#world.trace.note("etcd", "is killed");
  }

  /** It is killed, and what it knew is lost. */
  wipe(): void {
    this.kill();
    void this.#data.close();
    this.#data = this.#fresh(false);
    this.#world.trace.note("etcd", "is wiped");
  }

  /** What it holds now. */
  backUp(): Promise<Backup> {
    return backUp(this.#data);
  }

  /** It is killed, and starts with what it held once: as another cluster, as etcd's own tool does it, or the same. */
  async restore(backup: Promise<Backup>, { sameCluster }: { readonly sameCluster: boolean }): Promise<void> {
    this.kill();
    void this.#data.close();
    this.#data = this.#fresh(sameCluster);
    await restore(this.#data, await backup);
    this.#world.trace.note("etcd", "is restored");
    this.start();
  }

  /** It forgets all revisions but the newest, while watches go on. */
  async compact(): Promise<void> {
    await compact(this.#data);
  }

  close(): void {
    this.kill();
    void this.#data.close();
  }
}
