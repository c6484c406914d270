import type { BalancerEvent } from "../../../src/balancer/event.ts";
import type { Attempt, AttemptStart } from "../../../src/call/observer.ts";
import type { RegistryEvent } from "../../../src/registry/event.ts";
import type { CallRecord } from "../world/ledger.ts";
import type { World } from "../world/world.ts";

/** What an invariant hears of a run; it says so with `world.broken` when it does not hold. */
export interface Watch {
  /** A server began to process a call. */
  processing?(call: CallRecord): void;
  /** A call is made. */
  began?(call: CallRecord): void;
  /** An attempt of a call begins at one of the clients that have observers. */
  attempt?(call: CallRecord, attempt: AttemptStart): void;
  /** That attempt has ended. */
  attempted?(call: CallRecord, attempt: Attempt): void;
  /** The registry of a client or a server, by its address, reports something. */
  registryEvent?(who: string, event: RegistryEvent): void;
  /** A client's transport reports something. */
  event?(client: string, event: BalancerEvent): void;
  /** A connection is asked for: by a client or a server, of a server or of etcd. */
  dial?(from: string, address: string): void;
  /** Every 5 s, until the world is still. */
  tick?(): void;
  /** A call ended. */
  ended?(call: CallRecord): void;
  /** Faults and calls are over, and the world had time to recover. Everything still runs. */
  quiet?(): Promise<void> | void;
  /** The last calls have ended, too. Everything still runs. */
  still?(): void;
  /** Clients and servers have been closed. */
  closed?(): void;
}

/** What must always be so. To add one: a file that exports it, and its name in `invariants.ts`. */
export interface Invariant {
  readonly name: string;
  watch(world: World): Watch;
}
