import { Code, ConnectError } from "@connectrpc/connect";
import type { Endpoint } from "../endpoint.ts";
import { emit } from "../listener.ts";
import type { RegistryEvent } from "../registry/event.ts";
import { grpclb } from "../registry/layout/grpclb.ts";
import type { Layout } from "../registry/layout/layout.ts";
import { checkRegisterOptions, checkRenewOptions, checkServiceName } from "../registry/options.ts";
import type { ListedService, RegisterOptions, Registration, Renewal, RenewOptions } from "../registry/registry.ts";
import type { RegistrySnapshot } from "../registry/snapshot.ts";
import type { ServiceConfigSource, ServiceConfigText } from "../resolver/config-source.ts";
import { markHopeless } from "../resolver/hopeless.ts";
import type { Resolution, Resolver } from "../resolver/resolver.ts";
import { type Clock, systemClock } from "../time/clock.ts";
import { EtcdClient } from "./client/client.ts";
import { checkConfigKey } from "./config-key.ts";
import type { RequestDriver } from "./driver/driver.ts";
import { parseEtcdEndpoints } from "./endpoints.ts";
import type { EtcdRegistry } from "./etcd-registry.ts";
import { listServices } from "./list-services.ts";
import { checkTogether, type EtcdRegistryOptions } from "./options.ts";
import { OneShot } from "./registration/one-shot.ts";
import { Entries } from "./watch/entries.ts";
import { listService, readKey } from "./watch/list.ts";

/** What is particular to the registries of one driver. */
export interface DriverTraits<Driver extends RequestDriver> {
  readonly createDriver: () => Driver;
  /** For drivers whose endpoints are other URLs than etcd's own. */
  readonly parseEndpoint?: (endpoint: unknown) => Endpoint;
}

/**
 * A registry in etcd for the requests of a Worker, to which sockets belong: each operation has a client of its own, and
 * nothing outlives it. There are no watches and no registrations, and none of their code: `registry.ts` adds them.
 */
export class RequestRegistry<Driver extends RequestDriver = RequestDriver> implements EtcdRegistry {
  protected readonly layout: Layout;
  protected readonly onEvent: ((event: RegistryEvent) => void) | undefined;
  protected readonly clock: Clock;
  protected readonly createClient: (options?: { readonly alone: boolean }) => EtcdClient<Driver>;
  /** The entries of earlier lists, so that the next one reports only newly skipped values. */
  readonly #lists = new Map<string, Entries>();
  #closing: Promise<void> | undefined;

  /**
   * The caller has checked each option by itself ({@link ETCD_REGISTRY_OPTIONS}).
   *
   * @throws TypeError or RangeError for invalid endpoints, and for options that can't be combined.
   */
  constructor({ createDriver, parseEndpoint }: DriverTraits<Driver>, options: EtcdRegistryOptions) {
    const endpoints = parseEtcdEndpoints(options.endpoints, parseEndpoint);
    checkTogether(options);
    const { prefix, layout = grpclb(prefix === undefined ? {} : { prefix }), username: name, password } = options;
    const { clock = systemClock, random = Math.random, requestTimeoutMs } = options;
    const user = name === undefined || password === undefined ? undefined : { name, password };
    this.layout = layout;
    this.onEvent = options.onEvent;
    this.clock = clock;
    const common = { endpoints, user, requestTimeoutMs, clock, random, state: {} };
    this.createClient = ({ alone } = { alone: false }) => new EtcdClient({ ...common, driver: createDriver(), alone });
  }

  resolver(service: string): Resolver {
    checkServiceName(service, this.layout);
    return {
      target: service,
      scheme: "etcd",
      resolve: (signal) => this.resolve(service, signal),
      list: async (signal) =>
        await this.once((client) => listService(client, this.layout.prefix(service), this.#listed(service), signal)),
      refresh: () => this.refresh(service),
    };
  }

  serviceConfig(key: string): ServiceConfigSource {
    checkConfigKey(key, this.layout);
    return {
      name: key,
      watch: (signal) => this.watchKey(key, signal),
      read: async (signal) => await this.once((client) => readKey(client, key, signal)),
    };
  }

  register(options: RegisterOptions): Registration {
    checkRegisterOptions(options, this.layout);
    throw endsWithRequest("a registration", "renew it with registry.renew() in a cron trigger");
  }

  async renew(options: RenewOptions): Promise<Renewal> {
    const checked = checkRenewOptions("renew()", options, this.layout);
    return await this.once((client) => new OneShot(client, this.layout, checked).renew());
  }

  async deregister(options: RenewOptions): Promise<void> {
    const checked = checkRenewOptions("deregister()", options, this.layout);
    await this.once((client) => new OneShot(client, this.layout, checked).deregister());
  }

  async list(signal: AbortSignal): Promise<readonly ListedService[]> {
    return await this.once((client) => listServices(client, this.layout, signal));
  }

  snapshot(): RegistrySnapshot {
    return { nowMs: this.clock.now(), registrations: [], watches: [] };
  }

  close(): Promise<void> {
    return this.#closing ??= this.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Watches a service. */
  // deno-lint-ignore require-yield -- like a watch, it fails when it is read
  protected async *resolve(_service: string, _signal: AbortSignal): AsyncGenerator<Resolution, void, undefined> {
    throw endsWithRequest("a watch", "read the endpoints with list(), as createWorkerTransport() does");
  }

  /** Watches the value of a key. */
  // deno-lint-ignore require-yield -- as above
  protected async *watchKey(_key: string, _signal: AbortSignal): AsyncGenerator<ServiceConfigText, void, undefined> {
    throw endsWithRequest("a watch", "read the config with list(), as createWorkerTransport() does");
  }

  /** Reads a watched service again. */
  protected refresh(_service: string): void {}

  /** One operation, on a client of its own. */
  protected async once<T>(operation: (client: EtcdClient<Driver>) => Promise<T>): Promise<T> {
    this.checkOpen();
    const client = this.createClient({ alone: true });
    try {
      return await operation(client);
    } finally {
      await client.close();
    }
  }

  protected checkOpen(): void {
    if (this.#closing !== undefined) throw new Error("the registry is closed");
  }

  /** Closes what it holds. */
  protected async end(): Promise<void> {}

  #listed(service: string): Entries {
    let entries = this.#lists.get(service);
    if (entries === undefined) {
      entries = new Entries(this.layout, service, (key, cause) => {
        emit(this.onEvent, { type: "value-skipped", service, key, cause });
      });
      this.#lists.set(service, entries);
    }
    return entries;
  }
}

/** The error for what needs a socket for longer: it would end silently with the request in which it began. */
function endsWithRequest(what: string, instead: string): ConnectError {
  const text = `in a Worker, ${what} would end with the request: ${instead}, or keep the registry in a Durable ` +
    `Object (createBalancerObject); only there, createObjectEtcdRegistry() allows it`;
  return markHopeless(new ConnectError(text, Code.FailedPrecondition));
}
