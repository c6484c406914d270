import { type CallOptions, type Client, ConnectError, createClient, createContextKey } from "@connectrpc/connect";
import { balance } from "../../../src/call/options.ts";
import type { CallObserver } from "../../../src/call/observer.ts";
import { hedging } from "../../../src/call/adaptive-hedging.ts";
import { readMark } from "../../../src/connection/mark.ts";
import { createConnectDriver } from "../../../src/etcd/driver/connect/connect-driver.ts";
import { etcdLinkOptions } from "../../../src/etcd/driver/connect/link-options.ts";
import { createRegistryOver } from "../../../src/etcd/registry.ts";
import type { Registry } from "../../../src/registry/registry.ts";
import type { Resolver } from "../../../src/resolver/resolver.ts";
import { staticResolver } from "../../../src/resolver/static.ts";
import { type BalancedTransport, createBalancedTransport } from "../../../src/transport/transport.ts";
import { sleep } from "../../../src/time/backoff.ts";
import { collect } from "../guard/globals.ts";
import type { ClientPlan } from "../plan/plan.ts";
import { simulatedConnector } from "./connector.ts";
import type { CallKind, CallRecord } from "./ledger.ts";
import type { Process } from "./process.ts";
import { POLICIES } from "./policies.ts";
import { Simulated } from "./service.ts";
import { ETCD, otherServices, SERVICE, type World } from "./world.ts";

/** How many keys calls have: few enough that some with the same one wait together. */
const KEYS = 10;

/** Where some calls are given up, one of so many others could be. */
const SIGNALLED = 4;

/** The call that an attempt belongs to. */
const CALL = createContextKey<CallRecord | undefined>(undefined);

/** A client: a transport, and a program that makes calls. */
export class SimulatedClient {
  readonly plan: ClientPlan;
  readonly process: Process;
  readonly transport: BalancedTransport;
  readonly #world: World;
  readonly #registry: Registry | undefined;
  readonly #client: Client<typeof Simulated>;
  #calls = 0;
  /** How many of its calls are in flight. */
  inFlight = 0;
  /** How long it takes to read a message of a stream. */
  readsMs = 0;
  /** Whether it makes calls. */
  busy = true;
  /** The share of its calls that make servers end their connections. */
  poisonous = 0;
  /** The addresses of the services besides that it calls. */
  readonly others: Map<string, string> = new Map();
  readonly #stop = new AbortController();

  constructor(world: World, plan: ClientPlan) {
    this.#world = world;
    this.plan = plan;
    const { name } = plan, { network } = world;
    const process = this.process = world.process(name, name);
    const { clock, chance } = process, random = chance.of("transport").next;
    if (world.etcd !== undefined) {
      const connector = simulatedConnector(process, name, network, etcdLinkOptions({}));
      const env = { clock, random: chance.of("registry").next };
      this.#registry = createRegistryOver(() => createConnectDriver(connector, env), {
        endpoints: [`http://${ETCD}`],
        ...world.etcd.users && { username: process.name, password: "secret" },
        ...env,
        onEvent: (event) => world.registryEvent(name, event),
      });
    }
    this.transport = createBalancedTransport({
      resolver: this.#registry?.resolver(SERVICE) ?? world.dns?.resolver(process) ??
        staticResolver(world.plan.servers.map(({ address }) => address)),
      connector: simulatedConnector(process, name, network, {
        keepalive: { intervalMs: plan.keepaliveMs },
        maxAgeMs: plan.maxAgeMs,
        maxConnectionsPerEndpoint: plan.connections,
        limits: { connectionWindowBytes: plan.windowBytes },
      }),
      policy: POLICIES[plan.policy]!(),
      ...(plan.retry ? {} : { retry: false }),
      ...(plan.hedge ? { hedge: hedging() } : {}),
      ...(plan.ejects ? {} : { ejectOutliers: false }),
      ...(plan.maxInFlight === undefined ? {} : { maxInFlight: plan.maxInFlight }),
      ...(plan.maxInFlightPerEndpoint === undefined ? {} : { maxInFlightPerEndpoint: plan.maxInFlightPerEndpoint }),
      waitForReady: plan.waitForReady,
      ...(plan.waitTimeoutMs === undefined ? {} : { waitTimeoutMs: plan.waitTimeoutMs }),
      clock,
      random,
      onEvent: (event) => world.event(name, event),
      // Calls that nobody observes are made in other ways: both have their share.
      ...(plan.observed ?? chance.of("observed").is(0.5) ? { observers: [this.#observer()] } : {}),
    });
    this.#client = createClient(Simulated, this.transport);
  }

  start(): void {
    this.#next();
    if (this.#registry === undefined) return;
    for (const service of otherServices(this.#world.plan)) {
      this.others.set(service, "");
      void this.#follow(service, this.#registry.resolver(service));
    }
  }

  #observer(): CallObserver {
    return {
      attemptStarted: (start) => {
        const call = start.contextValues.get(CALL);
        return call && this.#world.attempt(call, start);
      },
    };
  }

  #next(): void {
    const { callsPerSecond, callsAtOnce = 1, mostInFlight, kinds } = this.plan, { clock, chance } = this.process;
    clock.timer(chance.between(0, 2_000 * callsAtOnce / callsPerSecond), () => {
      if (!this.busy) return;
      for (let i = 0; i < callsAtOnce && this.inFlight < mostInFlight; i++) void this.call(chance.one(kinds));
      this.#next();
    });
  }

  async #follow(service: string, resolver: Resolver): Promise<void> {
    for await (const { endpoints = [] } of resolver.resolve(this.#stop.signal)) {
      this.others.set(service, endpoints.map(({ address }) => address).join(" "));
    }
  }

  /** Makes a call. Never rejects. */
  async call(kind: CallKind, timeoutMs: number = this.plan.timeoutMs): Promise<CallRecord> {
    const world = this.#world, { name, givesUp, asksAnew = false } = this.plan, { clock, chance } = this.process;
    const call: CallRecord = {
      id: `${name}/${this.#calls++}`,
      client: name,
      kind,
      key: `${(this.#calls - 1) % KEYS}`,
      startedMs: world.time.now(),
      timeoutMs,
      givenUp: false,
      over: false,
      processed: [],
      poisonous: this.poisonous > 0 && chance.is(this.poisonous),
      poisoned: 0,
      ends: 0,
      endedMs: undefined,
      code: undefined,
      error: undefined,
      mark: undefined,
    };
    world.began(call);
    this.inFlight++;
    const streams = kind === "list" || kind === "chat";
    const gives = givesUp > 0 && chance.is(givesUp);
    // Calls without a signal are made in other ways, and cost less: both have their share.
    const signalled = streams || gives || givesUp > 0 && this.#calls % SIGNALLED === 0;
    const abort = signalled ? new AbortController() : undefined;
    const givingUp = gives
      ? clock.timer(chance.between(0, timeoutMs), () => {
        call.givenUp = true;
        abort?.abort();
        if (asksAnew && this.busy) void this.call(chance.one(this.plan.kinds));
      })
      : undefined;
    const data = chance.is(0.01) ? `${call.id} ${"x".repeat(chance.scale(1_000, 200_000))}` : call.id;
    try {
      const options = balance(
        { hashKey: call.key },
        abort === undefined ? { timeoutMs } : { timeoutMs, signal: abort.signal },
      );
      options.contextValues?.set(CALL, call);
      await this.#make(kind, data, options, call, abort);
    } catch (error) {
      call.error = error;
      call.code = ConnectError.from(error).code;
      call.mark = readMark(error);
    }
    givingUp?.cancel();
    this.inFlight--;
    world.ended(call);
    return call;
  }

  async #make(
    kind: CallKind,
    data: string,
    options: CallOptions,
    call: CallRecord,
    abort: AbortController | undefined,
  ): Promise<void> {
    const { clock, chance } = this.process;
    if (kind === "read" || kind === "write") {
      const { value } = await this.#client[kind]({ data }, options);
      if (!value.startsWith(call.id)) {
        this.#world.broken("answers-are-real", `${call.id} got the answer ${value.slice(0, 40)}`);
      }
      return;
    }
    // Not through Connect's client, which hides what its reader lets go of.
    const input = kind === "list" ? [{ data }] : this.#requests(data);
    const { signal, timeoutMs, contextValues } = options, method = Simulated.method[kind];
    const opening = this.transport.stream(method, signal, timeoutMs, undefined, iterable(input), contextValues);
    if (chance.is(0.05)) {
      // Some look for the response later. Until then nobody handles a failure, nor can say that the call is over.
      call.over = true;
      await new Promise<void>((resolve) => clock.timer(chance.between(0, 10_000), resolve));
    } else opening.catch(() => call.over = true);
    const { message } = await opening;
    const abandoned = chance.is(0.1) ? chance.whole(0, 5) : Infinity;
    const iterator = message[Symbol.asyncIterator]();
    for (let i = 0;; i++) {
      if (i >= abandoned) {
        call.givenUp = true;
        // Some who stop reading say so, and some are just gone.
        if (chance.is(0.5)) return abort?.abort();
        clock.timer(chance.between(0, 5_000), () => {
          collect(message);
          collect(iterator);
        });
        return;
      }
      const { done, value } = await iterator.next();
      if (done === true) return;
      if (!value.value.startsWith(call.id)) {
        this.#world.broken("answers-are-real", `${call.id} got another call's message`);
      }
      if (this.readsMs > 0) await sleep(clock, this.readsMs, undefined);
      if (chance.is(0.05)) await new Promise<void>((resolve) => clock.timer(chance.between(0, 500), resolve));
    }
  }

  async *#requests(data: string): AsyncGenerator<{ data: string }> {
    const { clock, chance } = this.process;
    for (let i = chance.whole(1, 5); i > 0; i--) {
      yield { data };
      if (chance.is(0.3)) await new Promise<void>((resolve) => clock.timer(chance.between(0, 300), resolve));
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.transport.close();
    await this.#registry?.close();
  }
}

async function* iterable<T>(messages: Iterable<T> | AsyncIterable<T>): AsyncGenerator<T> {
  yield* messages;
}
