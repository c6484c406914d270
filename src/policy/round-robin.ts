import type { Connection } from "../connection/connection.ts";
import { endpointIdentity } from "../endpoint.ts";
import { checkOptions, made } from "../option.ts";
import { type CallInfo, type Picker, type Policy, unavailable } from "./policy.ts";

/**
 * Each call goes to the next endpoint in cyclic address order; gRPC's `round_robin`.
 *
 * While nothing changes, any n consecutive picks hit each of n endpoints once. Across changes, no endpoint that stays
 * is picked twice before every other one that stays has been picked once, because the position in the circle is kept as
 * an address. The first pick is random, so that many clients do not start with the same server. It takes no options.
 *
 * @throws TypeError if there are any.
 */
export function roundRobin(options: Readonly<Record<string, never>> = {}): Policy {
  checkOptions("roundRobin()", options, {});
  return (connections, previous, env) => {
    for (const connection of connections) if (connection.state === "idle") connection.connect();
    // Connections that are opening get calls as soon as they are ready, even before the next picker; failing ones are
    // left out.
    const circle = connections.filter((connection) => connection.available || connection.failure === undefined);
    const last = previous instanceof RoundRobinPicker ? previous.last : undefined;
    const start = last === undefined ? Math.floor(env.random() * circle.length) : indexAfter(circle, last);
    return new RoundRobinPicker(circle, start, last, unavailable(connections));
  };
}

made(roundRobin);

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

/** The picker of {@link roundRobin}. */
class RoundRobinPicker implements Picker {
  readonly #circle: readonly Connection[];
  readonly #otherwise: "wait" | Error;
  #next: number;
  /** The connection picked last; its address is the cursor. */
  last: Connection | undefined;

  constructor(
    circle: readonly Connection[],
    start: number,
    last: Connection | undefined,
    otherwise: "wait" | Error,
  ) {
    this.#circle = circle;
    this.#next = start;
    this.last = last;
    this.#otherwise = otherwise;
  }

  pick(call: CallInfo): Connection | "wait" | Error {
    const circle = this.#circle;
    for (let tried = 0; tried < circle.length; tried++) {
      const connection = circle[this.#next]!;
      this.#next = this.#next + 1 === circle.length ? 0 : this.#next + 1;
      // Readiness may have come or gone since this picker was built.
      if (connection.available && !call.excluded(connection)) return this.last = connection;
    }
    return this.#otherwise;
  }
}
