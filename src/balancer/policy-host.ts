import type { Connection } from "../connection/connection.ts";
import { textOf } from "../error-text.ts";
import { guarded } from "../listener.ts";
import type { Picker, Policy, PolicyEnvironment } from "../policy/policy.ts";
import { connectionBehind } from "../policy/view.ts";
import type { Clock } from "../time/clock.ts";
import { TimerGroup } from "../time/timer-group.ts";

/**
 * Runs one policy for one transport: holds its environment, its newest picker, and its timers, which end with the host.
 */
export class PolicyHost {
  readonly #policy: Policy;
  readonly #environment: PolicyEnvironment;
  readonly #timers: TimerGroup;
  #previous: Picker | undefined;
  /** The policy asked for an update, and `onUpdate` has not run yet. */
  #asked = false;
  #building = false;
  #closed = false;

  /** `onUpdate`: the policy asks for a new picker. It is never called from within the policy's own code. */
  constructor(policy: Policy, clock: Clock, random: () => number, onUpdate: () => void) {
    this.#policy = policy;
    const timers = this.#timers = new TimerGroup(clock, "a policy");
    this.#environment = {
      now: () => clock.now(),
      random,
      update: () => {
        if (this.#asked || this.#closed) return;
        this.#asked = true;
        // A picker may ask while waiting calls are using it.
        queueMicrotask(() => {
          this.#asked = false;
          if (!this.#closed) onUpdate();
        });
      },
      timer: (delayMs, callback) => timers.add(delayMs, callback),
      transport: (connection) => this.#closed ? undefined : connectionBehind(connection)?.background,
    };
  }

  /** @throws Error that says what the policy did wrong; the previous picker stays the newest. */
  build(connections: readonly Connection[]): Picker {
    this.#building = true;
    try {
      const picker = this.#policy(connections, this.#previous, this.#environment);
      if (typeof picker?.pick !== "function") {
        const called = typeof picker === "function"
          ? "a function (call it to create the policy: roundRobin())"
          : String(picker);
        throw new TypeError(`it returned ${called}: expected a picker, { pick(call) }`);
      }
      return this.#previous = picker;
    } catch (error) {
      throw new Error(`the policy failed: ${textOf(error)}`, { cause: error });
    } finally {
      this.#building = false;
      if (this.#closed) this.#closePicker();
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timers.close();
    // A policy that closes its transport is about to return the last picker.
    if (!this.#building) this.#closePicker();
  }

  #closePicker(): void {
    guarded("close of a policy's picker", () => this.#previous?.close?.());
  }
}
