import type { Connection, Outcome } from "../connection/connection.ts";
import { isDrop } from "./drop.ts";
import type { CallInfo, Picker, PickResult, Policy, PolicyEnvironment, PolicySnapshot } from "./policy.ts";

/** A policy at work on a part of a transport's connections, such as those of a zone, beside its other parts. */
export class Part {
  readonly #policy: Policy;
  readonly #env: PolicyEnvironment;
  /** The newest. */
  picker: Picker | undefined;
  connections: readonly Connection[] = [];

  constructor(policy: Policy, env: PolicyEnvironment) {
    this.#policy = policy;
    // A copy, since policies may keep state by environment.
    this.#env = { ...env };
  }

  build(connections: readonly Connection[]): void {
    this.connections = connections;
    this.picker = this.#policy(connections, this.picker, this.#env);
  }
}

/**
 * Chooses among parts: each gets a share of the calls, and one that has no connection for a call leaves it to the
 * others, in their order.
 */
export class PartsPicker<Name> implements Picker {
  /** By name; in the order in which they are tried. */
  readonly parts: ReadonlyMap<Name, Part>;
  readonly #inOrder: readonly Part[];
  readonly #shares: readonly number[];
  readonly #random: () => number;
  readonly #partOf = new Map<Connection, Part>();

  /** `shares`: of the parts, in their order; they add up to 1. */
  constructor(parts: ReadonlyMap<Name, Part>, shares: readonly number[], random: () => number) {
    this.parts = parts;
    this.#inOrder = [...parts.values()];
    this.#shares = shares;
    this.#random = random;
    for (const part of parts.values()) for (const connection of part.connections) this.#partOf.set(connection, part);
  }

  pick(call: CallInfo): Connection | PickResult | "wait" | Error {
    const first = this.#drawn();
    let waits = false, failure: Error | undefined;
    for (let at = -1; at < this.#inOrder.length; at++) {
      const part = at < 0 ? first : this.#inOrder[at]!;
      if (part?.picker === undefined || (part === first && at >= 0)) continue;
      const picked = part.picker.pick(call);
      if (picked === "wait") waits = true;
      else if (!(picked instanceof Error) || isDrop(picked)) return picked;
      else if (part.connections.length > 0) failure ??= picked;
    }
    return waits ? "wait" : failure ?? new Error("there are no endpoints");
  }

  #drawn(): Part | undefined {
    // Most have one part with all calls.
    if (this.#shares[0] === 1) return this.#inOrder[0];
    let left = this.#random(), last: Part | undefined;
    for (const [at, share] of this.#shares.entries()) {
      if (share === 0) continue;
      last = this.#inOrder[at];
      if (left < share) return last;
      left -= share;
    }
    return last;
  }

  done(connection: Connection, outcome: Outcome, call: CallInfo): void {
    this.#partOf.get(connection)?.picker?.done?.(connection, outcome, call);
  }

  describe(connection: Connection): PolicySnapshot | undefined {
    return this.#partOf.get(connection)?.picker?.describe?.(connection);
  }

  exitIdle(): void {
    for (const { picker } of this.parts.values()) picker?.exitIdle?.();
  }

  close(): void {
    for (const { picker } of this.parts.values()) picker?.close?.();
  }
}

/** Whether a picker found a connection. */
export function isPick(picked: Connection | PickResult | "wait" | Error): picked is Connection | PickResult {
  return picked !== "wait" && !(picked instanceof Error);
}

/** Ends the work on parts that are no longer there. */
export function endOthers<Name>(
  before: ReadonlyMap<Name, Part> | undefined,
  now: ReadonlyMap<Name, Part>,
): void {
  for (const [name, { picker }] of before ?? []) if (!now.has(name)) picker?.close?.();
}
