import type { Connection } from "../connection/connection.ts";
import { endpointIdentity } from "../endpoint.ts";
import type { CallInfo, Picker, PolicyEnvironment } from "./policy.ts";

/**
 * The connections that calls go around, in address order. Those that are opening are among them, so that they get calls
 * as soon as they are ready, even before the next picker; failing ones are left out.
 */
export function circleOf(connections: readonly Connection[]): readonly Connection[] {
  return connections.every(isInCircle) ? connections : connections.filter(isInCircle);
}

/** Whether a connection is available, or may soon be. */
function isInCircle(connection: Connection): boolean {
  return connection.available || connection.failure === undefined;
}

/** Wants all of them, which opens what is idle. */
export function connectAll(connections: readonly Connection[]): void {
  for (const connection of connections) connection.connect();
}

/** A picker that goes around a circle. Its successor, of whatever kind, goes on where it was. */
export abstract class CirclePicker implements Picker {
  /** The connection picked last; its address is the place in the circle. */
  abstract readonly last: Connection | undefined;
  abstract pick(call: CallInfo): Connection | "wait" | Error;
}

/** What the previous picker picked last, if it went around a circle. */
export function lastOf(previous: Picker | undefined): Connection | undefined {
  return previous instanceof CirclePicker ? previous.last : undefined;
}

/** Where in a circle to go on: after what was picked last; at random if nothing was. */
export function startAfter(
  last: Connection | undefined,
  circle: readonly Connection[],
  env: Pick<PolicyEnvironment, "random">,
): number {
  return last === undefined ? Math.floor(env.random() * circle.length) : indexAfter(circle, last);
}

/** The index of the first connection after `last` in the circle. */
function indexAfter(connections: readonly Connection[], last: Connection): number {
  const identity = endpointIdentity(last.endpoint);
  let low = 0, high = connections.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (endpointIdentity(connections[middle]!.endpoint) <= identity) low = middle + 1;
    else high = middle;
  }
  return low === connections.length ? 0 : low;
}
