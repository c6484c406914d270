import { guarded } from "../listener.ts";
import { type Clock, MAX_DELAY_MS, type Timer } from "../time/clock.ts";
import type { RegistrationState } from "./registry.ts";

/** The states that each state of a registration can change to. */
const TRANSITIONS: Readonly<Record<RegistrationState, readonly RegistrationState[]>> = {
  pending: ["registered", "closed"],
  registered: ["suspect", "lost", "closed"],
  suspect: ["registered", "lost", "closed"],
  lost: ["registered", "closed"],
  closed: [],
};

/**
 * The life of a registration in any kind of registry: its state, which changes only as {@link TRANSITIONS} allows, the
 * listener of these changes, and `ready`.
 */
export class RegistrationLife {
  readonly #clock: Clock;
  readonly #onState: ((state: RegistrationState, cause?: Error) => void) | undefined;
  readonly #ready: Promise<void>;
  #resolve!: () => void;
  #reject!: (error: Error) => void;
  #state: RegistrationState = "pending";
  #sinceMs: number;
  #hold: Timer | undefined;

  constructor(clock: Clock, onState: ((state: RegistrationState, cause?: Error) => void) | undefined) {
    this.#clock = clock;
    this.#sinceMs = clock.now();
    this.#onState = onState;
    this.#ready = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Avoids an unhandled rejection when nobody awaits `ready`.
    this.#ready.catch(() => {});
  }

  get state(): RegistrationState {
    return this.#state;
  }

  /** Since when it is in its state, on the clock's scale. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** Reading it while the registration is pending keeps the process alive until it settles. */
  get ready(): Promise<void> {
    if (this.#state === "pending") this.#hold ??= this.#clock.timer(MAX_DELAY_MS, () => {}, true);
    return this.#ready;
  }

  /** Changes to a state if the current one allows it, and calls the listener. Returns whether it did. */
  to(state: RegistrationState, cause?: Error): boolean {
    if (!TRANSITIONS[this.#state].includes(state)) return false;
    const first = this.#state === "pending";
    this.#state = state;
    this.#sinceMs = this.#clock.now();
    if (first) {
      this.#hold?.cancel();
      if (state === "registered") this.#resolve();
      else this.#reject(new Error("the registration was closed before it succeeded", cause ? { cause } : {}));
    }
    guarded("an onState listener", () => this.#onState?.(state, cause));
    return true;
  }
}
