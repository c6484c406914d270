import type { Connection } from "../connection/connection.ts";
import { checkOptions, made } from "../option.ts";
import { anyAvailable } from "./any-available.ts";
import { circleOf, connectAll } from "./circle.ts";
import { type CallInfo, type Picker, type Policy, type PolicyEnvironment, unavailable } from "./policy.ts";

/** How many connections are tried before all are looked at. */
const TRIES = 8;

/**
 * Each call goes to any endpoint, all with the same chance, whatever their weights. Round robin spreads calls more
 * evenly; this one keeps no count, so its picks can't fall into step with those of other clients. It takes no options.
 *
 * @throws TypeError if there are any.
 */
export function random(options: Readonly<Record<string, never>> = {}): Policy {
  checkOptions("random()", options, {});
  return (connections, _previous, env) => {
    connectAll(connections);
    return new RandomPicker(circleOf(connections), unavailable(connections), env);
  };
}

made(random);

/** The picker of {@link random}. */
class RandomPicker implements Picker {
  readonly #circle: readonly Connection[];
  readonly #otherwise: "wait" | Error;
  readonly #env: PolicyEnvironment;

  constructor(circle: readonly Connection[], otherwise: "wait" | Error, env: PolicyEnvironment) {
    this.#circle = circle;
    this.#otherwise = otherwise;
    this.#env = env;
  }

  pick(call: CallInfo): Connection | "wait" | Error {
    const circle = this.#circle, env = this.#env;
    for (let tries = 0; tries < TRIES; tries++) {
      const connection = circle[Math.floor(env.random() * circle.length)];
      // Readiness may have come or gone since this picker was built.
      if (connection?.available && !call.excluded(connection)) return connection;
    }
    return anyAvailable(circle, call, env) ?? this.#otherwise;
  }
}
