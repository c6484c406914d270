import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import type { Policy, PolicyEnvironment } from "../policy/policy.ts";
import type { Clock } from "../time/clock.ts";
import { Chooser } from "./chooser.ts";

/** Options of {@link Choosers}. */
export interface ChoosersOptions {
  readonly clock: Clock;
  readonly random: () => number;
  /** See {@link PolicyEnvironment.reportWeights}. */
  readonly weightsListener: () => PolicyEnvironment["reportWeights"];
  /** A policy asks for a new picker. */
  onUpdate(): void;
  /** A policy threw, or returned no picker. */
  onFailed(cause: Error): void;
}

/** What chooses connections for the calls of the transports that share a balancer: one chooser for each. */
export class Choosers {
  readonly #options: ChoosersOptions;
  /** Those that calls have used. */
  readonly #used = new Set<Chooser>();
  /** Undefined while no endpoints are known. */
  #connections: readonly EndpointConnection[] | undefined;

  constructor(options: ChoosersOptions) {
    this.#options = options;
  }

  /** Whether they know endpoints to choose from, or that there are none. */
  get know(): boolean {
    return this.#connections !== undefined;
  }

  /** A new one. It is not among them before `activate`, so that one that is never used costs nothing. */
  make(policy: Policy, { shares }: { readonly shares: boolean }): Chooser {
    const { clock, random, weightsListener, onUpdate, onFailed } = this.#options;
    const chooser: Chooser = new Chooser({
      policy,
      clock,
      random,
      shares,
      weightsListener,
      onUpdate: () => {
        if (chooser.active && this.know) onUpdate();
      },
      onFailed,
    });
    return chooser;
  }

  /** A call needs the chooser's picker: from now on it has one whenever endpoints are known. */
  activate(chooser: Chooser): void {
    chooser.active = true;
    this.#used.add(chooser);
    if (this.#connections !== undefined) chooser.build(this.#connections);
  }

  /** The connections or their states have changed. */
  build(connections: readonly EndpointConnection[]): void {
    this.#connections = connections;
    // One of the policies may close another's transport, or make a call that is the first of its own.
    for (const chooser of [...this.#used]) if (chooser.active) chooser.build(connections);
  }

  /** Waiting does not help: picks fail with this error, unless endpoints are known. */
  fail(error: Error): void {
    for (const chooser of this.#used) if (chooser.active) chooser.picker ??= { pick: () => error };
  }

  /** Nothing is known about the endpoints any more. */
  forget(): void {
    this.#connections = undefined;
    for (const chooser of this.#used) chooser.picker = undefined;
  }

  /** There are no calls any more: each starts again with its next one. */
  deactivate(): void {
    for (const chooser of this.#used) chooser.active = false;
  }

  /** Its transport is closed: others keep the connections that they want. */
  release(chooser: Chooser): void {
    this.#used.delete(chooser);
    chooser.release();
  }

  close(): void {
    for (const chooser of this.#used) chooser.close();
  }
}
