import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import type { Picker, Policy, PolicyEnvironment, PolicySnapshot } from "../policy/policy.ts";
import type { Clock } from "../time/clock.ts";
import { PolicyHost } from "./policy-host.ts";

/** Options of {@link Chooser}. */
export interface ChooserOptions {
  readonly policy: Policy;
  readonly clock: Clock;
  readonly random: () => number;
  /** Whether other choosers may use the same connections. */
  readonly shares: boolean;
  /** See {@link PolicyEnvironment.reportWeights}. */
  readonly weightsListener?: (() => PolicyEnvironment["reportWeights"]) | undefined;
  /** Its policy asks for a new picker. */
  onUpdate(): void;
  /** A policy threw, or returned no picker. */
  onFailed(cause: Error): void;
}

/**
 * Chooses connections for the calls of one transport: has the picker of its policy, which another policy may replace
 * while calls go on.
 */
export class Chooser {
  readonly #options: ChooserOptions;
  #host: PolicyHost;
  /** What replaces it as soon as calls need not wait for that. */
  #next: PolicyHost | undefined;
  /** Undefined while it is inactive, or no endpoints are known. */
  picker: Picker | undefined;
  /** Whether there were calls since its balancer was last idle. */
  active = false;
  closed = false;

  constructor(options: ChooserOptions) {
    this.#options = options;
    this.#host = new PolicyHost(options);
  }

  /** The connections or their states have changed. */
  build(connections: readonly EndpointConnection[]): void {
    if (this.closed) return;
    if (this.#next !== undefined && this.#replaced(this.#next, connections)) return;
    try {
      this.picker = this.#host.build(connections);
    } catch (error) {
      const cause = error as Error;
      this.picker ??= { pick: () => cause };
      this.#options.onFailed(cause);
    }
  }

  /** Another policy is to choose, from the next `build` on, or as soon as one of the connections it wants is ready. */
  use(policy: Policy): void {
    if (this.closed || policy === (this.#next ?? this.#host).policy) return;
    this.#next?.release();
    const shares = this.#options.shares || this.#host.used;
    this.#next = policy === this.#host.policy ? undefined : new PolicyHost({ ...this.#options, policy, shares });
  }

  /** Whether the next policy has taken over. */
  #replaced(next: PolicyHost, connections: readonly EndpointConnection[]): boolean {
    let picker: Picker;
    try {
      picker = next.build(connections);
    } catch (error) {
      // The one that works remains.
      if (this.#next === next) this.#next = undefined;
      next.release();
      this.#options.onFailed(error as Error);
      return false;
    }
    if (this.#next !== next || this.picker !== undefined && next.opening) return false;
    const old = this.#host;
    this.#host = next;
    this.#next = undefined;
    this.picker = picker;
    old.release();
    return true;
  }

  /** What its policy knows about a connection. */
  describe(connection: EndpointConnection): PolicySnapshot | undefined {
    return this.#host.describe(connection);
  }

  /** Its balancer is closed. */
  close(): void {
    this.#end((host) => host.close());
  }

  /** Its transport is closed, but its balancer is not: other choosers keep the connections that they want. */
  release(): void {
    this.#end((host) => host.release());
  }

  #end(end: (host: PolicyHost) => void): void {
    if (this.closed) return;
    this.closed = true;
    this.picker = undefined;
    const next = this.#next;
    this.#next = undefined;
    if (next !== undefined) end(next);
    end(this.#host);
  }
}
