import type { ConnectivityState } from "../connectivity.ts";
import type { BackoffOptions } from "../time/backoff.ts";
import type { Clock } from "../time/clock.ts";
import type { EndpointConnection } from "./endpoint-connection.ts";
import type { Connector } from "./link.ts";

/** gRPC's connection-backoff.md: 1 s, growing by 1.6 to 120 s, with a jitter of 0.2. */
export const DEFAULT_CONNECT_BACKOFF: BackoffOptions = { initialMs: 1_000, maxMs: 120_000 };

/** What a connection needs from the pool it stands in. */
export interface ConnectionHost {
  readonly clock: Clock;
  readonly random: () => number;
  readonly connector: Connector;
  readonly backoff: BackoffOptions;
  /** Runs `open` when one more connection may be opening; it calls `opened` when that is over. */
  admit(open: (opened: () => void) => void): void;
  /** A state changed; `cause` says why when something failed. */
  changed(connection: EndpointConnection, from: ConnectivityState, cause: Error | undefined): void;
  /** Whether it is available changed, and its state did not. */
  touched(connection: EndpointConnection): void;
  /** Its link was full and is not any more. */
  room(connection: EndpointConnection): void;
}
