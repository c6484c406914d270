import type { OutcomeListener } from "../connection/connection.ts";
import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import type { Picker } from "../policy/policy.ts";
import type { ServiceConfig } from "../resolver/service-config.ts";

/**
 * All that a call needs from a balancer: the current picker, and a notification when to look again.
 *
 * `Balancer` (balancer.ts) runs independently of calls: it keeps resolving and pushes changes. Another kind, such as
 * one that resolves only when a call asks for it, can implement this interface without changes in `call/`.
 */
export interface PickerSource {
  /** What is resolved: usually the service's name. */
  readonly target: string;
  /** What kind of name that is, such as `etcd`; undefined: unknown. */
  readonly scheme?: string | undefined;
  /** Whether it was closed: calls fail from then on. */
  readonly closed: boolean;
  /** Undefined while it is stopped, or knows no endpoints yet. */
  readonly picker: Picker | undefined;
  /**
   * What the resolver says about calls, checked; another object whenever it changes. Undefined: it says nothing.
   * `"unknown"`: it has not resolved yet.
   */
  readonly config: ServiceConfig | "unknown" | undefined;
  /** Hears of each attempt. Undefined if nobody needs to. */
  readonly outcomes: OutcomeListener | undefined;
  /** Whether waiting calls are about to be given room; a new call then queues behind them. */
  readonly serving: boolean;
  /** Whether so many connections are held back by health checks that these are ignored. */
  readonly panic: boolean;
  /** Whether a server that is up has as many calls in flight as it allows, so that calls may wait for room. */
  readonly full: boolean;
  /** Why calls that get no connection fail rather than wait: there are as many as the options allow. */
  readonly overload: string | undefined;
  /** How many calls wait for a connection, or before their next attempt. */
  readonly waiting: number;
  /** Starts resolving, unless it already does. */
  start(): void;
  /**
   * Calls the call's `retry` now, and whenever the picker changes, a connection has room again or the balancer is
   * closed, until `forget`.
   */
  await(call: PendingCall): void;
  /** The call no longer waits. */
  forget(call: PendingCall): void;
  /** The connection has room again: waiting calls get it. */
  hasRoom(connection: EndpointConnection): void;
  /**
   * How much longer a call that got no connection within `waitTimeoutMs` waits, in milliseconds; 0 or less: no longer.
   */
  moreTimeMs(waitTimeoutMs: number): number;
  /** One line on the endpoints and their states, for error messages. */
  describe(): string;
  /** How many endpoints are ejected, and whether there is a panic, for error messages; undefined: nothing of either. */
  describeHealth(): string | undefined;
}

/** A call that waits for a connection, or before its next attempt. */
export interface PendingCall {
  /** Whether it was given a connection before and came back, so that it is older than calls that were not. */
  readonly returned: boolean;
  /** Whether it waits for a connection rather than for time to pass. */
  readonly wantsConnection: boolean;
  /** Called when something changed or the transport was closed. It must not throw. */
  retry(): void;
}
