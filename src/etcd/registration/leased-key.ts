import type { Layout } from "../../registry/layout/layout.ts";
import type { EndpointAttributes } from "../../registry/registry.ts";
import { Backoff, sleep } from "../../time/backoff.ts";
import type { AttemptOptions, EtcdClient } from "../client/client.ts";
import type { Cursor } from "../client/cursor.ts";
import { RETRY } from "../client/pace.ts";
import type { AttemptContext, KeyValue, TxnRequest, TxnResponse } from "../driver/driver.ts";
import { EtcdError } from "../driver/failure.ts";
import { renewalTimeoutMs, requestTimeoutMs } from "./request-timeout.ts";

/** The server whose key it is. */
export interface LeasedServer {
  readonly service: string;
  readonly address: string;
  readonly ttlSeconds: number;
}

/**
 * How a key was found:
 *
 * - `ours`: it is attached to our lease;
 * - `put-again`: it was gone, and is attached to our lease again;
 * - `taken`: somebody else wrote it, and it is theirs now.
 */
export type Standing = "ours" | "put-again" | "taken";

/**
 * One server's key in etcd and the lease that it hangs on. Each method is one try; at most one lease exists at a time.
 *
 * The lease's id is chosen here, not by etcd: so one whose grant was never answered is granted again under the same id,
 * and can be revoked.
 */
export class LeasedKey {
  readonly cursor: Cursor;
  readonly #client: EtcdClient;
  readonly #layout: Layout;
  readonly #server: LeasedServer;
  /** The id that a grant was asked for, granted or not. */
  #id: bigint | undefined;
  #formerId: bigint | undefined;
  #granted = false;
  #ttlMs: number;
  #renewedAtMs = -Infinity;

  constructor(client: EtcdClient, layout: Layout, server: LeasedServer) {
    this.#client = client;
    this.cursor = client.cursor();
    this.#layout = layout;
    this.#server = server;
    this.#ttlMs = 1_000 * server.ttlSeconds;
  }

  /** Whether etcd granted a lease and has not called it gone. */
  get granted(): boolean {
    return this.#granted;
  }

  /** The TTL in milliseconds that etcd granted, which may be longer than the one asked for. */
  get ttlMs(): number {
    return this.#ttlMs;
  }

  /** When the lease was asked to be granted or renewed, for the last time that it was, on the clock's scale. */
  get renewedAtMs(): number {
    return this.#renewedAtMs;
  }

  /** When it is time to renew the lease: after a third of its TTL, on the clock's scale. */
  get renewAtMs(): number {
    return this.#renewedAtMs + this.#ttlMs / 3;
  }

  /** The key as it is spelled under the present lease. */
  get key(): string {
    return this.#layout.write({ ...this.#server, lease: this.#id ?? 0n }).key;
  }

  /** Gets a lease and puts the key on it, over whatever is there: the last writer stands. */
  async acquire(attributes: EndpointAttributes, signal: AbortSignal): Promise<Standing> {
    return await this.#withLease(signal, async () => {
      await this.#txn({ compare: [], success: [this.#put(attributes)], failure: [] }, signal);
      return "ours";
    });
  }

  /** Gets another lease after one that is gone, and puts the key on it unless somebody else holds it by now. */
  async reacquire(attributes: EndpointAttributes, signal: AbortSignal): Promise<Standing> {
    return await this.#withLease(signal, async () => {
      const standing = await this.#putWhereGone(attributes, signal);
      return standing === "put-again" ? "ours" : standing;
    });
  }

  /** Renews the lease. @throws EtcdError of kind `lease-gone` if the server says that it is gone. */
  async keepAlive(signal: AbortSignal): Promise<void> {
    const id = this.#id as bigint;
    const timeoutMs = renewalTimeoutMs(this.#client.requestTimeoutMs, this.#ttlMs);
    // An etcd that is busy renews it later, unless the call is cancelled.
    const options = { timeoutMs, lingerMs: this.#ttlMs - timeoutMs, anyToken: true };
    let sentMs = 0;
    try {
      const ttl = await this.#unary(signal, (context) => {
        sentMs = this.#client.clock.now();
        return this.#client.driver.leaseKeepAlive(id, context);
      }, options);
      if (ttl <= 0n) throw new EtcdError(`etcd says that the lease ${id.toString(16)} is gone`, "lease-gone");
      this.#renewed(ttl, sentMs);
    } catch (error) {
      this.#forgetIfGone(error);
      throw error;
    }
  }

  /** Puts new attributes in place of the old ones, if the key is still ours. */
  async update(attributes: EndpointAttributes, signal: AbortSignal): Promise<Standing> {
    const put = this.#put(attributes);
    const compare = [{ target: "lease", key: put.put.key, value: this.#id as bigint }] as const;
    const { succeeded } = await this.#txn({ compare, success: [put], failure: [] }, signal);
    return succeeded ? "ours" : await this.verify(attributes, signal);
  }

  /** Looks whether the key stands with our lease; puts it again if it is gone. `options` are for the look. */
  async verify(attributes: EndpointAttributes, signal: AbortSignal, options?: AttemptOptions): Promise<Standing> {
    const { key } = this.#put(attributes).put;
    const { kvs } = await this.#unary(signal, (context) => this.#client.driver.range({ key }, context), options);
    if (kvs[0]?.lease === this.#id) return "ours";
    return kvs[0] === undefined ? await this.#putWhereGone(attributes, signal) : "taken";
  }

  /**
   * Gives the lease back, and the key with it: tries until etcd has said so or `signal` aborts, but each endpoint only
   * once for a lease that may never have been granted. Never rejects.
   */
  async release(signal: AbortSignal): Promise<void> {
    const id = this.#id;
    if (id === undefined) return;
    const backoff = new Backoff(RETRY, this.#client.random);
    while (!signal.aborted && (this.#granted || backoff.tries < this.#client.endpoints.length)) {
      try {
        await this.#unary(signal, (context) => this.#client.driver.leaseRevoke(id, context), {
          timeoutMs: 1_000,
          hold: true,
        });
        return;
      } catch (error) {
        if (error instanceof EtcdError && error.kind !== "transient") return;
        this.cursor.next();
        await sleep(this.#client.clock, backoff.next(), signal, true);
      }
    }
  }

  /** Gets a lease and puts a key on it; without that, the lease is given back. */
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
    let sentMs = 0;
    try {
      const ttl = await this.#unary(signal, (context) => {
        // From now on it may be granted; while a token is waited for it is not.
        this.#id = id;
        sentMs = this.#client.clock.now();
        return this.#client.driver.leaseGrant(request, context);
      });
      this.#renewed(ttl, sentMs);
    } catch (error) {
      const kind = error instanceof EtcdError ? error.kind : "transient";
      // Refused outright, or another's lease: there is none of ours under this id.
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

  /** A put of our own whose answer was lost, or a restored etcd that brought our former lease back. */
  async #putOverOwn(standing: KeyValue | undefined, put: Put, signal: AbortSignal): Promise<Standing> {
    if (standing?.lease === this.#id) return "ours";
    if (standing === undefined || standing.lease === 0n || standing.lease !== this.#formerId) return "taken";
    const compare = [{ target: "lease", key: put.put.key, value: standing.lease }] as const;
    const { succeeded } = await this.#txn({ compare, success: [put], failure: [] }, signal);
    return succeeded ? "put-again" : "taken";
  }

  /** A lease without a key is of no use. If it can't be revoked now, its id is used again. */
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

  #renewed(ttlSeconds: bigint, atMs: number): void {
    this.#ttlMs = 1_000 * Number(ttlSeconds);
    this.#renewedAtMs = atMs;
  }

  #forgetIfGone(error: unknown): void {
    // A look at the key and a renewal of the lease may both find it gone.
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

/** A positive int64, as etcd chooses them. */
function newLeaseId(random: () => number): bigint {
  const high = BigInt(Math.floor(random() * 2 ** 31)), low = BigInt(Math.floor(random() * 2 ** 32));
  return (high << 32n | low) || 1n;
}
