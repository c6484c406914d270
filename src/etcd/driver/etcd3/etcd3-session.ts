import type { Endpoint } from "../../../endpoint.ts";
import type { Session, SessionEvents } from "../sessions.ts";
import type { Etcd3Class, Policy, RawClient, RawClientOptions } from "./package.ts";

/** What sessions are opened with: the class of the etcd3 package, and its clients' credentials. */
export interface Etcd3Source {
  readonly Etcd3: Etcd3Class;
  /** For TLS. Undefined: the system's CAs, if an endpoint is secure. */
  readonly credentials?: unknown;
  /** Channel options besides those that the driver needs. */
  readonly grpcOptions?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * Disables the package's own retries and circuit breakers: the registry does the retries, and a breaker shared by all
 * services of a host would keep blocking an etcd that has recovered.
 */
const once: Policy = { execute: async (attempt) => await attempt() };

const CHANNEL = {
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

const hostOf = (client: RawClient): Host | undefined => (client as unknown as Hidden).pool?.hosts?.[0];

/** One client of the package for one etcd endpoint, and its calls. */
export class Etcd3Session implements Session {
  /** Functions that cancel the calls in flight. */
  readonly #calls = new Set<() => void>();
  readonly #source: Etcd3Source;
  readonly #endpoint: Endpoint;
  readonly #events: SessionEvents;
  #client: RawClient | undefined;
  #watched: Channel | undefined;
  #closed = false;
  /** Set once it is retired: called when the last call ends. */
  #whenIdle: (() => void) | undefined;

  constructor(source: Etcd3Source, endpoint: Endpoint, events: SessionEvents) {
    this.#source = source;
    this.#endpoint = endpoint;
    this.#events = events;
  }

  /**
   * The session's client, created on first use. Asynchronous, so that a call that is given up in the turn in which it
   * is made never begins: on Bun, grpc-js keeps a silent connection open for the sake of such a call.
   */
  async client(): Promise<RawClient> {
    if (this.#closed) throw new Error("the session with etcd was abandoned");
    const client = this.#client ??= this.#open();
    this.#watch(client);
    return client;
  }

  /**
   * Reports when the connection opens and when it ends, including when grpc-js closes it after 30 minutes without
   * calls.
   */
  #watch(client: RawClient): void {
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

  close(): Promise<void> {
    this.#closed = true;
    for (const cancel of [...this.#calls]) cancel();
    if (this.#client !== undefined) {
      // Restore the package's own.
      delete hostOf(this.#client)?.resetAllServices;
      this.#client.close();
    }
    return Promise.resolve();
  }

  #open(): RawClient {
    const { credentials, grpcOptions } = this.#source;
    const Client = this.#source.Etcd3 as unknown as new (options: RawClientOptions) => RawClient;
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
  }
}
