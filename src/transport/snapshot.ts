import type { Balancer } from "../balancer/balancer.ts";
import type { BalancerSource } from "../balancer/balancer-source.ts";
import type { CallEnvironment } from "../call/environment.ts";
import type { Health } from "../connection/connection.ts";
import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import type { ConnectivityState } from "../connectivity.ts";
import type { Endpoint } from "../endpoint.ts";
import { shownTextOf } from "../error-text.ts";
import { Ejected } from "../health/ejected.ts";
import { guarded } from "../listener.ts";
import type { PolicySnapshot } from "../policy/policy.ts";
import type { Staleness } from "../resolver/resolver.ts";
import type { ClientCallCounts, SocketSnapshot } from "../snapshot.ts";
import type { Clock } from "../time/clock.ts";

/**
 * The state of a transport at one moment. Times (`sinceMs`, `stateSinceMs`) are on the scale of `nowMs`.
 * `JSON.stringify` writes all of it, with errors as text; names stay the same from version to version.
 */
export interface TransportSnapshot {
  /** What is resolved: usually the service's name. */
  readonly target: string;
  /** When it was taken, on the transport's clock: usually `performance.now()`. */
  readonly nowMs: number;
  /**
   * The best of its connections' states: `ready` if calls can be made now, `transient_failure` if every endpoint fails
   * or there are none. `idle` before the first call and after a long time without calls. gRPC's channel state.
   */
  readonly state: ConnectivityState;
  /** Its calls, whatever their number of attempts; those of transports from `withPolicy` are their own. */
  readonly calls: ClientCallCounts;
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
  /** A number of the connection's own: nothing else in this process has it. */
  readonly id: number;
  /** The endpoint, with its attributes. */
  readonly endpoint: Endpoint;
  /** Whether the connection is open, opening, or failing. */
  readonly state: ConnectivityState;
  /** Since when it is in this state. */
  readonly stateSinceMs: number;
  /** Since when the transport knows the endpoint. */
  readonly sinceMs: number;
  /** Whether a picker may give it a call. */
  readonly available: boolean;
  /**
   * What health checks report while it is ready, with the reason if it is held back. `unknown` as long as nothing was
   * heard of its server: while it is not connected, or over links without states (fetch) not answered yet.
   */
  readonly health: Health;
  /** Set while it is ejected because its calls failed. */
  readonly ejected: EjectionSnapshot | undefined;
  /** Whether it is back from an ejection, and gets only as many calls as it has proved to answer. */
  readonly restricted: boolean;
  /** Attempts that have begun and not ended. */
  readonly inFlight: number;
  /** Attempts ever begun. */
  readonly picks: number;
  /** Attempts that ended without an error. */
  readonly succeeded: number;
  /** Attempts that ended with one, other than those that were abandoned. */
  readonly failed: number;
  /**
   * Attempts that ended because nobody wanted their answers any more: hedges that were slower than another attempt, calls
   * that were aborted, streams that are no longer read. That says nothing about the server.
   */
  readonly abandoned: number;
  /** How often a connection to it was opened, and could not be. Both are 0 where links have no states (fetch). */
  readonly openings: OpeningCounts;
  /** The connections that are open: usually one. Empty where nothing is known of them (fetch). */
  readonly sockets: readonly SocketSnapshot[];
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

/** How often a connection was opened. */
export interface OpeningCounts {
  /** How often the server accepted it. */
  readonly succeeded: number;
  /** How often it could not be opened. */
  readonly failed: number;
}

/** Takes a snapshot of a balancer, with what the policy of one transport knows. */
export function snapshotOf(
  source: BalancerSource<Balancer>,
  { calls, clock }: Pick<CallEnvironment, "calls" | "clock">,
): TransportSnapshot {
  const { balancer, chooser } = source;
  const { target, knowledge, pool, stale, waiting, panic } = balancer;
  const endpoints = knowledge === "unknown" ? undefined : pool.connections.map((connection) => ({
    id: connection.id,
    endpoint: connection.endpoint,
    state: connection.state,
    stateSinceMs: connection.stateSinceMs,
    sinceMs: connection.sinceMs,
    available: connection.available,
    health: healthOf(connection),
    ejected: ejectionOf(connection.health, clock),
    restricted: connection.restricted,
    inFlight: connection.inFlight,
    picks: connection.picks,
    succeeded: connection.successes,
    failed: connection.picks - connection.inFlight - connection.successes - connection.abandoned,
    abandoned: connection.abandoned,
    openings: { ...connection.openings },
    sockets: socketsOf(connection),
    lastError: connection.lastError,
    policy: chooser.describe(connection),
  }));
  const snapshot: TransportSnapshot = {
    target,
    nowMs: clock.now(),
    state: source.closed ? "shutdown" : stateOf(balancer),
    calls: { ...calls },
    endpoints,
    stale,
    waiting,
    panic,
  };
  // Not enumerable: it is no part of the state.
  return Object.defineProperty(snapshot, "toJSON", { value: () => plain(snapshot) });
}

/** Until its server was heard of, no check holds it back, and none says that it serves. */
function healthOf({ health, heard }: EndpointConnection): Health {
  return health === "serving" && !heard ? "unknown" : health;
}

function ejectionOf(health: Health, clock: Clock): EjectionSnapshot | undefined {
  if (!(health instanceof Ejected)) return undefined;
  return { forMs: Math.max(0, health.untilMs - clock.now()), why: health.why };
}

/** As gRPC's round robin combines the states of its subchannels. */
function stateOf({ knowledge, pool, stale, waiting }: Balancer): ConnectivityState {
  if (knowledge === "unknown") return stale !== undefined ? "transient_failure" : waiting > 0 ? "connecting" : "idle";
  const states = new Set(pool.connections.map(({ state, failure }) => {
    // Such a connection counts as failing until it is ready, also while it reconnects (gRFC A62).
    return state !== "ready" && failure !== undefined ? "transient_failure" : state;
  }));
  return BEST_FIRST.find((state) => states.has(state)) ?? "transient_failure";
}

const BEST_FIRST = ["ready", "connecting", "idle"] as const;

function socketsOf({ link }: EndpointConnection): readonly SocketSnapshot[] {
  let sockets: readonly SocketSnapshot[] = [];
  guarded("sockets of a link", () => {
    sockets = link.sockets?.() ?? [];
  });
  return sockets;
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
