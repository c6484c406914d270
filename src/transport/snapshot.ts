import type { Balancer } from "../balancer/balancer.ts";
import type { Health } from "../connection/connection.ts";
import type { ConnectivityState } from "../connectivity.ts";
import type { Endpoint } from "../endpoint.ts";
import type { Staleness } from "../resolver/resolver.ts";

/** A transport at one moment. */
export interface TransportSnapshot {
  /** What is resolved: usually the service's name. */
  readonly target: string;
  /** In address order. Undefined while nothing is known. */
  readonly endpoints: readonly EndpointSnapshot[] | undefined;
  /** Set while the source of endpoints can't be reached. */
  readonly stale: Staleness | undefined;
  /** How many calls wait for a connection, or before their next attempt. */
  readonly waiting: number;
}

/** A connection at one moment. */
export interface EndpointSnapshot {
  readonly endpoint: Endpoint;
  readonly state: ConnectivityState;
  /** Whether a picker may give it a call. */
  readonly available: boolean;
  /** What health checks say of it, while it is ready: why it is held back, if it is. */
  readonly health: Health;
  /** Attempts that have begun and not ended. */
  readonly inFlight: number;
  /** Attempts ever begun. */
  readonly picks: number;
  /** The newest reason why it could not be opened or was lost. */
  readonly lastError: Error | undefined;
}

/** What a balancer knows at this moment. */
export function snapshotOf(balancer: Balancer): TransportSnapshot {
  const { target, knowledge, pool, stale, waiting } = balancer;
  const endpoints = knowledge === "unknown" ? undefined : pool.connections.map((connection) => ({
    endpoint: connection.endpoint,
    state: connection.state,
    available: connection.available,
    health: connection.health,
    inFlight: connection.inFlight,
    picks: connection.picks,
    lastError: connection.lastError,
  }));
  return { target, endpoints, stale, waiting };
}
