import type { Connection } from "../connection/connection.ts";
import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import { textOf } from "../error-text.ts";
import { guarded } from "../listener.ts";
import type { Picker, Policy, PolicyEnvironment, PolicySnapshot } from "../policy/policy.ts";
import { connectionBehind } from "../policy/view.ts";
import type { Clock } from "../time/clock.ts";
import { TimerGroup } from "../time/timer-group.ts";
import { SharedConnections } from "./shared-connections.ts";

/** Options of {@link PolicyHost}. */
export interface PolicyHostOptions {
  readonly policy: Policy;
  readonly clock: Clock;
  readonly random: () => number;
  /** Whether other policies may want the same connections. */
  readonly shares: boolean;
  /** See {@link PolicyEnvironment.reportWeights}. */
  readonly weightsListener?: (() => PolicyEnvironment["reportWeights"]) | undefined;
  /** The policy asks for a new picker. It is never called from within the policy's own code. */
  onUpdate(): void;
}

/**
 * Runs one policy for one transport: holds its environment, its newest picker, and its timers, which end with the host.
 */
export class PolicyHost {
  readonly policy: Policy;
  readonly #environment: PolicyEnvironment;
  readonly #timers: TimerGroup;
  /** Undefined: it has the connections to itself, and sees them as they are, which costs calls less. */
  readonly #shared: SharedConnections | undefined;
  /** What the policy was given last. */
  #connections: readonly Connection[] | undefined;
  #previous: Picker | undefined;
  /** The policy asked for an update, and `onUpdate` has not run yet. */
  #asked = false;
  #building = false;
  #closed = false;

  constructor({ policy, clock, random, shares, weightsListener, onUpdate }: PolicyHostOptions) {
    this.policy = policy;
    if (shares) this.#shared = new SharedConnections();
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
      get reportWeights() {
        return weightsListener?.();
      },
    };
  }

  /** @throws Error that says what the policy did wrong; the previous picker stays the newest. */
  build(connections: readonly EndpointConnection[]): Picker {
    this.#building = true;
    const shown = this.#connections = this.#shared?.show(connections) ?? connections;
    try {
      const picker = this.policy(shown, this.#previous, this.#environment);
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

  /** Whether the policy has been given connections. */
  get used(): boolean {
    return this.#connections !== undefined;
  }

  /** Whether all that the policy wants is still being opened. */
  get opening(): boolean {
    return this.#shared?.opening === true;
  }

  /** What its newest picker knows about a connection. */
  describe(connection: EndpointConnection): PolicySnapshot | undefined {
    let known: PolicySnapshot | undefined;
    guarded("describe of a policy's picker", () => {
      known = this.#previous?.describe?.(this.#shared?.of(connection) ?? connection);
    });
    return known;
  }

  /** Closes it, and the connections that no other policy wants. */
  release(): void {
    this.close();
    if (this.#shared !== undefined) return this.#shared.release();
    for (const connection of this.#connections ?? []) connection.disconnect();
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
