import type { Resolver } from "../resolver/resolver.ts";

/**
 * Where servers register under a service's name, and clients find them.
 *
 * To write one, keep a server's entry until its registration is closed (`RegistrationLife` has the states), yield from
 * `resolver` the whole set of endpoints each time it changes (`LatestValue` gives each consumer the newest one), and
 * check what is passed in with `checkRegisterOptions` and `checkServiceName`. `memory.ts` is the example.
 */
export interface Registry extends AsyncDisposable {
  /**
   * The endpoints of a service. Nothing starts before the first consumer reads; all consumers of one service share what
   * the registry sends.
   *
   * @throws TypeError if the name can't be a service's: it has no white space, no control characters, and a "/" only in
   * layouts that take it.
   */
  resolver(service: string): Resolver;
  /**
   * Registers a server and keeps it registered until `close()`: starts at once, and goes on trying while the registry
   * can't be reached. Call it once the server listens.
   *
   * @throws TypeError or RangeError if an option is not what it must be; never because the registry is away.
   */
  register(options: RegisterOptions): Registration;
  /**
   * Reads once which services have entries, in the order of their names. Rejects when the registry can't be read, or its
   * layout can't tell the services (it has no `root` and `serviceOf`).
   */
  list(signal: AbortSignal): Promise<readonly ListedService[]>;
  /** Ends its registrations (at most 2 s) and its resolvers, which leave their consumers the last set as stale. */
  close(): Promise<void>;
}

/** A service that has entries in a registry. */
export interface ListedService {
  readonly service: string;
  /** How many endpoints they make; 0 if none of them can be read. */
  readonly endpoints: number;
  /** How many entries it has: more than endpoints, if some can't be read or several name the same one. */
  readonly entries: number;
}

/** What a policy may want to know of an endpoint, as far as the registry's layout has a place for it. */
export interface EndpointAttributes {
  /** The share of calls relative to others, above 0. */
  readonly weight?: number;
  /** Where the server stands. */
  readonly zone?: string;
  /** Whatever else clients shall see; JSON. */
  readonly metadata?: unknown;
}

/** What to register. */
export interface RegisterOptions extends EndpointAttributes {
  /** The service's name: no white space, and a "/" only in layouts that take it. */
  readonly service: string;
  /** `host:port` as clients reach it; a wildcard host such as `0.0.0.0` is refused. */
  readonly address: string;
  /**
   * How long the entry outlives a server that died, in whole seconds above 0. Defaults to 10. etcd raises what is less
   * than one and a half of its election timeouts (2 s as it comes).
   */
  readonly ttlSeconds?: number;
  /** Told of every change of the registration's state, with its cause where there is one. */
  readonly onState?: (state: RegistrationState, cause?: Error) => void;
}

/**
 * - `pending`: not registered yet;
 * - `registered`: the entry stands;
 * - `suspect`: nothing succeeded for a TTL, so the entry may be gone; only the registry knows;
 * - `lost`: the registry said that the entry is gone, or another server took it; it is being registered again;
 * - `closed`.
 */
export type RegistrationState = "pending" | "registered" | "suspect" | "lost" | "closed";

/** One server's entry in a registry. */
export interface Registration extends AsyncDisposable {
  /**
   * Resolves when the entry stands for the first time, however long the registry is away; rejects if the registration
   * is closed before. The process is held while it is waited for.
   */
  readonly ready: Promise<void>;
  /** What it is going through; see {@link RegistrationState}. */
  readonly state: RegistrationState;
  /**
   * Renews the entry now, for hosts without timers of their own (a cron, an alarm). Rejects if that did not succeed
   * within 10 s, with the reason; the registration goes on trying.
   */
  renew(): Promise<void>;
  /**
   * Replaces weight, zone and metadata in place. Resolves when the registry has them.
   *
   * @throws TypeError or RangeError if an attribute is not what it must be.
   */
  update(attributes: EndpointAttributes): Promise<void>;
  /** Takes the entry out of the registry. Takes 2 s at most, never rejects, and may be called twice. */
  close(): Promise<void>;
}
