import type { BalancerEvent } from "../../../src/balancer/event.ts";
import type { Attempt, AttemptStart } from "../../../src/call/observer.ts";
import type { RegistryEvent } from "../../../src/registry/event.ts";
import { processLoans } from "../../../src/http2/lender.ts";
import { queues } from "../../../src/etcd/client/authentication-queue.ts";
import { turnIsOver } from "../../../src/grpc/reading-turn.ts";
import { Chance } from "../chance/chance.ts";
import { VirtualClock } from "../clock/virtual-clock.ts";
import { faultOf } from "../faults/faults.ts";
import { INVARIANTS } from "../invariants/invariants.ts";
import type { Watch } from "../invariants/invariant.ts";
import { Network } from "../network/network.ts";
import type { Plan } from "../plan/plan.ts";
import { Trace } from "../trace/trace.ts";
import { SimulatedClient } from "./client.ts";
import { SimulatedDns } from "./dns.ts";
import { SimulatedEtcd } from "./etcd.ts";
import { type CallRecord, Ledger } from "./ledger.ts";
import { Process } from "./process.ts";
import { SimulatedServer } from "./server.ts";

export const ETCD = "etcd:2379";
export const SERVICE = "simulated";

/** The services besides that, which clients only follow. */
export function otherServices({ followed = 0 }: Plan): string[] {
  return Array.from({ length: followed }, (_, i) => `${SERVICE}-${i}`);
}

/** An invariant that did not hold. */
export interface Broken {
  readonly invariant: string;
  readonly what: string;
  readonly atMs: number;
}

/** How often invariants may look. */
const TICK_MS = 5_000;

/** All that there is in a simulation. */
export class World {
  readonly plan: Plan;
  readonly time: VirtualClock = new VirtualClock();
  readonly chance: Chance;
  readonly trace: Trace;
  readonly network: Network;
  readonly ledger: Ledger;
  readonly etcd: SimulatedEtcd | undefined;
  readonly dns: SimulatedDns | undefined;
  readonly servers: readonly SimulatedServer[];
  readonly clients: readonly SimulatedClient[];
  /** How often each kind of fault has begun. */
  readonly begun: Map<string, number> = new Map();
  /** The first invariant that did not hold. */
  failure: Broken | undefined;
  readonly #processes: Process[] = [];
  readonly #watches: readonly Watch[];
  /** Those that hear of calls: most don't. */
  readonly #began: readonly NonNullable<Watch["began"]>[];
  readonly #processing: readonly NonNullable<Watch["processing"]>[];
  readonly #ended: readonly NonNullable<Watch["ended"]>[];
  #still = false;

  constructor(plan: Plan, traced: boolean) {
    this.plan = plan;
    this.chance = new Chance(plan.seed);
    this.trace = new Trace(() => this.time.now(), traced);
    this.ledger = new Ledger(traced);
    this.network = new Network(this.time, this.chance.of("network"), this.trace);
    Object.assign(this.network.usual, { latencyMs: plan.latencyMs, jitterMs: plan.jitterMs });
    processLoans.bytes = 0;
    queues.clear();
    // A run begins with a turn of its own.
    turnIsOver(Infinity);
    if (plan.dnsTtlMs !== undefined) this.dns = new SimulatedDns(this, plan.dnsTtlMs);
    if (plan.etcd) this.etcd = new SimulatedEtcd(this);
    this.servers = plan.servers.map((server) => new SimulatedServer(this, server));
    this.clients = plan.clients.map((client) => new SimulatedClient(this, client));
    const watches = this.#watches = INVARIANTS.map((invariant) => invariant.watch(this));
    this.#began = watches.flatMap(({ began }) => began ?? []);
    this.#processing = watches.flatMap(({ processing }) => processing ?? []);
    this.#ended = watches.flatMap(({ ended }) => ended ?? []);
    this.network.onDial = (from, address) => {
      for (const watch of this.#watches) watch.dial?.(from, address);
    };
  }

  /** Processes that have not ended. */
  get processes(): readonly Process[] {
    return this.#processes.filter(({ dead }) => !dead);
  }

  process(role: string, name: string): Process {
    const process = new Process(name, this.time, this.chance.of(name).of(role));
    this.#processes.push(process);
    return process;
  }

  server(address: string): SimulatedServer {
    return this.servers.find((server) => server.address === address)!;
  }

  client(name: string): SimulatedClient {
    return this.clients.find(({ plan }) => plan.name === name)!;
  }

  #tick(): void {
    this.time.timer(TICK_MS, () => {
      if (this.#still) return;
      for (const watch of this.#watches) watch.tick?.();
      this.#tick();
    });
  }

  /** Starts everything, and the faults at their times. */
  start(): void {
    this.#tick();
    this.etcd?.start();
    for (const server of this.servers) server.start();
    for (const client of this.clients) client.start();
    for (const fault of this.plan.faults) {
      this.time.timer(fault.atMs, () => {
        this.trace.note(fault.who, `${fault.kind} until ${fault.untilMs}`);
        this.begun.set(fault.kind, (this.begun.get(fault.kind) ?? 0) + 1);
        const end = faultOf(fault.kind).begin(this, fault);
        if (end === undefined) return;
        this.time.timer(fault.untilMs - fault.atMs, () => {
          this.trace.note(fault.who, `${fault.kind} is over`);
          end();
        });
      });
    }
  }

  /** A call is made. */
  began(call: CallRecord): void {
    this.ledger.began(call);
    for (const began of this.#began) began(call);
  }

  /** A server begins to process a call. Returns which it is. */
  processing(id: string, server: string): CallRecord | undefined {
    const call = this.ledger.find(id);
    if (call === undefined) {
      this.broken("processed-once", `${server} processes ${id}, which nobody made`);
      return undefined;
    }
    this.ledger.processing(call, server);
    for (const processing of this.#processing) processing(call);
    return call;
  }

  /** An attempt of a call begins. The returned function is called at its end. */
  attempt(call: CallRecord, start: AttemptStart): (attempt: Attempt) => void {
    for (const watch of this.#watches) watch.attempt?.(call, start);
    return (attempt) => {
      for (const watch of this.#watches) watch.attempted?.(call, attempt);
    };
  }

  /** The registry of a client or a server reports something. */
  registryEvent(who: string, event: RegistryEvent): void {
    this.trace.note(who, event.type);
    for (const watch of this.#watches) watch.registryEvent?.(who, event);
  }

  /** A client's transport reports something. */
  event(client: string, event: BalancerEvent): void {
    const text = event.type === "connection-state" ? ` ${event.endpoint.address} ${event.to}` : "";
    this.trace.note(client, event.type + text);
    for (const watch of this.#watches) watch.event?.(client, event);
  }

  /** A call has ended. */
  ended(call: CallRecord): void {
    this.ledger.ended(call, this.time.now());
    this.trace.note(call.id, `${call.kind} ${call.code ?? "ok"} ${call.processed.join(" ")}`);
    for (const ended of this.#ended) ended(call);
  }

  /** All faults are over, and nobody makes calls. */
  async quiet(): Promise<void> {
    for (const watch of this.#watches) await watch.quiet?.();
  }

  /** Nobody has made calls for a while. */
  still(): void {
    this.#still = true;
    for (const watch of this.#watches) watch.still?.();
  }

  /** All clients are closed. */
  closed(): void {
    for (const watch of this.#watches) watch.closed?.();
  }

  /** An invariant does not hold: the run ends here. */
  broken(invariant: string, what: string): void {
    if (this.failure !== undefined) return;
    this.failure = { invariant, what, atMs: this.time.now() };
    this.trace.note("broken", `${invariant}: ${what}`);
  }
}
