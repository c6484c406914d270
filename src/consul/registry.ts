import { emit } from "../listener.ts";
import { checkOptions } from "../option.ts";
import { checkRegisterOptions, checkRenewOptions, checkServiceName } from "../registry/options.ts";
import type {
  ListedService,
  RegisterOptions,
  Registration,
  Registry,
  Renewal,
  RenewOptions,
} from "../registry/registry.ts";
import type { RegistrySnapshot } from "../registry/snapshot.ts";
import type { Resolution, Resolver } from "../resolver/resolver.ts";
import { type Clock, systemClock } from "../time/clock.ts";
import { Watchdog } from "../time/watchdog.ts";
import { ConsulAgent, type ConsulAnswer, ConsulError, type ConsulRequest, filteredError } from "./agent.ts";
import { definitionOf, idOf, type InstanceStyle, isAsDefined, record } from "./instance.ts";
import { CONSUL_OPTIONS, type ConsulRegistryOptions } from "./options.ts";
import { type QueryOptions, queryService } from "./query.ts";
import { deregister, pass, register } from "./requests.ts";
import { ConsulRegistration, type ConsulRegistrationContext } from "./registration.ts";
import { ConsulServiceWatch } from "./service-watch.ts";

/** How long `renew` and `deregister` may take, in milliseconds. */
const MOST_MS = 10_000;
/** How many services are read at a time for a list. */
const AT_ONCE = 8;
const NEVER = new AbortController().signal;

/** A registry in Consul, over the local agent. */
export class ConsulRegistry implements Registry {
  readonly #agent: ConsulAgent;
  readonly #style: InstanceStyle;
  readonly #clock: Clock;
  readonly #waitMs: number;
  readonly #query: QueryOptions;
  readonly #context: ConsulRegistrationContext;
  readonly #watches = new Map<string, ConsulServiceWatch>();
  readonly #registrations = new Set<ConsulRegistration>();
  /** The instances that were skipped, each reported once. */
  readonly #skipped = new Set<string>();
  #closing: Promise<void> | undefined;

  /** @throws TypeError or RangeError for an invalid option */
  constructor(options: ConsulRegistryOptions) {
    checkOptions("createConsulRegistry()", options, CONSUL_OPTIONS);
    const { agent: url = "http://127.0.0.1:8500", token, datacenter, tags = [], zoneKey = "zone", fetch } = options;
    const { onEvent, clock = systemClock, random = Math.random, waitMs = 60_000 } = options;
    this.#agent = new ConsulAgent({ url, token, fetch, clock });
    this.#style = { tags, zoneKey };
    this.#clock = clock;
    this.#waitMs = waitMs;
    this.#context = { agent: this.#agent, style: this.#style, clock, random, onEvent };
    const skipped = (service: string, key: string, cause: Error) => {
      const name = JSON.stringify([service, key, cause.message]);
      if (this.#skipped.has(name)) return;
      // Ids that come and go must not fill the memory.
      if (this.#skipped.size >= 1_000) this.#skipped.clear();
      this.#skipped.add(name);
      emit(onEvent, { type: "value-skipped", service, key, cause });
    };
    this.#query = { agent: this.#agent, style: this.#style, datacenter, skipped };
  }

  resolver(service: string): Resolver {
    checkServiceName(service);
    return {
      target: service,
      scheme: "consul",
      resolve: (signal) => this.#resolve(service, signal),
      list: async (signal) => {
        this.#checkOpen();
        const { endpoints } = await queryService(this.#query, service, {}, signal);
        return { endpoints };
      },
    };
  }

  register(options: RegisterOptions): Registration {
    const checked = checkRegisterOptions(options);
    this.#checkOpen();
    const registration = new ConsulRegistration(this.#context, checked, () => {
      this.#registrations.delete(registration);
    });
    this.#registrations.add(registration);
    return registration;
  }

  async renew(options: RenewOptions): Promise<Renewal> {
    const server = checkRenewOptions("renew()", options), definition = definitionOf(server, server, this.#style);
    this.#checkOpen();
    return await this.#inTime(async (signal) => {
      const found = await this.#unlessUnknown({ path: `agent/service/${encodeURIComponent(idOf(server))}` }, signal);
      if (found !== undefined && isAsDefined(found.body, definition)) {
        if (await this.#unlessUnknown(pass(server), signal) !== undefined) return "renewed";
      }
      await this.#agent.request(register(definition), signal);
      return "registered";
    });
  }

  async deregister(options: RenewOptions): Promise<void> {
    const server = checkRenewOptions("deregister()", options);
    this.#checkOpen();
    await this.#inTime((signal) => this.#unlessUnknown(deregister(server), signal));
  }

  async list(signal: AbortSignal): Promise<readonly ListedService[]> {
    this.#checkOpen();
    const { datacenter } = this.#query;
    const query = datacenter === undefined ? [] : [["dc", datacenter]] as const;
    const { body, filtered } = await this.#agent.request({ path: "catalog/services", query }, signal);
    const names = Object.keys(record(body)).sort(), listed: ListedService[] = [];
    if (filtered && names.length === 0) throw filteredError("services");
    for (let i = 0; i < names.length; i += AT_ONCE) {
      const read = names.slice(i, i + AT_ONCE).map(async (service) => {
        const { endpoints, entries } = await queryService(this.#query, service, { all: true }, signal);
        return { service, endpoints: endpoints.length, entries };
      });
      listed.push(...(await Promise.all(read)).filter(({ entries }) => entries > 0));
    }
    return listed;
  }

  snapshot(): RegistrySnapshot {
    return {
      nowMs: this.#clock.now(),
      registrations: [...this.#registrations].map((registration) => registration.snapshot()),
      watches: [...this.#watches].sort(([a], [b]) => a < b ? -1 : 1).map(([, watch]) => watch.snapshot()),
    };
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const cause = new Error("the registry was closed");
    await Promise.all([...this.#registrations].map((registration) => registration.close()));
    for (const watch of [...this.#watches.values()]) watch.close(cause);
  }

  /** All consumers of a service share one watch. */
  async *#resolve(service: string, signal: AbortSignal): AsyncGenerator<Resolution, void, undefined> {
    this.#checkOpen();
    let watch = this.#watches.get(service);
    if (watch === undefined) {
      const { clock, random, onEvent } = this.#context;
      const options = { query: this.#query, waitMs: this.#waitMs, clock, random, onEvent };
      watch = new ConsulServiceWatch(service, options, () => this.#watches.delete(service));
      this.#watches.set(service, watch);
    }
    yield* watch.consume(signal);
  }

  /** Makes a request; undefined if the agent does not know what it is about. */
  async #unlessUnknown(request: ConsulRequest, signal: AbortSignal): Promise<ConsulAnswer | undefined> {
    try {
      return await this.#agent.request(request, signal);
    } catch (error) {
      if (error instanceof ConsulError && error.unknown) return undefined;
      throw error;
    }
  }

  async #inTime<T>(operation: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const watchdog = new Watchdog(this.#clock, NEVER);
    watchdog.within(MOST_MS, () => new Error(`the Consul agent did not answer within ${MOST_MS} ms`));
    try {
      return await operation(watchdog.signal);
    } finally {
      watchdog.stop();
    }
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new Error("the registry is closed");
  }
}
