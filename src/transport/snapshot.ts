import type { Balancer } from "../balancer/balancer.ts";
import type { BalancerSource } from "../balancer/balancer-source.ts";
import type { Health } from "../connection/connection.ts";
import type { ConnectivityState } from "../connectivity.ts";
import type { Endpoint } from "../endpoint.ts";
import { shownTextOf } from "../error-text.ts";
import { Ejected } from "../health/ejected.ts";
import type { PolicySnapshot } from "../policy/policy.ts";
import type { Staleness } from "../resolver/resolver.ts";
import type { Clock } from "../time/clock.ts";

/**
 * The state of a transport at one moment. `JSON.stringify` writes all of it, with errors as text; names stay the same
 * from version to version.
 */
export interface TransportSnapshot {
  /** What is resolved: usually the service's name. */
  readonly target: string;
  /** In address order. Undefined while the endpoints are unknown. */
  readonly endpoints: readonly EndpointSnapshot[] | undefined;
  /** Set while the source of endpoints can't be reached. */
  readonly stale: Staleness | undefined;
  /** How many calls wait for a connection, or before their next attempt. */
  readonly waiting: number;
  /**
   * Whether health is ignored and calls go to all endpoints that are ready, because health checks would leave less than
   * `panicShare` of them, or calls to all of them fail.
   */
  readonly panic: boolean;
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
  /** Set while it is ejected because its calls failed. */
  readonly ejected: EjectionSnapshot | undefined;
  /** Whether it is back from an ejection, and gets only as many calls as it has proved to answer. */
  readonly restricted: boolean;
  /** Attempts that have begun and not ended. */
  readonly inFlight: number;
  /** Attempts ever begun. */
  readonly picks: number;
  /** Why it last could not be opened, or was lost. */
  readonly lastError: Error | undefined;
  /** What this transport's policy knows about it, under the policy's names; undefined if it says nothing. */
  readonly policy: PolicySnapshot | undefined;
}

/** Why an endpoint is ejected, and for how long. */
export interface EjectionSnapshot {
  /** After how many milliseconds it is tried again. */
  readonly forMs: number;
  /** Which of its calls failed. */
  readonly why: string;
}

/** Takes a snapshot of a balancer, with what the policy of one transport knows. */
export function snapshotOf({ balancer, chooser }: BalancerSource<Balancer>, clock: Clock): TransportSnapshot {
  const { target, knowledge, pool, stale, waiting, panic } = balancer;
  const endpoints = knowledge === "unknown" ? undefined : pool.connections.map((connection) => ({
    endpoint: connection.endpoint,
    state: connection.state,
    available: connection.available,
    health: connection.health,
    ejected: ejectionOf(connection.health, clock),
    restricted: connection.restricted,
    inFlight: connection.inFlight,
    picks: connection.picks,
    lastError: connection.lastError,
    policy: chooser.describe(connection),
  }));
  const snapshot: TransportSnapshot = { target, endpoints, stale, waiting, panic };
  // Not enumerable: it is no part of the state.
  return Object.defineProperty(snapshot, "toJSON", { value: () => plain(snapshot) });
}

function ejectionOf(health: Health, clock: Clock): EjectionSnapshot | undefined {
  if (!(health instanceof Ejected)) return undefined;
  return { forMs: Math.max(0, health.untilMs - clock.now()), why: health.why };
}

/** The same with errors as text, for JSON. */
function plain({ endpoints, stale, ...rest }: TransportSnapshot): object {
  return {
    ...rest,
    endpoints: endpoints?.map(({ health, lastError, ...endpoint }) => ({
      ...endpoint,
      health: shownTextOf(health),
      lastError: lastError && shownTextOf(lastError),
    })),
    stale: stale && { ...stale, cause: shownTextOf(stale.cause) },
  };
}
