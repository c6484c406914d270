import type { Resolver } from "../resolver/resolver.ts";
import type { RegistrationState } from "./registration-state.ts";
import type { RegistrySnapshot } from "./snapshot.ts";

export type { RegistrationState };

/**
 * Where servers register under a service's name, and clients find them.
 *
 * To write one, keep a server's entry until its registration is closed (`RegistrationLife` has the states), yield the
 * whole set of endpoints from `resolver` each time it changes (`LatestValue` gives each consumer the newest one), and
 * check arguments with `checkRegisterOptions` and `checkServiceName`. `memory.ts` is the example.
 */
export interface Registry extends AsyncDisposable {
  /**
   * The endpoints of a service. Nothing starts before the first consumer reads; all consumers of a service share what
   * the registry sends.
   *
   * @throws TypeError for an invalid service name: names contain no white space or control characters, and "/" only if
   * the layout allows it.
   */
  resolver(service: string): Resolver;
  /**
   * Registers a server and keeps it registered until `close()`. Starts immediately, and keeps trying while the registry
   * can't be reached. Call it once the server is listening.
   *
   * @throws TypeError or RangeError for an invalid option; never because the registry can't be reached.
   */
  register(options: RegisterOptions): Registration;
  /**
   * Registers a server, or renews its entry, once: for hosts that can't keep a registration, such as a Worker's cron
   * trigger. It needs no memory of earlier calls: any program that gives the same service, address and TTL renews the
   * same entry. Nothing remains of the call, so the entry expires unless it is renewed in time; `close()` leaves it in
   * place. Resolves to whether the entry was there, unchanged, or had to be written.
   *
   * Rejects with a TypeError or RangeError for an invalid option, and with the reason if the registry refused it, or did
   * not confirm it within 10 s.
   */
  renew(options: RenewOptions): Promise<Renewal>;
  /**
   * Removes the entry that `renew` keeps, which gets the same options. Does nothing if there is none. Rejects like
   * `renew`.
   */
  deregister(options: RenewOptions): Promise<void>;
  /**
   * Reads once which services have entries, sorted by name. Rejects when the registry can't be read, or when its layout
   * can't list services (it has no `root` and `serviceOf`).
   */
  list(signal: AbortSignal): Promise<readonly ListedService[]>;
  /** The current state of its registrations and watches. */
  snapshot(): RegistrySnapshot;
  /** Closes its registrations (within 2 s) and its resolvers, whose consumers keep the last set, marked as stale. */
  close(): Promise<void>;
}

/** A service that has entries in a registry. */
export interface ListedService {
  /** The name under which its servers registered. */
  readonly service: string;
  /** How many endpoints its entries yield; 0 if none of them can be read. */
  readonly endpoints: number;
  /** How many entries it has: more than endpoints if some can't be read or several name the same endpoint. */
  readonly entries: number;
}

/** What policies may use of an endpoint, as far as the registry's layout can store it. */
export interface EndpointAttributes {
  /** The share of calls relative to other endpoints, above 0. */
  readonly weight?: number;
  /** The zone where the server runs. */
  readonly zone?: string;
  /** Anything else that clients should see, as JSON. */
  readonly metadata?: unknown;
}

/** The options of `register`. */
export interface RegisterOptions extends EndpointAttributes {
  /** The service's name: no white space, and "/" only if the layout allows it. */
  readonly service: string;
  /** `host:port` as clients reach it; a wildcard host such as `0.0.0.0` is rejected. */
  readonly address: string;
  /**
   * How long the entry outlives a server that crashed, in whole seconds above 0. Defaults to 10. etcd's minimum is 1.5
   * election timeouts (2 s by default); it raises anything less.
   */
  readonly ttlSeconds?: number;
  /**
   * Whether to replace an entry with the same key that another program holds, as a server that crashed and was started
   * again must. If false, the registration waits until that entry is gone, and reports it as `key-taken`. Defaults to
   * true. It is for registries with keys (etcd).
   */
  readonly takeOver?: boolean;
  /** Called at every change of the registration's state, with the cause if there is one. */
  readonly onState?: (state: RegistrationState, cause?: Error) => void;
}

/** The options of `renew` and `deregister`. */
export interface RenewOptions extends EndpointAttributes {
  /** The service's name: no white space, and "/" only if the layout allows it. */
  readonly service: string;
  /** `host:port` as clients reach it; a wildcard host such as `0.0.0.0` is rejected. */
  readonly address: string;
  /**
   * How long the entry lives unless it is renewed, in whole seconds: three times the interval between renewals leaves
   * room for two that fail, so 180 for a cron trigger that runs each minute.
   */
  readonly ttlSeconds: number;
}

/**
 * - `renewed`: the entry existed and was as it should be;
 * - `registered`: the entry was missing or different, and has been written.
 */
export type Renewal = "renewed" | "registered";

/** One server's entry in a registry. */
export interface Registration extends AsyncDisposable {
  /**
   * Resolves when the entry first exists, however long the registry can't be reached; rejects if the registration is
   * closed before that. Reading it keeps the process alive until it settles.
   */
  readonly ready: Promise<void>;
  /** The current state; see {@link RegistrationState}. */
  readonly state: RegistrationState;
  /**
   * Renews the entry now, for hosts that can't run timers (a cron job, an alarm). Rejects with the reason if that did
   * not succeed within 10 s; the registration keeps trying.
   */
  renew(): Promise<void>;
  /**
   * Replaces weight, zone and metadata in place. Resolves when the registry has stored them.
   *
   * @throws TypeError or RangeError for an invalid attribute.
   */
  update(attributes: EndpointAttributes): Promise<void>;
  /** Removes the entry from the registry. Takes at most 2 s, never rejects, and may be called twice. */
  close(): Promise<void>;
}
