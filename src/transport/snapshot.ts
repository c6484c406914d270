import type { Balancer } from "../balancer/balancer.ts";
import type { Health } from "../connection/connection.ts";
import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import type { ConnectivityState } from "../connectivity.ts";
import type { Endpoint } from "../endpoint.ts";
import { guarded } from "../listener.ts";
import type { Picker, PolicySnapshot } from "../policy/policy.ts";
import type { Staleness } from "../resolver/resolver.ts";

/** The state of a transport at one moment. */
export interface TransportSnapshot {
  /** What is resolved: usually the service's name. */
  readonly target: string;
  /** In address order. Undefined while the endpoints are unknown. */
  readonly endpoints: readonly EndpointSnapshot[] | undefined;
  /** Set while the source of endpoints can't be reached. */
  readonly stale: Staleness | undefined;
  /** How many calls wait for a connection, or before their next attempt. */
  readonly waiting: number;
}

/** The state of a connection at one moment. */
export interface EndpointSnapshot {
  /** The endpoint, with its attributes. */
  readonly endpoint: Endpoint;
  /** Whether the connection is open, opening, or failing. */
  readonly state: ConnectivityState;
  /** Whether a picker may give it a call. */
  readonly available: boolean;
  /** What health checks report while it is ready, with the reason if it is held back. */
  readonly health: Health;
  /** Attempts that have begun and not ended. */
  readonly inFlight: number;
  /** Attempts ever begun. */
  readonly picks: number;
  /** Why it last could not be opened, or was lost. */
  readonly lastError: Error | undefined;
  /** What the policy knows about it, under the policy's names; undefined if it says nothing. */
  readonly policy: PolicySnapshot | undefined;
}

/** Takes a snapshot of a balancer. */
export function snapshotOf(balancer: Balancer): TransportSnapshot {
  const { target, knowledge, pool, picker, stale, waiting } = balancer;
  const endpoints = knowledge === "unknown" ? undefined : pool.connections.map((connection) => ({
    endpoint: connection.endpoint,
    state: connection.state,
    available: connection.available,
    health: connection.health,
    inFlight: connection.inFlight,
    picks: connection.picks,
    lastError: connection.lastError,
    policy: policyOf(picker, connection),
  }));
  return { target, endpoints, stale, waiting };
}

function policyOf(picker: Picker | undefined, connection: EndpointConnection): PolicySnapshot | undefined {
  let policy: PolicySnapshot | undefined;
  guarded("describe of a policy's picker", () => {
    policy = picker?.describe?.(connection);
  });
  return policy;
}
