import type { Etcd3, IOptions } from "etcd3";
import type { Endpoint } from "../../../endpoint.ts";
import type { Session, SessionEvents } from "../sessions.ts";

/** What sessions are opened with: the class of the etcd3 package, and its clients' credentials. */
export interface Etcd3Source {
  /** Defaults to the installed package's. */
  readonly Etcd3?: new (options: IOptions) => Etcd3;
  /** For TLS. Undefined: the system's CAs, if an endpoint is secure. */
  readonly credentials?: IOptions["credentials"] | undefined;
  /** Channel options besides those that the driver needs. */
  readonly grpcOptions?: IOptions["grpcOptions"] | undefined;
}

type FaultHandling = NonNullable<IOptions["faultHandling"]>;

/**
 * Disables the package's own retries and circuit breakers: the registry does the retries, and a breaker shared by all
 * services of a host would keep blocking an etcd that has recovered.
 */
const once = { execute: async (attempt: () => unknown) => await attempt() } as unknown as NonNullable<
  FaultHandling["global"]
>;

const CHANNEL: NonNullable<IOptions["grpcOptions"]> = {
  // etcd closes the connection if pings come more often than every 5 s, or without a stream.
  "grpc.keepalive_time_ms": 10_000,
  // An etcd whose cores are busy checking passwords answers late.
  "grpc.keepalive_timeout_ms": 20_000,
  "grpc.keepalive_permit_without_calls": 0,
  // grpc-js's own limit is 4 MiB; the list of a large service can be longer.
  "grpc.max_receive_message_length": -1,
  "grpc.enable_retries": 0,
  // The registry paces its own attempts.
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1_000,
  // No lookup of TXT records.
  "grpc.service_config_disable_resolution": 1,
};

/** How many sessions this process has opened. */
let opened = 0;

/**
 * The package's private grpc-js clients: the only way to learn that a connection ended while no call was on it. Every
 * access is guarded, although the package has not changed since 2023.
 */
interface Hidden {
  readonly pool?: { readonly hosts?: readonly Host[] };
}
interface Host {
  getServiceClient?(name: "Lease"): { getChannel(): Channel };
  /**
   * Closes the connection. The package calls it after a call that failed or was cancelled, and when it is closed
   * itself.
   */
  resetAllServices?(): void;
}
/**
 * The part of grpc-js's Channel that is needed, and its connectivity states (gRPC's connectivity-semantics-and-api.md).
 */
interface Channel {
  getConnectivityState(connect: boolean): number;
  watchConnectivityState(from: number, deadline: number, callback: () => void): void;
}
const READY = 2, SHUTDOWN = 4;

const hostOf = (client: Etcd3): Host | undefined => (client as unknown as Hidden).pool?.hosts?.[0];

/** One client of the package for one etcd endpoint, and its calls. */
export class Etcd3Session implements Session {
  /** Functions that cancel the calls in flight. */
  readonly #calls = new Set<() => void>();
  readonly #source: Etcd3Source;
  readonly #endpoint: Endpoint;
  readonly #events: SessionEvents;
  #client: Promise<Etcd3> | undefined;
  #watched: Channel | undefined;
  #closed = false;
  /** Set once it is retired: called when the last call ends. */
  #whenIdle: (() => void) | undefined;

  constructor(source: Etcd3Source, endpoint: Endpoint, events: SessionEvents) {
    this.#source = source;
    this.#endpoint = endpoint;
    this.#events = events;
  }

  async client(): Promise<Etcd3> {
    const client = await (this.#client ??= this.#open());
    if (this.#closed) throw new Error("the session to etcd was given up");
    this.#watch(client);
    return client;
  }

  /**
   * Reports when the connection opens and when it ends, including when grpc-js closes it after 30 minutes without
   * calls.
   */
  #watch(client: Etcd3): void {
    const channel = hostOf(client)?.getServiceClient?.("Lease").getChannel();
    if (channel === undefined || channel === this.#watched) return;
    this.#watched = channel;
    const watch = (from: number) => {
      if (from === READY) this.#events.opened();
      if (from === SHUTDOWN) return;
      channel.watchConnectivityState(from, Infinity, () => {
        if (from === READY && this.#whenIdle === undefined) this.#events.lost();
        watch(channel.getConnectivityState(false));
      });
    };
    watch(channel.getConnectivityState(true));
  }

  /** Registers a call, which `cancel` ends. */
  begin(cancel: () => void): void {
    this.#calls.add(cancel);
  }

  /** The call has ended. */
  end(cancel: () => void): void {
    this.#calls.delete(cancel);
    if (this.#calls.size === 0) this.#whenIdle?.();
  }

  async retire(): Promise<void> {
    this.#closed = true;
    if (this.#watched?.getConnectivityState(false) === READY) this.#events.lost();
    await new Promise<void>((resolve) => {
      this.#whenIdle = resolve;
      if (this.#calls.size === 0) resolve();
    });
    await this.close();
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const cancel of [...this.#calls]) cancel();
    await this.#client?.then((client) => {
      // Restore the package's own.
      delete hostOf(client)?.resetAllServices;
      client.close();
    }, () => {});
  }

  async #open(): Promise<Etcd3> {
    const { credentials, grpcOptions } = this.#source;
    try {
      const Client = this.#source.Etcd3 ?? (await load()).Etcd3;
      const secure = this.#endpoint.secure ?? credentials !== undefined;
      const client = new Client({
        hosts: `${secure ? "https" : "http"}://${this.#endpoint.address}`,
        ...(secure && credentials !== undefined ? { credentials } : {}),
        // grpc-js shares connections between clients with equal options: a new session must not get a connection that
        // was given up, here or by another driver.
        grpcOptions: { ...grpcOptions, ...CHANNEL, "connect-lb.session": ++opened },
        faultHandling: { global: once, host: () => once },
      });
      // Cancelling one call must not close the connection that other calls use or wait for.
      const host = hostOf(client);
      if (host !== undefined) host.resetAllServices = () => {};
      return client;
    } catch (error) {
      // A missing package may be installed by the next attempt.
      this.#client = undefined;
      throw error;
    }
  }
}

/** The package reads its .proto files from disk on import, so it is imported only when it is used. */
async function load(): Promise<typeof import("etcd3")> {
  try {
    return await import("etcd3");
  } catch (cause) {
    throw new Error(
      `connect-lb/etcd3 can't load the package etcd3: install it with "npm install etcd3@1" (Bun: "bun add etcd3@1", ` +
        `Deno: "deno add npm:etcd3@1"), leave it out of bundles, or use createEtcdRegistry of connect-lb/etcd, ` +
        `which needs no package beside its own peers`,
      { cause },
    );
  }
}
