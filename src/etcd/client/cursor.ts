import type { Endpoint } from "../../endpoint.ts";

/** A loop's position in the list of etcd endpoints; it moves on when an endpoint fails. */
export interface Cursor {
  readonly endpoint: Endpoint;
  /** Moves on to the next endpoint that is not in backoff; if all are, to the one that will be over it first. */
  next(): void;
  /** The same, but stays where it is if there is no reason to move. */
  avoidBackoff(): void;
}

/** Creates a cursor that begins at an index. `backoffMs` says how long an endpoint will be in backoff. */
export function createCursor(
  endpoints: readonly Endpoint[],
  start: number,
  backoffMs: (endpoint: Endpoint) => number,
): Cursor {
  const readiestFrom = (index: number) => {
    const first = index % endpoints.length;
    const inOrder = [...endpoints.slice(first), ...endpoints.slice(0, first)];
    return inOrder.reduce((best, other) => backoffMs(other) < backoffMs(best) ? other : best);
  };
  let endpoint = endpoints[start % endpoints.length] as Endpoint;
  return {
    get endpoint() {
      return endpoint;
    },
    next() {
      endpoint = readiestFrom(endpoints.indexOf(endpoint) + 1);
    },
    avoidBackoff() {
      endpoint = readiestFrom(endpoints.indexOf(endpoint));
    },
  };
}
