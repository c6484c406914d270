import type { Clock, Timer } from "../time/clock.ts";
import { etcdError } from "./error.ts";
import type { Key } from "./key-range.ts";
import type { Store } from "./store.ts";

/** The shortest TTL that etcd grants: 1.5 election timeouts (1 s by default), in whole seconds. */
const MIN_TTL_SECONDS = 2n;
/** The longest TTL that etcd grants. */
const MAX_TTL_SECONDS = 9_000_000_000n;

interface Lease {
  readonly id: bigint;
  readonly ttlSeconds: bigint;
  expiresMs: number;
  timer: Timer;
}

/** The leases: each lives until its TTL has passed without a renewal; then its keys are deleted in one revision. */
export class Leases {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #randomId: () => bigint;
  readonly #leases = new Map<bigint, Lease>();

  constructor(store: Store, clock: Clock, randomId: () => bigint) {
    this.#store = store;
    this.#clock = clock;
    this.#randomId = randomId;
  }

  has(id: bigint): boolean {
    return this.#leases.has(id);
  }

  /** Grants a lease; with `id` 0 the server chooses the id. */
  grant(id: bigint, ttlSeconds: bigint): { id: bigint; ttlSeconds: bigint } {
    if (ttlSeconds > MAX_TTL_SECONDS) throw etcdError("leaseTtlTooLarge");
    if (this.#leases.has(id)) throw etcdError("leaseExists");
    let chosen = id;
    while (chosen === 0n || (id === 0n && this.#leases.has(chosen))) {
      chosen = BigInt.asUintN(63, this.#randomId());
    }
    const ttl = ttlSeconds < MIN_TTL_SECONDS ? MIN_TTL_SECONDS : ttlSeconds;
    const expiresMs = this.#clock.now() + Number(ttl) * 1_000;
    const timer = this.#expiry(chosen, expiresMs);
    this.#leases.set(chosen, { id: chosen, ttlSeconds: ttl, expiresMs, timer });
    return { id: chosen, ttlSeconds: ttl };
  }

  /** Restarts the TTL and returns it; 0 if the lease is gone. */
  renew(id: bigint): bigint {
    const lease = this.#leases.get(id);
    if (lease === undefined) return 0n;
    lease.timer.cancel();
    lease.expiresMs = this.#clock.now() + Number(lease.ttlSeconds) * 1_000;
    lease.timer = this.#expiry(id, lease.expiresMs);
    return lease.ttlSeconds;
  }

  /** Ends a lease and deletes its keys. */
  revoke(id: bigint): void {
    const lease = this.#leases.get(id);
    if (lease === undefined) throw etcdError("leaseNotFound");
    lease.timer.cancel();
    const keys = this.#store.keysOf(id);
    this.#store.write((write) => {
      for (const key of keys) write.deleteRange({ start: key, end: key + "\0" });
    });
    this.#leases.delete(id);
  }

  /** The remaining time of a lease, in whole seconds; undefined if the lease is gone. */
  timeToLive(id: bigint): { ttlSeconds: bigint; grantedSeconds: bigint; keys: readonly Key[] } | undefined {
    const lease = this.#leases.get(id);
    if (lease === undefined) return undefined;
    const leftMs = Math.max(0, lease.expiresMs - this.#clock.now());
    return {
      ttlSeconds: BigInt(Math.floor(leftMs / 1_000)),
      grantedSeconds: lease.ttlSeconds,
      keys: this.#store.keysOf(id),
    };
  }

  /** The ids of all leases, in order of expiry. */
  list(): readonly bigint[] {
    return [...this.#leases.values()].sort((a, b) => a.expiresMs - b.expiresMs).map((lease) => lease.id);
  }

  /** Stops the timers; the leases stay as they are. */
  close(): void {
    for (const lease of this.#leases.values()) lease.timer.cancel();
  }

  #expiry(id: bigint, expiresMs: number): Timer {
    return this.#clock.timer(expiresMs - this.#clock.now(), () => {
      const lease = this.#leases.get(id);
      if (lease === undefined) return;
      // A timer may fire slightly early, and much earlier if the delay exceeds the maximum of a timer.
      if (this.#clock.now() < expiresMs) lease.timer = this.#expiry(id, expiresMs);
      else this.revoke(id);
    });
  }
}
