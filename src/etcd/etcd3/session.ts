import type { Etcd3, IOptions } from "etcd3";
import { type Endpoint, endpointIdentity } from "../../endpoint.ts";

/** What sessions are opened with: the class of the etcd3 package, and the credentials that its clients get. */
export interface Etcd3Source {
  /** Defaults to the installed package's. */
  readonly Etcd3?: new (options: IOptions) => Etcd3;
  /** For TLS. Undefined: the system's CAs, where an endpoint is secure. */
  readonly credentials?: IOptions["credentials"] | undefined;
  /** Channel options beside those that the driver needs. */
  readonly grpcOptions?: IOptions["grpcOptions"] | undefined;
}

type FaultHandling = NonNullable<IOptions["faultHandling"]>;

/**
 * The package's own retries and circuit breakers stay out of it: retries are the registry's, and a breaker shared by all
 * services of a host would keep an etcd that is back locked out.
 */
const once = { execute: async (attempt: () => unknown) => await attempt() } as unknown as NonNullable<
  FaultHandling["global"]
>;

const CHANNEL: NonNullable<IOptions["grpcOptions"]> = {
  // etcd answers a ping more often than every 5 s, or without a stream, by ending the connection.
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.keepalive_permit_without_calls": 0,
  // grpc-js's own limit is 4 MiB; a list of a large service is longer.
  "grpc.max_receive_message_length": -1,
  "grpc.enable_retries": 0,
  // The registry paces its tries itself.
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1_000,
  // No look-up of TXT records.
  "grpc.service_config_disable_resolution": 1,
};

/** The sessions to etcd's endpoints: one each, opened when first used. */
export class Etcd3Sessions {
  readonly #source: Etcd3Source;
  readonly #sessions = new Map<string, Etcd3Session>();
  #generations = 0;
  #closed = false;

  constructor(source: Etcd3Source) {
    this.#source = source;
  }

  session(endpoint: Endpoint): Etcd3Session {
    if (this.#closed) throw new Error("the etcd driver is closed");
    return this.#session(endpoint);
  }

  generation(endpoint: Endpoint): number {
    return this.#session(endpoint).generation;
  }

  reset(endpoint: Endpoint, generation: number): void {
    const identity = endpointIdentity(endpoint);
    const session = this.#sessions.get(identity);
    if (session?.generation !== generation) return;
    this.#sessions.delete(identity);
    void session.close();
  }

  async close(): Promise<void> {
    this.#closed = true;
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    await Promise.all(sessions.map((session) => session.close()));
  }

  #session(endpoint: Endpoint): Etcd3Session {
    const identity = endpointIdentity(endpoint);
    let session = this.#sessions.get(identity);
    if (session === undefined) {
      session = new Etcd3Session(this.#source, endpoint, ++this.#generations);
      this.#sessions.set(identity, session);
    }
    return session;
  }
}

/** How many sessions were opened in this process. */
let opened = 0;

/** One client of the package for one etcd endpoint, and the calls on it. */
export class Etcd3Session {
  readonly generation: number;
  /** How to end each call that is in flight. */
  readonly calls: Set<() => void> = new Set();
  readonly #source: Etcd3Source;
  readonly #endpoint: Endpoint;
  #client: Promise<Etcd3> | undefined;
  #closed = false;

  constructor(source: Etcd3Source, endpoint: Endpoint, generation: number) {
    this.#source = source;
    this.#endpoint = endpoint;
    this.generation = generation;
  }

  async client(): Promise<Etcd3> {
    const client = await (this.#client ??= this.#open());
    if (this.#closed) throw new Error("the session to etcd was given up");
    return client;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const cancel of [...this.calls]) cancel();
    await this.#client?.then((client) => client.close(), () => {});
  }

  async #open(): Promise<Etcd3> {
    const { credentials, grpcOptions } = this.#source;
    try {
      const Client = this.#source.Etcd3 ?? (await load()).Etcd3;
      const secure = this.#endpoint.secure ?? credentials !== undefined;
      return new Client({
        hosts: `${secure ? "https" : "http"}://${this.#endpoint.address}`,
        ...(secure && credentials !== undefined ? { credentials } : {}),
        // grpc-js shares connections between clients whose options are equal: a new session must not get one that was
        // given up, here or by another driver.
        grpcOptions: { ...grpcOptions, ...CHANNEL, "connect-lb.session": ++opened },
        faultHandling: { global: once, host: () => once },
      });
    } catch (error) {
      // A package that is not there may be by the next try.
      this.#client = undefined;
      throw error;
    }
  }
}

/** It reads its .proto files from the disk when it is imported, so it is imported only when it is used. */
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
