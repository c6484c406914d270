import { createClient } from "@connectrpc/connect";
import { createMemoryEtcd, type MemoryEtcd } from "../../../src/memory-etcd/memory-etcd.ts";
import { createServerOver } from "../../../src/server/grpc-server.ts";
import { KV } from "../../../gen/etcd/rpc_pb.ts";
import type { Process } from "./process.ts";
import { ETCD, type World } from "./world.ts";

/** An etcd: what it knows outlives its processes. */
export class SimulatedEtcd {
  readonly #world: World;
  readonly #disk: Process;
  #data: MemoryEtcd;
  process: Process | undefined;
  #starts = 0;

  constructor(world: World) {
    this.#world = world;
    this.#disk = world.process(ETCD, "etcd's disk");
    this.#data = this.#fresh();
  }

  #fresh(): MemoryEtcd {
    return createMemoryEtcd({ clock: this.#disk.clock, random: this.#disk.chance.next, keepRevisions: 100 });
  }

  get running(): boolean {
    return this.process !== undefined && !this.process.dead;
  }

  /** The keys that it has, whoever can reach it. */
  async keys(): Promise<string[]> {
    const all = new Uint8Array(1);
    const { kvs } = await createClient(KV, this.#data.transport()).range({ key: all, rangeEnd: all, keysOnly: true });
    return kvs.map(({ key }) => new TextDecoder().decode(key));
  }

  start(): void {
    if (this.running) return;
    const world = this.#world, process = world.process(ETCD, `etcd#${this.#starts++}`);
    const { clock, scheduleFlush, nextTurn } = process;
    const server = createServerOver({
      routes: this.#data.routes,
      clock,
      keepalive: { minPingIntervalMs: 5_000 },
      limits: { maxConcurrentStreams: world.plan.etcdStreams },
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
    this.#data = this.#fresh();
    this.#world.trace.note("etcd", "is wiped");
  }

  close(): void {
    this.kill();
    void this.#data.close();
  }
}
