import type { Picker } from "../policy/policy.ts";
import { PACE_MS } from "../time/pace.ts";
import { BalancerSource } from "./balancer-source.ts";
import type { Chooser } from "./chooser.ts";
import type { PendingCall } from "./picker-source.ts";
import type { PulledBalancer } from "./pulled.ts";

/** The longest pause between two looks of a waiting call. */
const MOST_PACE_MS = 16 * PACE_MS;

/**
 * A pulled balancer as the calls of one request see it. With `waitUntil`, they use an old set while a new one is read in
 * the background; without it, they wait for the new one. If every endpoint of the old set is failing, or it has none,
 * they wait in both cases.
 */
export class PulledSource extends BalancerSource<PulledBalancer> {
  readonly #waitUntil: ((promise: Promise<void>) => void) | undefined;
  /** Who has begun a list that has not ended: a call, or all calls of the request. */
  readonly #listing = new WeakSet<object>();

  constructor(balancer: PulledBalancer, chooser: Chooser, waitUntil?: (promise: Promise<void>) => void) {
    super(balancer, chooser);
    this.#waitUntil = waitUntil;
  }

  /** Undefined while calls wait for a set. */
  override get picker(): Picker | undefined {
    const { balancer } = this, { freshness } = balancer, nowMs = balancer.catchUp(), { picker } = this.chooser;
    const settled = freshness.settled(nowMs);
    if ((!settled || balancer.pool.updating) && !balancer.usable) return undefined;
    if (settled) return picker;
    if (this.#waitUntil === undefined) return freshness.worthWaiting(nowMs) ? undefined : picker;
    if (freshness.mayList(nowMs, false)) this.#list(this);
    return picker;
  }

  override await(call: PendingCall): void {
    this.balancer.wait(call, this);
    if (call.wantsConnection) this.#look(call, PACE_MS);
  }

  /** The call looks whether there is something for it, reads the set if that is needed, and soon looks again. */
  #look(call: PendingCall, paceMs: number): void {
    const balancer = this.balancer, clock = balancer.callClock, look = balancer.look(call);
    if (look === undefined) return;
    const lister = this.#waitUntil === undefined ? call : this;
    if (!this.#listing.has(lister) && balancer.freshness.mayList(clock.now(), true)) this.#list(lister);
    const delayMs = Math.min(paceMs, Math.max(1, balancer.dueInMs));
    look.timer = clock.timer(delayMs, () => this.#look(call, Math.min(2 * paceMs, MOST_PACE_MS)));
  }

  /** Reads the set, for one call or for all calls of the request. */
  #list(lister: PendingCall | this): void {
    const balancer = this.balancer;
    this.#listing.add(lister);
    const listed = balancer.list().then(() => {
      this.#listing.delete(lister);
      // Calls of one request may wake each other; without a request, each call may have its own.
      const woken = lister === this ? balancer.waitingFor(this) : [lister as PendingCall];
      for (const call of woken) this.#look(call, PACE_MS);
    });
    this.#waitUntil?.(listed);
  }
}
