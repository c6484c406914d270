import type { RegisterOptions, Registration } from "../registry/registry.ts";
import type { RegistrySnapshot } from "../registry/snapshot.ts";
import { checkRegisterOptions } from "../registry/options.ts";
import type { ServiceConfigText } from "../resolver/config-source.ts";
import type { Resolution } from "../resolver/resolver.ts";
import type { EtcdClient } from "./client/client.ts";
import type { EtcdDriver } from "./driver/driver.ts";
import type { EtcdRegistry } from "./etcd-registry.ts";
import type { EtcdRegistryOptions } from "./options.ts";
import { EtcdRegistration } from "./registration/registration.ts";
import { type DriverTraits, RequestRegistry } from "./request-registry.ts";
import { KeyWatch } from "./watch/key-watch.ts";
import { ServiceWatch } from "./watch/service-watch.ts";
import { WatchStreams } from "./watch/watch-streams.ts";

/** What is particular to the registries of one driver. */
export interface RegistryTraits extends Omit<DriverTraits<EtcdDriver>, "createDriver"> {
  /**
   * Whether each operation other than a watch or a registration has a client of its own, which is closed with it.
   * Defaults to false: all share one.
   */
  readonly aloneOnce?: boolean;
}

/**
 * Creates a registry in etcd over a driver. It does nothing until its first resolver is read or its first `register`.
 * The caller has checked each option by itself (`ETCD_REGISTRY_OPTIONS`); combinations are checked here.
 *
 * @throws TypeError or RangeError for invalid endpoints, and for options that can't be combined.
 */
export function createRegistryOver(
  createDriver: () => EtcdDriver,
  options: EtcdRegistryOptions,
  traits: RegistryTraits = {},
): EtcdRegistry {
  return new WatchingRegistry({ createDriver, ...traits }, options);
}

/** A registry that watches services and keeps servers registered. */
class WatchingRegistry extends RequestRegistry<EtcdDriver> {
  readonly #aloneOnce: boolean;
  readonly #watches = new Map<string, ServiceWatch>();
  readonly #keyWatches = new Map<string, KeyWatch>();
  readonly #registrations = new Set<EtcdRegistration>();
  #client: EtcdClient | undefined;
  #streams: WatchStreams | undefined;

  constructor(
    { aloneOnce = false, ...traits }: DriverTraits<EtcdDriver> & RegistryTraits,
    options: EtcdRegistryOptions,
  ) {
    super(traits, options);
    this.#aloneOnce = aloneOnce;
  }

  override register(options: RegisterOptions): Registration {
    const checked = checkRegisterOptions(options, this.layout);
    const client = this.#open();
    const registration = new EtcdRegistration(client, this.layout, checked, this.onEvent, () => {
      this.#registrations.delete(registration);
    });
    this.#registrations.add(registration);
    return registration;
  }

  override snapshot(): RegistrySnapshot {
    return {
      nowMs: this.clock.now(),
      registrations: [...this.#registrations].map((registration) => registration.snapshot()),
      watches: [...this.#watches.keys()].sort().map((service) => this.#watches.get(service)!.snapshot()),
    };
  }

  /** All consumers of a service share one watch. */
  protected override async *resolve(
    service: string,
    signal: AbortSignal,
  ): AsyncGenerator<Resolution, void, undefined> {
    const streams = this.#openStreams();
    let watch = this.#watches.get(service);
    if (watch === undefined) {
      watch = new ServiceWatch(streams, service, this.layout, this.onEvent, () => this.#watches.delete(service));
      this.#watches.set(service, watch);
    }
    yield* watch.consume(signal);
  }

  /** All consumers of a key share one watch. */
  protected override async *watchKey(
    key: string,
    signal: AbortSignal,
  ): AsyncGenerator<ServiceConfigText, void, undefined> {
    const streams = this.#openStreams();
    let watch = this.#keyWatches.get(key);
    if (watch === undefined) {
      watch = new KeyWatch(streams, key, this.onEvent, () => this.#keyWatches.delete(key));
      this.#keyWatches.set(key, watch);
    }
    yield* watch.consume(signal);
  }

  protected override refresh(service: string): void {
    this.#watches.get(service)?.refresh();
  }

  protected override async once<T>(operation: (client: EtcdClient<EtcdDriver>) => Promise<T>): Promise<T> {
    return await (this.#aloneOnce ? super.once(operation) : operation(this.#open()));
  }

  protected override async end(): Promise<void> {
    await Promise.all([...this.#registrations].map((registration) => registration.close()));
    for (const watch of [...this.#watches.values(), ...this.#keyWatches.values()]) {
      watch.close(new Error("the registry was closed"));
    }
    await this.#client?.close();
  }

  #open(): EtcdClient {
    this.checkOpen();
    return this.#client ??= this.createClient();
  }

  #openStreams(): WatchStreams {
    const client = this.#open();
    return this.#streams ??= new WatchStreams(client);
  }
}
