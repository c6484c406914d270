import type { Connection, Outcome } from "../connection/connection.ts";
import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import type { Picker } from "../policy/policy.ts";

/**
 * All that a call wants of a balancer: the present picker, and to hear when to look again.
 *
 * `Balancer` (balancer.ts) is one that lives beside its calls: it keeps resolving, and pushes what changes. Another, such
 * as one that resolves only when a call asks for it, implements this and needs no change in `call/`.
 */
export interface PickerSource {
  /** What is resolved: usually the service's name. */
  readonly target: string;
  /** Calls fail from now on. */
  readonly closed: boolean;
  /** Undefined while it does nothing, or knows no endpoints yet. */
  readonly picker: Picker | undefined;
  /** Wants to know how attempts end. Undefined: nobody does. */
  readonly onOutcome: ((connection: Connection, outcome: Outcome) => void) | undefined;
  /** Whether there is room that calls in line are about to be given: a new call goes behind them. */
  readonly serving: boolean;
  /** Begins to resolve, unless it does already. */
  start(): void;
  /**
   * Has the call look now, and whenever the picker changes, a connection has room again or all is closed, until `forget`.
   */
  await(call: PendingCall): void;
  /** The call waits no more. */
  forget(call: PendingCall): void;
  /** A place on the connection is free again: calls in line get it. */
  hasRoom(connection: EndpointConnection): void;
  /**
   * How much longer to wait, in milliseconds, for a call that got no connection within `waitTimeoutMs`. 0 or less: no
   * longer.
   */
  moreTimeMs(waitTimeoutMs: number): number;
  /** One line on the endpoints and their states, for error texts. */
  describe(): string;
}

/** A call that waits: for a connection, or before its next attempt. */
export interface PendingCall {
  /** Whether it was given a connection before and came back: it is older than those that were not. */
  readonly returned: boolean;
  /** Whether it waits for a connection, and not for time to pass. */
  readonly wantsConnection: boolean;
  /** Something changed, or the transport was closed. It must not throw. */
  retry(): void;
}
