import { Code, ConnectError, createContextKey, createContextValues, type HandlerContext } from "@connectrpc/connect";
import { createConnectDriver } from "../../../src/etcd/driver/connect/connect-driver.ts";
import { etcdLinkOptions } from "../../../src/etcd/driver/connect/link-options.ts";
import { createRegistryOver } from "../../../src/etcd/registry.ts";
import type { Registration, Registry } from "../../../src/registry/registry.ts";
import { createServerOver, type GrpcServer } from "../../../src/server/grpc-server.ts";
import type { ByteStream } from "../../../src/http2/byte-stream.ts";
import { recordCallMetrics } from "../../../src/server/load-metrics.ts";
import { type LoadReports, reportLoad } from "../../../src/server/load-report.ts";
import { sleep } from "../../../src/time/backoff.ts";
import type { ServerPlan } from "../plan/plan.ts";
import { simulatedConnector } from "./connector.ts";
import type { CallRecord } from "./ledger.ts";
import type { Process } from "./process.ts";
import { Simulated } from "./service.ts";
import { SharedSleep } from "./shared-sleep.ts";
import { ETCD, otherServices, SERVICE, type World } from "./world.ts";

/** By which connection a call came. */
const CONNECTION = createContextKey("");
/** GOAWAY with PROTOCOL_ERROR, after the highest stream. */
const GOAWAY = Uint8Array.of(0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1);

/** A server at an address: one process after another. */
export class SimulatedServer {
  readonly plan: ServerPlan;
  readonly address: string;
  readonly #world: World;
  process: Process | undefined;
  grpc: GrpcServer | undefined;
  #registry: Registry | undefined;
  registration: Registration | undefined;
  #reports: LoadReports | undefined;
  #sharedSleep: SharedSleep | undefined;
  /** The share of calls that it answers with an error, and that it takes so many times longer for. */
  failing = 0;
  slowness = 1;
  /** How long its handlers take to read a message of a stream. */
  readsMs = 0;
  /** How many bytes the messages of its streams have in addition. */
  bulkBytes = 0;
  /** How busy it says it is, instead of the truth; from a call. */
  lie: (() => number) | undefined;
  #starts = 0;
  /** All connections that it ever had, and whose they were. */
  readonly #ends: { readonly stream: ByteStream; readonly from: string }[] = [];

  constructor(world: World, plan: ServerPlan) {
    this.#world = world;
    this.plan = plan;
    this.address = plan.address;
  }

  get running(): boolean {
    return this.process !== undefined && !this.process.dead;
  }

  start(): void {
    if (this.running) return;
    const world = this.#world, { plan, address } = this;
    const process = world.process(address, `${address}#${this.#starts++}`);
    const random = process.chance.of("server").next;
    const { clock, scheduleFlush, nextTurn } = process;
    const { maxConcurrentStreams, maxConnectionAgeMs, maxConnectionIdleMs, windowBytes } = plan;
    const reports = this.#reports = plan.reportsLoad ? reportLoad({ clock, minReportIntervalMs: 1_000 }) : undefined;
    // In place of what is measured, which differs between runs.
    reports?.set({ cpuUtilization: 0.5 });
    const grpc = createServerOver({
      routes: (router) => {
        router.service(Simulated, {
          read: (request, context) => this.#answer(process, request.data, context),
          write: (request, context) => this.#answer(process, request.data, context),
          list: (request, context) => this.#list(process, request.data, context),
          chat: (requests, context) => this.#chat(process, requests, context),
        });
      },
      clock,
      contextValues: ({ peer }) => createContextValues().set(CONNECTION, peer.address!),
      maxConnectionAgeMs,
      maxConnectionIdleMs,
      ...(maxConnectionAgeMs === undefined ? {} : { maxConnectionAgeGraceMs: 10_000 }),
      limits: { maxConcurrentStreams, connectionWindowBytes: windowBytes },
      ...(reports === undefined ? {} : { loadReports: reports }),
    }, {
      listen: () => Promise.reject(new Error("not here")),
      scheduleFlush,
      scheduleStreamFlush: scheduleFlush,
      nextTurn,
      http1: undefined,
      random,
    });
    this.#sharedSleep = plan.answersEveryMs === undefined ? undefined : new SharedSleep(clock, plan.answersEveryMs);
    this.process = process;
    this.grpc = grpc;
    world.network.listen(address, {
      process,
      accept: (stream, from) => grpc.serveConnection(stream, { address: `${this.#ends.push({ stream, from }) - 1}` }),
    });
    world.trace.note(address, "listens");
    if (world.etcd !== undefined) this.#register(process);
  }

  #register(process: Process): void {
    const world = this.#world, { address } = this;
    const connector = simulatedConnector(process, address, world.network, etcdLinkOptions({}));
    const env = { clock: process.clock, random: process.chance.of("registry").next };
    this.#registry = createRegistryOver(() => createConnectDriver(connector, env), {
      endpoints: [`http://${ETCD}`],
      ...world.etcd?.users && { username: process.name, password: "secret" },
      ...env,
      onEvent: (event) => world.registryEvent(address, event),
    });
    this.registration = this.#registry.register({ service: SERVICE, address, ttlSeconds: this.plan.ttlSeconds });
    this.registration.ready.catch(() => {});
    if (world.servers[0] !== this) return;
    for (const service of otherServices(world.plan)) this.#registry.register({ service, address, ttlSeconds: 600 });
  }

  /** Ends as programs do that are asked to. */
  async drain(): Promise<void> {
    const { process, grpc, registration, address } = this, world = this.#world;
    if (process === undefined || process.dead || grpc === undefined) return;
    world.trace.note(address, "drains");
    await registration?.close();
    await sleep(process.clock, 500, undefined);
    world.network.close(address, process);
    await Promise.race([grpc.close(), sleep(process.clock, this.plan.drainMs ?? 10_000, undefined)]);
    grpc.closeAllConnections();
    await this.#registry?.close();
    await sleep(process.clock, 10, undefined);
    if (!process.dead) this.#end("exits");
  }

  /** Ends at once; its machine goes on. */
  kill(): void {
    if (this.running) this.#end("is killed");
  }

  /** The machine is gone. */
  vanish(): void {
    this.#world.network.down(this.address);
    if (this.running) this.#end("vanishes");
  }

  #end(how: string): void {
    this.#world.network.close(this.address, this.process!);
    this.process!.die();
    this.#world.trace.note(this.address, how);
  }

  /** Says that it is as busy as this instead of what is true, also beside the calls; undefined: ends that. */
  lies(busy: (() => number) | undefined): void {
    this.lie = busy;
    this.#reports?.set({ applicationUtilization: busy?.() });
  }

  /** The client at the other end of one of its connections, by the address that it knows of it. */
  clientAt(address: string | undefined): string {
    return this.#ends[Number(address)]!.from;
  }

  async #work(process: Process, id: string, context: HandlerContext): Promise<void> {
    const { values } = context, world = this.#world, { chance } = process;
    const call = world.processing(id, this.address);
    if (call?.poisonous) this.#endConnection(call, this.#ends[Number(values.get(CONNECTION))]!.stream);
    const workMs = chance.between(0, 2 * this.plan.workMs) * this.slowness;
    // A handler asks for no signal unless it waits for one: each costs much.
    const signal = workMs > 0 && this.#sharedSleep === undefined ? context.signal : undefined;
    if (signal !== undefined) await sleep(process.clock, workMs, signal);
    else if (workMs > 0) await this.#sharedSleep!.sleep(workMs);
    if (this.lie !== undefined) recordCallMetrics(context, { applicationUtilization: this.lie() });
    signal?.throwIfAborted();
    if (this.failing > 0 && chance.is(this.failing)) {
      throw new ConnectError("the server is sick", chance.one([Code.Unavailable, Code.Internal, Code.DataLoss]));
    }
  }

  /** Ends a connection because of a call, as servers do that can't read a request. */
  #endConnection(call: CallRecord, end: ByteStream): void {
    if (!this.#world.network.blocked(this.address, call.client)) call.poisoned++;
    end.write(GOAWAY);
    end.destroy();
  }

  async #answer(process: Process, data: string, context: HandlerContext): Promise<{ value: string }> {
    const id = idOf(data);
    await this.#work(process, id, context);
    return { value: id + "!".repeat(data.length & 0xff) };
  }

  async *#list(process: Process, data: string, context: HandlerContext): AsyncGenerator<{ value: string }> {
    const id = idOf(data), messages = process.chance.whole(0, 20);
    await this.#work(process, id, context);
    for (let i = 0; i < messages; i++) {
      if (process.chance.is(0.3)) await sleep(process.clock, process.chance.between(0, 100), context.signal);
      yield { value: id + "#".repeat((process.chance.is(0.02) ? 50_000 : 10) + this.bulkBytes) };
    }
  }

  async *#chat(
    process: Process,
    requests: AsyncIterable<{ data: string }>,
    context: HandlerContext,
  ): AsyncGenerator<{ value: string }> {
    let first = true;
    for await (const { data } of requests) {
      if (first) await this.#work(process, idOf(data), context);
      first = false;
      if (this.readsMs > 0) await sleep(process.clock, this.readsMs, context.signal);
      yield { value: data + "#".repeat(this.bulkBytes) };
    }
  }
}

/** A request holds its call's id, and some ballast. */
function idOf(data: string): string {
  const end = data.indexOf(" ");
  return end < 0 ? data : data.slice(0, end);
}
