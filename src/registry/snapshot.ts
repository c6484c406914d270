import type { RegistrationState } from "./registration-state.ts";

/**
 * The state of a registry at one moment, as plain JSON. Times (`sinceMs`, `renewedMs`) are on the scale of `nowMs`.
 * Names stay the same from version to version.
 */
export interface RegistrySnapshot {
  /** When it was taken, on the registry's clock: usually `performance.now()`. */
  readonly nowMs: number;
  /** The servers that it keeps registered, in the order in which they were registered. */
  readonly registrations: readonly RegistrationSnapshot[];
  /** The services that are watched, by name. */
  readonly watches: readonly WatchSnapshot[];
}

/** The state of a registration at one moment. */
export interface RegistrationSnapshot {
  /** The service's name. */
  readonly service: string;
  /** The server's address, as clients reach it. */
  readonly address: string;
  /** Whether the entry exists; see {@link RegistrationState}. */
  readonly state: RegistrationState;
  /** Since when it is in this state. */
  readonly sinceMs: number;
  /** How long the entry outlives the server, in seconds: as etcd granted it, which may be longer than was asked for. */
  readonly ttlSeconds: number;
  /** When the entry was last renewed. Undefined before that, and where entries don't expire. */
  readonly renewedMs: number | undefined;
  /** The entry's key, where the registry has keys and it is known. */
  readonly key: string | undefined;
  /** Why it is not registered, or the last attempt to renew the entry failed. Undefined once one has succeeded. */
  readonly lastError: string | undefined;
}

/** The state of the watch of a service at one moment. */
export interface WatchSnapshot {
  /** The service's name. */
  readonly service: string;
  /** How many endpoints it has. Undefined while that is unknown. */
  readonly endpoints: number | undefined;
  /** Set while the registry can't be reached. */
  readonly stale: { readonly sinceMs: number; readonly cause: string } | undefined;
}
