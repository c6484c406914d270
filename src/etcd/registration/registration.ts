import { asError, textOf } from "../../error-text.ts";
import { emit } from "../../listener.ts";
import type { RegistryEvent } from "../../registry/event.ts";
import type { Layout } from "../../registry/layout/layout.ts";
import { checkAttributes, type CheckedRegistration } from "../../registry/options.ts";
import { RegistrationLife } from "../../registry/registration-life.ts";
import type { EndpointAttributes, Registration, RegistrationState } from "../../registry/registry.ts";
import type { RegistrationSnapshot } from "../../registry/snapshot.ts";
import { shownText } from "../../shown-text.ts";
import { sleep } from "../../time/backoff.ts";
import type { Timer } from "../../time/clock.ts";
import type { EtcdClient } from "../client/client.ts";
import { Pace } from "../client/pace.ts";
import { EtcdError } from "../driver/failure.ts";
import { ConnectionLosses } from "./connection-losses.ts";
import { KeyLooks, type Looked } from "./key-looks.ts";
import { LeasedKey, type LeasedServer, type Standing } from "./leased-key.ts";
import { Waiters } from "../../registry/waiters.ts";

/** The maximum duration of `close`, in milliseconds. */
const CLOSE_MS = 2_000;
/** How long `renew` waits for a success, in milliseconds. */
const RENEW_MS = 10_000;

/**
 * Keeps one server registered: every third of the TTL, a round renews its lease and checks its key. A failed round is
 * retried, on the next etcd endpoint each time, until one succeeds or the registration is closed.
 */
export class EtcdRegistration implements Registration {
  readonly #client: EtcdClient;
  readonly #layout: Layout;
  readonly #server: LeasedServer;
  readonly #takeOver: boolean;
  readonly #onEvent: ((event: RegistryEvent) => void) | undefined;
  readonly #onClosed: () => void;
  readonly #life: RegistrationLife;
  readonly #key: LeasedKey;
  readonly #looks: KeyLooks;
  readonly #pace: Pace;
  readonly #renewals: Waiters;
  readonly #updates: Waiters;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #attributes: EndpointAttributes;
  #wake: AbortController | undefined;
  #suspicion: Timer | undefined;
  #lastFailure: Error | undefined;
  readonly #losses: ConnectionLosses;
  #taken = false;
  #closing: Promise<void> | undefined;

  /** Starts immediately. @throws TypeError or RangeError if the layout can't store an attribute. */
  constructor(
    client: EtcdClient,
    layout: Layout,
    { service, address, ttlSeconds, takeOver, onState, ...attributes }: CheckedRegistration,
    onEvent: ((event: RegistryEvent) => void) | undefined,
    onClosed: () => void,
  ) {
    this.#client = client;
    this.#layout = layout;
    this.#server = { service, address, ttlSeconds };
    this.#takeOver = takeOver;
    this.#checkLayout(attributes);
    this.#attributes = attributes;
    this.#onEvent = onEvent;
    this.#onClosed = onClosed;
    this.#life = new RegistrationLife(client.clock, onState);
    this.#key = new LeasedKey(client, layout, this.#server);
    this.#looks = new KeyLooks(client.clock, this.#key);
    this.#pace = new Pace(client);
    this.#renewals = new Waiters(client.clock);
    this.#updates = new Waiters(client.clock);
    this.#losses = new ConnectionLosses(client, this.#key.cursor, () => this.#looks.connectionLost(), () => {
      // After a failure the backoff applies.
      if (this.#pace.healthy) this.#wake?.abort();
    });
    this.#running = this.#run(this.#stop.signal);
  }

  get ready(): Promise<void> {
    return this.#life.ready;
  }

  get state(): RegistrationState {
    return this.#life.state;
  }

  snapshot(): RegistrationSnapshot {
    const { service, address } = this.#server, { state, sinceMs } = this.#life, { granted, renewedAtMs } = this.#key;
    const well = state === "registered" && this.#pace.healthy;
    return {
      service,
      address,
      state,
      sinceMs,
      ttlSeconds: this.#key.ttlMs / 1_000,
      renewedMs: renewedAtMs === -Infinity ? undefined : renewedAtMs,
      key: granted ? shownText(this.#key.key) : undefined,
      lastError: well || this.#lastFailure === undefined ? undefined : shownText(textOf(this.#lastFailure)),
    };
  }

  async renew(): Promise<void> {
    this.#checkOpen();
    const late = () => this.#lastFailure ?? new Error(`etcd did not answer within ${RENEW_MS} ms`);
    const renewed = this.#renewals.wait(RENEW_MS, late);
    this.#wake?.abort();
    await renewed;
  }

  async update(attributes: EndpointAttributes): Promise<void> {
    const checked = checkAttributes(attributes);
    this.#checkLayout(checked);
    this.#checkOpen();
    this.#attributes = checked;
    const updated = this.#updates.wait();
    this.#wake?.abort();
    await updated;
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#client;
    while (!signal.aborted) {
      let waitMs: number;
      const renewals = this.#renewals.present();
      try {
        const { standing, updates } = await this.#round(signal);
        this.#succeeded(standing);
        const taken = standing === "taken" ? this.#lastFailure : undefined;
        this.#renewals.settle(taken, renewals);
        this.#updates.settle(taken, updates);
        const idle = this.#updates.empty && this.#renewals.empty;
        waitMs = idle ? this.#key.renewAtMs - clock.now() : 0;
      } catch (error) {
        if (signal.aborted) return;
        waitMs = this.#failed(asError(error));
      }
      // A listener may have closed it.
      if (signal.aborted) return;
      this.#wake = new AbortController();
      await sleep(clock, waitMs, this.#wake.signal);
    }
  }

  /**
   * One round: gets a lease and puts the key if there is none; otherwise renews the lease and, when due, looks at the
   * key.
   */
  async #round(signal: AbortSignal): Promise<Looked> {
    const key = this.#key, attributes = this.#attributes;
    if (key.granted) {
      try {
        await key.keepAlive(signal);
        this.#expectNext();
        return await this.#look();
      } catch (error) {
        if (!(error instanceof EtcdError) || error.kind !== "lease-gone") throw error;
        this.#lose(error, "lease-lost");
      }
    }
    this.#looks.stop();
    const updates = this.#updates.present();
    const method = this.#takeOver && this.#life.state === "pending" ? "acquire" : "reacquire";
    const standing = await this.#looks.record(() => key[method](attributes, signal));
    this.#expectNext();
    return { standing, updates };
  }

  /** Looks at the key if a look is due, until the lease must be renewed. */
  async #look(): Promise<Looked> {
    const wake = this.#wake = new AbortController();
    const attributes = this.#attributes, updates = this.#updates.present();
    const known = this.#taken ? "taken" : "ours", untilMs = this.#key.renewAtMs;
    const hurried = !this.#updates.empty || !this.#renewals.empty;
    return await this.#looks.look({ attributes, updates, known, hurried, untilMs, wake });
  }

  /** Starts the timer that makes the registration suspect if the lease is not renewed before it expires. */
  #expectNext(): void {
    const { clock } = this.#client;
    this.#suspicion?.cancel();
    if (this.#stop.signal.aborted) return;
    const leftMs = this.#key.renewedAtMs + this.#key.ttlMs - clock.now();
    this.#suspicion = clock.timer(leftMs, () => this.#suspect());
  }

  #succeeded(standing: Standing): void {
    const { service, address } = this.#server;
    const { key } = this.#key;
    this.#pace.succeeded();
    if (standing === "put-again") this.#lose(new Error(`the key ${key} was deleted by someone else`), "key-missing");
    const taken = standing === "taken";
    if (taken && !this.#taken) {
      const pending = this.#life.state === "pending", put = pending ? "put" : "put again";
      this.#lastFailure = new Error(
        `the key ${key} is held by another program, ${leaseText(this.#key.heldBy)}; it is ${put} when that one is gone`,
      );
      // Nothing is lost that never was there.
      if (pending) emit(this.#onEvent, { type: "key-taken", service, address, cause: this.#lastFailure });
      else this.#lose(this.#lastFailure, "key-taken");
    }
    this.#taken = taken;
    const again = this.#life.state !== "pending";
    if (!taken && this.#life.to("registered")) {
      emit(this.#onEvent, { type: "registered", service, address, key, again });
    }
  }

  #lose(cause: Error, type: "lease-lost" | "key-missing" | "key-taken"): void {
    const { service, address } = this.#server;
    if (this.#life.to("lost", cause)) emit(this.#onEvent, { type, service, address, cause });
  }

  /** Nothing has succeeded for a TTL. Only the server knows whether the lease is gone, so renewals continue. */
  #suspect(): void {
    const { service, address } = this.#server;
    const cause = this.#lastFailure ?? new Error(`etcd did not answer for ${this.#key.ttlMs} ms`);
    if (this.#life.to("suspect", cause)) emit(this.#onEvent, { type: "registration-suspect", service, address, cause });
  }

  /** Returns the delay before the next attempt, in milliseconds. */
  #failed(cause: Error): number {
    const { service, address } = this.#server;
    const now = this.#client.clock.now();
    const { inMs, refused, unauthenticated } = this.#pace.failed(cause);
    // One refused authentication fails every renewal until the next authentication.
    const known = cause === this.#lastFailure;
    this.#lastFailure = cause;
    if (!unauthenticated) this.#key.cursor.next();
    const retryInMs = this.#client.retryInMs(this.#key.cursor, inMs);
    if (refused && !known) emit(this.#onEvent, { type: "auth-refused", service, cause, retryInMs });
    else if (!refused && !this.#key.granted) {
      emit(this.#onEvent, { type: "registration-failed", service, address, cause, retryInMs });
    }
    // A lease can be renewed without permission to read, and without a token where etcd doesn't check one.
    const leaseAlone = refused || unauthenticated;
    this.#looks.dueAt(leaseAlone ? now + inMs : now);
    return leaseAlone && this.#key.granted
      ? Math.min(inMs, Math.max(this.#key.renewAtMs - now, this.#key.ttlMs / 6))
      : inMs;
  }

  async #close(): Promise<void> {
    const { clock } = this.#client;
    this.#life.to("closed", this.#lastFailure);
    this.#stop.abort();
    this.#wake?.abort();
    this.#suspicion?.cancel();
    this.#losses.stop();
    for (const waiters of [this.#renewals, this.#updates]) waiters.settle(new Error("the registration was closed"));
    const late = new AbortController();
    const timer = clock.timer(CLOSE_MS, () => late.abort());
    await this.#running;
    this.#looks.stop();
    await this.#key.release(late.signal);
    timer.cancel();
    this.#onClosed();
  }

  #checkLayout(attributes: EndpointAttributes): void {
    this.#layout.write({ ...this.#server, ...attributes, lease: 1n });
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new Error("the registration is closed");
  }
}

function leaseText(lease: bigint | undefined): string {
  return lease ? `under the lease ${lease.toString(16)}` : "without a lease";
}
