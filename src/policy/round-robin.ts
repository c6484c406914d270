import type { Connection } from "../connection/connection.ts";
import { checkOptions, made } from "../option.ts";
import { circleOf, CirclePicker, connectAll, lastOf, startAfter } from "./circle.ts";
import { type CallInfo, type Policy, unavailable } from "./policy.ts";

/**
 * Each call goes to the next endpoint in cyclic address order, whatever the endpoints' weights; gRPC's `round_robin`.
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
    connectAll(connections);
    const circle = circleOf(connections), last = lastOf(previous);
    return new RoundRobinPicker(circle, startAfter(last, circle, env), last, unavailable(connections));
  };
}

made(roundRobin);

/** The picker of {@link roundRobin}. */
export class RoundRobinPicker extends CirclePicker {
  readonly #circle: readonly Connection[];
  readonly #otherwise: "wait" | Error;
  #next: number;
  last: Connection | undefined;

  /** `start`: where in the circle to begin; `otherwise`: what to return when none is available. */
  constructor(
    circle: readonly Connection[],
    start: number,
    last: Connection | undefined,
    otherwise: "wait" | Error,
  ) {
    super();
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
