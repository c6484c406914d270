import { type Endpoint, endpointIdentity } from "../../endpoint.ts";
import type { RequestDriver } from "../driver/driver.ts";

/** One attempt on a session. */
export interface AttemptOnSession {
  /** The session answered. */
  answered(): void;
  /**
   * The attempt timed out and is over. Its session is given up, unless another attempt may still get an answer on it.
   */
  silent(): void;
  /** The attempt is over. May be called after `silent`. */
  end(): void;
}

/**
 * The attempts in flight on a driver's sessions, which decide when a session is given up. A session that has answered
 * and falls silent may be half open: nothing on it would ever fail by itself, so the first attempt that times out gives
 * it up. A session that has not answered yet is still being opened, and attempts with longer timeouts may wait for
 * that.
 */
export class Attempts {
  readonly #driver: RequestDriver;
  readonly #inFlight = new Map<string, number>();
  /** The newest session of each endpoint that has answered. */
  readonly #answered = new Map<string, number>();

  constructor(driver: RequestDriver) {
    this.#driver = driver;
  }

  begin(endpoint: Endpoint): AttemptOnSession {
    const identity = endpointIdentity(endpoint), generation = this.#driver.generation(endpoint);
    const session = `${generation} ${identity}`;
    this.#inFlight.set(session, (this.#inFlight.get(session) ?? 0) + 1);
    let ended = false;
    const end = () => {
      if (ended) return;
      ended = true;
      const left = (this.#inFlight.get(session) as number) - 1;
      if (left > 0) this.#inFlight.set(session, left);
      else this.#inFlight.delete(session);
    };
    return {
      answered: () => void this.#answered.set(identity, generation),
      silent: () => {
        end();
        if (this.#answered.get(identity) !== generation && this.#inFlight.has(session)) return;
        this.#driver.reset(endpoint, generation);
      },
      end,
    };
  }
}
