import { Code, ConnectError } from "@connectrpc/connect";
import type { Endpoint } from "../endpoint.ts";
import { emit } from "../listener.ts";
import type { RegistryEvent } from "../registry/event.ts";
import {
  anything,
  type Checks,
  clock as aClock,
  fn,
  kind,
  makes,
  random as aRandom,
  required,
  secret,
  text,
  time,
} from "../option.ts";
import { grpclb } from "../registry/layout/grpclb.ts";
import type { Layout } from "../registry/layout/layout.ts";
import { checkRegisterOptions, checkRenewOptions, checkServiceName } from "../registry/options.ts";
import type {
  ListedService,
  RegisterOptions,
  Registration,
  Registry,
  Renewal,
  RenewOptions,
} from "../registry/registry.ts";
import { markHopeless } from "../resolver/hopeless.ts";
import type { Resolution, Resolver } from "../resolver/resolver.ts";
import { type Clock, MAX_DELAY_MS, systemClock } from "../time/clock.ts";
import { EtcdClient } from "./client/client.ts";
import type { EtcdDriver } from "./driver/driver.ts";
import { parseEtcdEndpoints } from "./endpoints.ts";
import { listServices } from "./list-services.ts";
import { OneShot } from "./registration/one-shot.ts";
import { EtcdRegistration } from "./registration/registration.ts";
import { Entries } from "./watch/entries.ts";
import { listService } from "./watch/list.ts";
import { ServiceWatch } from "./watch/service-watch.ts";
import { WatchStreams } from "./watch/watch-streams.ts";

/** The options of a registry in etcd, whichever driver it uses: how it is reached, and how its keys are spelled. */
export interface EtcdRegistryOptions {
  /** etcd's client URLs: `http://…` or `https://…`, or `host:port`. When one fails, the next one is tried. */
  readonly endpoints: readonly string[];
  /** The spelling of keys and values. Defaults to `grpclb()`. */
  readonly layout?: Layout;
  /** The prefix of the default layout: short for `layout: grpclb({ prefix })`. Defaults to "/grpclb". */
  readonly prefix?: string;
  /** An etcd user; needs `password`. */
  readonly username?: string;
  /** The user's password; needs `username`. The user needs permission to read and write the layout's keys. */
  readonly password?: string;
  /**
   * How long etcd may take to answer a list or to open a watch, in milliseconds, before another endpoint or a new
   * connection is tried. Raise it for an etcd that is far away or overloaded. Defaults to 3,000.
   *
   * A registration's requests may take half of its TTL, but at least this long and, unless this is longer, at most 10
   * s. An authentication may take 60 s, or this if it is longer, because etcd is slow at checking passwords.
   */
  readonly requestTimeoutMs?: number;
  /** Called with every event of the registry. Without it nothing is logged. */
  readonly onEvent?: (event: RegistryEvent) => void;
  /** The clock of all timers. Defaults to the runtime's. */
  readonly clock?: Clock;
  /** Returns a number in [0, 1). Defaults to `Math.random`. */
  readonly random?: () => number;
}

/**
 * How long what a registry holds may live:
 *
 * - `object`: as long as the registry;
 * - `request`: no longer than the operation that needs it, as sockets belong to requests; there are no watches and no
 *   registrations;
 * - `either`: that of operations as with `request`, that of watches and registrations as with `object`.
 */
export type Lifetime = "object" | "request" | "either";

/** What is particular to the registries of one driver. */
export interface RegistryTraits {
  /** For drivers whose endpoints are other URLs than etcd's own. */
  readonly parseEndpoint?: (endpoint: unknown) => Endpoint;
  /** Defaults to "object". */
  readonly lifetime?: Lifetime;
}

/**
 * Creates a registry in etcd over a driver. It does nothing until its first resolver is read or its first `register`.
 * The caller has checked each option by itself ({@link ETCD_REGISTRY_OPTIONS}); combinations are checked here.
 *
 * @throws TypeError or RangeError for invalid endpoints, and for options that can't be combined.
 */
export function createRegistryOver(
  createDriver: () => EtcdDriver,
  options: EtcdRegistryOptions,
  { parseEndpoint, lifetime = "object" }: RegistryTraits = {},
): Registry {
  const endpoints = parseEtcdEndpoints(options.endpoints, parseEndpoint);
  return new EtcdRegistry(createDriver, options, endpoints, lifetime);
}

class EtcdRegistry implements Registry {
  readonly #lifetime: Lifetime;
  readonly #layout: Layout;
  readonly #onEvent: ((event: RegistryEvent) => void) | undefined;
  readonly #createClient: (options?: { readonly alone: boolean }) => EtcdClient;
  readonly #watches = new Map<string, ServiceWatch>();
  /** The entries of earlier lists, so that the next one reports only newly skipped values. */
  readonly #lists = new Map<string, Entries>();
  readonly #registrations = new Set<Registration>();
  #client: EtcdClient | undefined;
  #streams: WatchStreams | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    createDriver: () => EtcdDriver,
    options: EtcdRegistryOptions,
    endpoints: readonly Endpoint[],
    lifetime: Lifetime,
  ) {
    checkTogether(options);
    const { prefix, layout = grpclb(prefix === undefined ? {} : { prefix }), username: name, password } = options;
    const { clock = systemClock, random = Math.random, requestTimeoutMs } = options;
    const user = name === undefined || password === undefined ? undefined : { name, password };
    this.#lifetime = lifetime;
    this.#layout = layout;
    this.#onEvent = options.onEvent;
    const common = { endpoints, user, requestTimeoutMs, clock, random, state: {} };
    this.#createClient = ({ alone } = { alone: false }) => new EtcdClient({ ...common, driver: createDriver(), alone });
  }

  resolver(service: string): Resolver {
    checkServiceName(service, this.#layout);
    return {
      target: service,
      resolve: (signal) => this.#resolve(service, signal),
      list: async (signal) =>
        await this.#once((client) => listService(client, this.#layout.prefix(service), this.#listed(service), signal)),
      refresh: () => this.#watches.get(service)?.refresh(),
    };
  }

  register(options: RegisterOptions): Registration {
    const checked = checkRegisterOptions(options, this.#layout);
    this.#refuseInRequest("a registration", "renew it with registry.renew() in a cron trigger");
    const client = this.#open();
    const registration = new EtcdRegistration(client, this.#layout, checked, this.#onEvent, () => {
      this.#registrations.delete(registration);
    });
    this.#registrations.add(registration);
    return registration;
  }

  async renew(options: RenewOptions): Promise<Renewal> {
    const checked = checkRenewOptions("renew()", options, this.#layout);
    return await this.#once((client) => new OneShot(client, this.#layout, checked).renew());
  }

  async deregister(options: RenewOptions): Promise<void> {
    const checked = checkRenewOptions("deregister()", options, this.#layout);
    await this.#once((client) => new OneShot(client, this.#layout, checked).deregister());
  }

  async list(signal: AbortSignal): Promise<readonly ListedService[]> {
    return await this.#once((client) => listServices(client, this.#layout, signal));
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** All consumers of a service share one watch. */
  async *#resolve(service: string, signal: AbortSignal): AsyncGenerator<Resolution, void, undefined> {
    this.#refuseInRequest("a watch", "read the endpoints with list(), as createWorkerTransport() does");
    const client = this.#open();
    const streams = this.#streams ??= new WatchStreams(client);
    let watch = this.#watches.get(service);
    if (watch === undefined) {
      const fresh = watch = new ServiceWatch(streams, service, this.#layout, this.#onEvent, () => {
        if (this.#watches.get(service) === fresh) this.#watches.delete(service);
      });
      this.#watches.set(service, watch);
    }
    yield* watch.consume(signal);
  }

  #listed(service: string): Entries {
    let entries = this.#lists.get(service);
    if (entries === undefined) {
      entries = new Entries(this.#layout, service, (key, cause) => {
        emit(this.#onEvent, { type: "value-skipped", service, key, cause });
      });
      this.#lists.set(service, entries);
    }
    return entries;
  }

  #open(): EtcdClient {
    this.#checkOpen();
    return this.#client ??= this.#createClient();
  }

  /** One operation, on a client of its own if nothing may outlive it. */
  async #once<T>(operation: (client: EtcdClient) => Promise<T>): Promise<T> {
    if (this.#lifetime === "object") return await operation(this.#open());
    this.#checkOpen();
    const client = this.#createClient({ alone: true });
    try {
      return await operation(client);
    } finally {
      await client.close();
    }
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new Error("the registry is closed");
  }

  /** What needs a socket for longer would end silently with the request in which it began. */
  #refuseInRequest(what: string, instead: string): void {
    if (this.#lifetime !== "request") return;
    const text = `in a Worker, ${what} would end with the request: ${instead}, or keep the registry in a Durable ` +
      `Object (createBalancerObject); only there, lifetime: "object" allows it`;
    throw markHopeless(new ConnectError(text, Code.FailedPrecondition));
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#registrations].map((registration) => registration.close()));
    for (const watch of [...this.#watches.values()]) watch.close(new Error("the registry was closed"));
    this.#watches.clear();
    await this.#client?.close();
  }
}

const isLayout = (value: unknown) => {
  const { prefix, write, read } = (value ?? {}) as Partial<Record<keyof Layout, unknown>>;
  return [prefix, write, read].every((method) => typeof method === "function");
};

/** The checks of {@link EtcdRegistryOptions}, for factories that accept further options. */
export const ETCD_REGISTRY_OPTIONS: Checks<EtcdRegistryOptions> = {
  // Checked by `parseEtcdEndpoints`.
  endpoints: required(anything),
  layout: makes("a layout, such as goZero()", isLayout),
  prefix: text,
  username: kind("a non-empty string", (value) => typeof value === "string" && value !== ""),
  password: secret("a string", (value) => typeof value === "string"),
  requestTimeoutMs: time(
    `milliseconds above 0, at most ${MAX_DELAY_MS}`,
    (timeoutMs) => timeoutMs > 0 && timeoutMs <= MAX_DELAY_MS,
  ),
  onEvent: fn("a function, (event) => void"),
  clock: aClock,
  random: aRandom,
};

function checkTogether({ layout, prefix, username, password }: EtcdRegistryOptions): void {
  if (layout !== undefined && prefix !== undefined) {
    throw new TypeError("option prefix belongs to the default layout: leave out prefix or layout");
  }
  if ((username === undefined) !== (password === undefined)) {
    throw new TypeError("options username and password belong together: give both or neither");
  }
}
