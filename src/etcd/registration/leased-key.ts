import type { Layout } from "../../registry/layout/layout.ts";
import type { EndpointAttributes } from "../../registry/registry.ts";
import { Backoff, sleep } from "../../time/backoff.ts";
import type { AttemptOptions, EtcdClient } from "../client/client.ts";
import type { Cursor } from "../client/cursor.ts";
import { RETRY } from "../client/pace.ts";
import type { AttemptContext, KeyValue, TxnRequest, TxnResponse } from "../driver/driver.ts";
import { EtcdError } from "../driver/failure.ts";
import { renewalTimeoutMs, requestTimeoutMs } from "./request-timeout.ts";

/** How long etcd may take to revoke a lease, in milliseconds. */
const RELEASE_MS = 1_000;

/** The server that the key belongs to. */
export interface LeasedServer {
  readonly service: string;
  readonly address: string;
  readonly ttlSeconds: number;
}

/**
 * How a key was found:
 *
 * - `ours`: it is attached to our lease;
 * - `put-again`: it was gone, and has been put again under our lease;
 * - `taken`: another program wrote it, and now owns it.
 */
export type Standing = "ours" | "put-again" | "taken";

/**
 * One server's key in etcd and the lease that it is attached to. Each method makes one attempt; at most one lease
 * exists at a time.
 *
 * The lease's id is chosen here, not by etcd, so that a lease whose grant was never answered can be granted again under
 * the same id, and revoked.
 */
export class LeasedKey {
  readonly cursor: Cursor;
  readonly #client: EtcdClient;
  readonly #layout: Layout;
  readonly #server: LeasedServer;
  /** The id of the lease that was requested, granted or not. */
  #id: bigint | undefined;
  #formerId: bigint | undefined;
  #granted = false;
  #ttlMs: number;
  #renewedAtMs = -Infinity;
  #heldBy: bigint | undefined;

  constructor(client: EtcdClient, layout: Layout, server: LeasedServer) {
    this.#client = client;
    this.cursor = client.cursor();
    this.#layout = layout;
    this.#server = server;
    this.#ttlMs = 1_000 * server.ttlSeconds;
  }

  /** Whether etcd has granted a lease and has not reported it gone. */
  get granted(): boolean {
    return this.#granted;
  }

  /** The TTL in milliseconds that etcd granted, which may be longer than the one requested. */
  get ttlMs(): number {
    return this.#ttlMs;
  }

  /** When the last successful grant or renewal was sent, in milliseconds of the clock. */
  get renewedAtMs(): number {
    return this.#renewedAtMs;
  }

  /** When to renew the lease: after a third of its TTL, in milliseconds of the clock. */
  get renewAtMs(): number {
    return this.#renewedAtMs + this.#ttlMs / 3;
  }

  /** The lease under which another program was last found to hold the key; 0 for none. Undefined: none was found. */
  get heldBy(): bigint | undefined {
    return this.#heldBy;
  }

  /** The key as spelled with the current lease. */
  get key(): string {
    return this.#layout.write({ ...this.#server, lease: this.#id ?? 0n }).key;
  }

  /** Gets a lease and puts the key under it, overwriting whatever is there: the last writer wins. */
  async acquire(attributes: EndpointAttributes, signal: AbortSignal): Promise<Standing> {
    return await this.#withLease(signal, async () => {
      await this.#txn({ compare: [], success: [this.#put(attributes)], failure: [] }, signal);
      return "ours";
    });
  }

  /**
   * Gets a new lease, after the previous one was lost or instead of taking over, and puts the key under it unless another
   * program holds the key.
   */
  async reacquire(attributes: EndpointAttributes, signal: AbortSignal): Promise<Standing> {
    return await this.#withLease(signal, async () => {
      const standing = await this.#putWhereGone(attributes, signal);
      return standing === "put-again" ? "ours" : standing;
    });
  }

  /** Renews the lease. @throws EtcdError of kind `lease-gone` if the server reports that it is gone. */
  async keepAlive(signal: AbortSignal): Promise<void> {
    const id = this.#id as bigint;
    const timeoutMs = renewalTimeoutMs(this.#client.requestTimeoutMs, this.#ttlMs);
    const neededByMs = this.#renewedAtMs + this.#ttlMs;
    // A busy etcd still renews it later, unless the call is cancelled.
    const options = { timeoutMs, neededByMs, lingerMs: this.#ttlMs - timeoutMs, anyToken: true };
    try {
      await this.#renew(signal, (context) => this.#client.driver.leaseKeepAlive(id, context), options);
    } catch (error) {
      this.#forgetIfGone(error);
      throw error;
    }
  }

  /** Replaces the attributes if the key is still ours. */
  async update(attributes: EndpointAttributes, signal: AbortSignal): Promise<Standing> {
    const put = this.#put(attributes);
    const compare = [{ target: "lease", key: put.put.key, value: this.#id as bigint }] as const;
    const { succeeded } = await this.#txn({ compare, success: [put], failure: [] }, signal);
    return succeeded ? "ours" : await this.verify(attributes, signal);
  }

  /** Checks that the key is still attached to our lease; puts it again if it is gone. `options` apply to the read. */
  async verify(attributes: EndpointAttributes, signal: AbortSignal, options?: AttemptOptions): Promise<Standing> {
    const { key } = this.#put(attributes).put;
    const { kvs } = await this.#unary(signal, (context) => this.#client.driver.range({ key }, context), options);
    if (kvs[0]?.lease === this.#id) return "ours";
    if (kvs[0] === undefined) return await this.#putWhereGone(attributes, signal);
    this.#heldBy = kvs[0].lease;
    return "taken";
  }

  /**
   * Revokes the lease, and the key with it: retries until etcd has confirmed or `signal` aborts, but tries each
   * endpoint only once if the lease may never have been granted. Never rejects.
   */
  async release(signal: AbortSignal): Promise<void> {
    const id = this.#id;
    if (id === undefined) return;
    const backoff = new Backoff(RETRY, this.#client.random);
    while (!signal.aborted && (this.#granted || backoff.tries < this.#client.endpoints.length)) {
      try {
        await this.#unary(signal, (context) => this.#client.driver.leaseRevoke(id, context), {
          timeoutMs: RELEASE_MS,
          hold: true,
          neededByMs: this.#client.clock.now() + RELEASE_MS,
        });
        return;
      } catch (error) {
        if (error instanceof EtcdError && error.kind !== "transient") return;
        this.cursor.next();
        await sleep(this.#client.clock, backoff.next(), signal, true);
      }
    }
  }

  /** Gets a lease and puts a key under it; if the put fails, revokes the lease. */
  async #withLease(signal: AbortSignal, put: () => Promise<Standing>): Promise<Standing> {
    await this.#grant(signal);
    try {
      return await put();
    } catch (error) {
      await this.#revokeUnused(signal);
      throw error;
    }
  }

  async #grant(signal: AbortSignal): Promise<void> {
    const repeated = this.#id !== undefined;
    const id = this.#id ?? newLeaseId(this.#client.random);
    const request = { id, ttlSeconds: BigInt(this.#server.ttlSeconds) };
    try {
      await this.#renew(signal, (context) => {
        // From here on it may be granted; not yet while waiting for a token.
        this.#id = id;
        return this.#client.driver.leaseGrant(request, context);
      });
    } catch (error) {
      const kind = error instanceof EtcdError ? error.kind : "transient";
      // Refused outright, or the id is taken: no lease of ours has it.
      if (!repeated && kind !== "transient") this.#id = undefined;
      if (!repeated || kind !== "lease-exists") throw error;
      await this.keepAlive(signal);
    }
    this.#granted = true;
  }

  async #putWhereGone(attributes: EndpointAttributes, signal: AbortSignal): Promise<Standing> {
    const put = this.#put(attributes);
    const { key } = put.put;
    const compare = [{ target: "version", key, value: 0n }] as const;
    const { succeeded, kvs } = await this.#txn({ compare, success: [put], failure: [{ range: { key } }] }, signal);
    if (succeeded) return "put-again";
    return await this.#putOverOwn(kvs[0], put, signal);
  }

  /** Overwrites a key of our own: our put whose answer was lost, or our former lease's key in a restored etcd. */
  async #putOverOwn(standing: KeyValue | undefined, put: Put, signal: AbortSignal): Promise<Standing> {
    if (standing?.lease === this.#id) return "ours";
    this.#heldBy = standing?.lease;
    if (standing === undefined || standing.lease === 0n || standing.lease !== this.#formerId) return "taken";
    const compare = [{ target: "lease", key: put.put.key, value: standing.lease }] as const;
    const { succeeded } = await this.#txn({ compare, success: [put], failure: [] }, signal);
    return succeeded ? "put-again" : "taken";
  }

  /** A lease without a key is useless. If it can't be revoked now, its id is reused. */
  async #revokeUnused(signal: AbortSignal): Promise<void> {
    const id = this.#id;
    if (id === undefined || signal.aborted) return;
    this.#granted = false;
    this.cursor.next();
    try {
      await this.#unary(signal, (context) => this.#client.driver.leaseRevoke(id, context));
      this.#id = undefined;
    } catch (error) {
      this.#forgetIfGone(error);
    }
  }

  /** Makes an attempt that resolves with the TTL in seconds, which runs from when it was sent; 0: the lease is gone. */
  async #renew(
    signal: AbortSignal,
    attempt: (context: AttemptContext) => Promise<bigint>,
    options?: AttemptOptions,
  ): Promise<void> {
    const [sentMs, ttl] = await this.#unary(signal, async (context) => {
      return [this.#client.clock.now(), await attempt(context)] as const;
    }, options);
    if (ttl <= 0n) throw new EtcdError(`etcd says that the lease ${this.#id?.toString(16)} is gone`, "lease-gone");
    this.#ttlMs = 1_000 * Number(ttl);
    this.#renewedAtMs = sentMs;
  }

  #forgetIfGone(error: unknown): void {
    // A look at the key and a renewal of the lease may both find the lease gone.
    if (!(error instanceof EtcdError) || error.kind !== "lease-gone" || this.#id === undefined) return;
    this.#formerId = this.#id;
    this.#id = undefined;
    this.#granted = false;
  }

  #put(attributes: EndpointAttributes): Put {
    const lease = this.#id as bigint;
    const { key, value } = this.#layout.write({ ...this.#server, ...attributes, lease });
    return { put: { key: encoder.encode(key), value: encoder.encode(value), lease } };
  }

  async #txn(request: TxnRequest, signal: AbortSignal): Promise<TxnResponse> {
    try {
      return await this.#unary(signal, (context) => this.#client.driver.txn(request, context));
    } catch (error) {
      this.#forgetIfGone(error);
      throw error;
    }
  }

  #unary<T>(
    signal: AbortSignal,
    attempt: (context: AttemptContext) => Promise<T>,
    options?: AttemptOptions,
  ): Promise<T> {
    const timeoutMs = requestTimeoutMs(this.#client.requestTimeoutMs, this.#ttlMs);
    return this.#client.unary(this.cursor, signal, attempt, { timeoutMs, ...options });
  }
}

type Put = { readonly put: { readonly key: Uint8Array; readonly value: Uint8Array; readonly lease: bigint } };

const encoder = new TextEncoder();

/** A positive int64, like the ids that etcd chooses. */
function newLeaseId(random: () => number): bigint {
  const high = BigInt(Math.floor(random() * 2 ** 31)), low = BigInt(Math.floor(random() * 2 ** 32));
  return (high << 32n | low) || 1n;
}
