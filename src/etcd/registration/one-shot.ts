import type { Layout } from "../../registry/layout/layout.ts";
import type { Renewal, RenewOptions } from "../../registry/registry.ts";
import { sleep } from "../../time/backoff.ts";
import type { EtcdClient } from "../client/client.ts";
import { Pace } from "../client/pace.ts";
import type { AttemptContext, LeaseTimeToLive, RequestDriver } from "../driver/driver.ts";
import { EtcdError } from "../driver/failure.ts";
import { requestTimeoutMs } from "./request-timeout.ts";

/** How long `renew` and `deregister` may take, in milliseconds. */
const MOST_MS = 10_000;
/** How many lease ids are tried if others hold them. */
const MOST_IDS = 4;

/**
 * A server's entry, renewed or removed in one operation that needs no memory of earlier ones: the id of its lease
 * follows from the key's prefix, the address and the TTL. So programs that renew the same entry at the same time agree
 * on its lease.
 *
 * A lease with this id may be another's by chance: one that holds other keys is left alone, and the next id is used.
 */
export class OneShot {
  readonly #client: EtcdClient<RequestDriver>;
  readonly #layout: Layout;
  readonly #server: RenewOptions;

  /** @throws TypeError or RangeError if the layout can't store an attribute. */
  constructor(client: EtcdClient<RequestDriver>, layout: Layout, server: RenewOptions) {
    this.#client = client;
    this.#layout = layout;
    this.#server = server;
    this.#entry(1n);
  }

  /** @throws EtcdError, the last one if there were several attempts. */
  renew(): Promise<Renewal> {
    return this.#inTime((signal) => this.#renew(signal));
  }

  /** @throws EtcdError, the last one if there were several attempts. */
  deregister(): Promise<void> {
    return this.#inTime((signal) => this.#deregister(signal));
  }

  async #renew(signal: AbortSignal): Promise<Renewal> {
    const { driver } = this.#client;
    for (const id of this.#ids()) {
      const { key, value } = this.#entry(id);
      const [lease, { kvs: [found] }] = await Promise.all([
        this.#lease(id, signal),
        this.#request(signal, (context) => driver.range({ key }, context)),
      ]);
      if (!holdsOnly(lease, key)) continue;
      const kept = lease !== undefined &&
        await this.#request(signal, (context) => driver.leaseKeepAlive(id, context)) > 0n;
      if (kept && found?.lease === id && equal(found.value, value)) return "renewed";
      if (!kept) await this.#grant(id, signal);
      const put = { put: { key, value, lease: id } };
      await this.#request(signal, (context) => driver.txn({ compare: [], success: [put], failure: [] }, context));
      return "registered";
    }
    throw new EtcdError(`all ${MOST_IDS} lease ids of ${this.#server.address} hold other keys`, "refused");
  }

  async #deregister(signal: AbortSignal): Promise<void> {
    for (const id of this.#ids()) {
      const lease = await this.#lease(id, signal);
      if (lease === undefined) return;
      if (!holdsOnly(lease, this.#entry(id).key)) continue;
      return await this.#unless(
        "lease-gone",
        this.#request(signal, (context) => {
          return this.#client.driver.leaseRevoke(id, context);
        }),
      );
    }
  }

  async #grant(id: bigint, signal: AbortSignal): Promise<void> {
    const request = { id, ttlSeconds: BigInt(this.#server.ttlSeconds) };
    const granting = this.#request(signal, (context) => this.#client.driver.leaseGrant(request, context));
    // Another program has granted it just now.
    await this.#unless("lease-exists", granting);
  }

  #lease(id: bigint, signal: AbortSignal): Promise<LeaseTimeToLive | undefined> {
    return this.#request(signal, (context) => this.#client.driver.leaseTimeToLive({ id, keys: true }, context));
  }

  async #unless(kind: EtcdError["kind"], request: Promise<unknown>): Promise<void> {
    try {
      await request;
    } catch (error) {
      if (!(error instanceof EtcdError) || error.kind !== kind) throw error;
    }
  }

  #request<T>(signal: AbortSignal, attempt: (context: AttemptContext) => Promise<T>): Promise<T> {
    const timeoutMs = requestTimeoutMs(this.#client.requestTimeoutMs, 1_000 * this.#server.ttlSeconds);
    return this.#client.anyEndpoint(signal, attempt, { timeoutMs });
  }

  /** Tries again until it succeeds, etcd refuses the user, or the time is up. */
  async #inTime<T>(operation: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock } = this.#client;
    const untilMs = clock.now() + MOST_MS;
    const pace = new Pace(this.#client);
    const late = new AbortController();
    let failure: unknown = new EtcdError(`etcd did not answer within ${MOST_MS} ms`, "transient");
    // Keeps the process alive until it has ended.
    const timer = clock.timer(MOST_MS, () => late.abort(failure), true);
    try {
      for (;;) {
        try {
          return await operation(late.signal);
        } catch (error) {
          failure = error;
          const { inMs, refused } = pace.failed(error);
          if (refused || clock.now() + inMs >= untilMs) throw error;
          await sleep(clock, inMs, late.signal);
        }
      }
    } finally {
      timer.cancel();
    }
  }

  #ids(): readonly bigint[] {
    const { service, address, ttlSeconds } = this.#server;
    const name = JSON.stringify([this.#layout.prefix(service), address, ttlSeconds]);
    return Array.from({ length: MOST_IDS }, (_, n) => leaseId(`${name}${n}`));
  }

  #entry(lease: bigint): { readonly key: Uint8Array; readonly value: Uint8Array } {
    const { key, value } = this.#layout.write({ ...this.#server, lease });
    return { key: encoder.encode(key), value: encoder.encode(value) };
  }
}

const encoder = new TextEncoder();

/** The hash FNV-1a (RFC 9923) of a text, as a positive int64. */
function leaseId(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of encoder.encode(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return BigInt.asUintN(63, hash) || 1n;
}

function holdsOnly(lease: LeaseTimeToLive | undefined, key: Uint8Array): boolean {
  return lease === undefined || lease.keys.every((other) => equal(other, key));
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
