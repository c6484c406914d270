import type { Transport } from "@connectrpc/connect";
import { type Endpoint, endpointIdentity } from "../endpoint.ts";
import { Backoff, type BackoffOptions } from "../time/backoff.ts";
import type { Clock, Timer } from "../time/clock.ts";
import type { Connection, ConnectivityState } from "./connection.ts";
import type { Connector, Link } from "./link.ts";
import type { AttemptEnd } from "./mark.ts";

/** gRPC's connection-backoff.md: 1 s, growing by 1.6 to 120 s, with a jitter of 0.2. */
export const DEFAULT_CONNECT_BACKOFF: BackoffOptions = { initialMs: 1_000, maxMs: 120_000 };

/** A link that stayed open this long was healthy: what ends it later is a new story. */
const HEALTHY_MS = 10_000;

/** What a connection needs from the pool it stands in. */
export interface ConnectionHost {
  readonly clock: Clock;
  readonly random: () => number;
  readonly connector: Connector;
  readonly backoff: BackoffOptions;
  /** Runs `open` when one more connection may be opening; it calls `opened` when that is over. */
  admit(open: (opened: () => void) => void): void;
  /** A state changed; `cause` says why when something failed. */
  changed(connection: EndpointConnection, from: ConnectivityState, cause: Error | undefined): void;
}

/**
 * The state machine of one endpoint's connection.
 *
 *     idle ──connect()──► connecting ──link is ready──► ready ──draining, lost──► idle
 *                             │                          │
 *                       can't be opened        ended before it did anything
 *                             ▼                          ▼
 *                        transient_failure ──back-off──► idle           any ──removed from the set──► shutdown
 *
 * A link without states (fetch) is `ready` until an attempt is not sent; after a back-off it is ready for one probing
 * attempt, whose outcome decides.
 */
export class EndpointConnection implements Connection {
  readonly identity: string;
  endpoint: Endpoint;
  inFlight = 0;
  /** Attempts ever begun on it. */
  picks = 0;
  available = false;
  failure: Error | undefined;
  /** The newest failure of an opening or loss of a link, kept for people to read. */
  lastError: Error | undefined;

  readonly #host: ConnectionHost;
  readonly #link: Link;
  readonly #backoff: Backoff;
  #linkState: Exclude<ConnectivityState, "shutdown">;
  #removed = false;
  #closed = false;
  #timer: Timer | undefined;
  #opening: AbortController | undefined;
  #readySinceMs = 0;
  /** Whether an attempt was answered since the link is ready. */
  #productive = false;
  #probing = false;
  #ejected = false;
  #onUnused: (() => void) | undefined;

  constructor(endpoint: Endpoint, host: ConnectionHost) {
    this.identity = endpointIdentity(endpoint);
    this.endpoint = endpoint;
    this.#host = host;
    this.#backoff = new Backoff(host.backoff, host.random);
    this.#link = host.connector(endpoint, {
      draining: () => this.#ended(undefined),
      lost: (cause) => this.#ended(cause),
    });
    this.#linkState = this.stateless ? "ready" : "idle";
    this.#setAvailable();
  }

  /** Whether its link has no states of its own (fetch). */
  get stateless(): boolean {
    return this.#link.connect === undefined;
  }

  get state(): ConnectivityState {
    return this.#removed ? "shutdown" : this.#linkState;
  }

  /** Connect's transport to the endpoint. */
  get transport(): Transport {
    return this.#link.transport;
  }

  connect(): void {
    if (this.#removed || this.#closed || this.#linkState !== "idle") return;
    const open = this.#link.connect;
    if (open === undefined) return;
    this.#become("connecting", undefined);
    this.#host.admit((opened) => {
      if (this.#removed || this.#closed || this.#linkState !== "connecting") return opened();
      const opening = this.#opening = new AbortController();
      open.call(this.#link, opening.signal).then(
        () => this.#opened(opening),
        (error) => this.#opened(opening, error instanceof Error ? error : new Error(String(error))),
      ).finally(opened);
    });
  }

  /** Takes new attributes of the same endpoint; a new incarnation means a restarted server, which is tried at once. */
  update(endpoint: Endpoint): void {
    const restarted = endpoint.incarnation !== this.endpoint.incarnation;
    this.endpoint = endpoint;
    if (restarted) {
      this.#backoff.reset();
      if (this.#linkState === "transient_failure") this.#retry();
    }
  }

  /** Holds the connection back from pickers (health), or gives it free. */
  eject(ejected: boolean): void {
    this.#ejected = ejected;
    this.#setAvailable();
  }

  /** An attempt begins. Every call of it is followed by one of `end`. */
  begin(): void {
    this.inFlight++;
    this.picks++;
    if (this.#probing) this.available = false;
  }

  /** An attempt has ended. */
  end(how: AttemptEnd, error: unknown): void {
    this.inFlight--;
    if (how === "answered") this.#productive = true;
    if (this.stateless) this.#learn(how, error);
    if (this.inFlight === 0 && this.#onUnused !== undefined) this.#onUnused();
  }

  /**
   * Out of the set: no new attempts. Its link closes when the last attempt has ended; unary calls have `graceMs` for it,
   * and streams `streamGraceMs`.
   */
  remove(graceMs: number, streamGraceMs: number, onClosed: () => void): void {
    const from = this.state;
    this.#removed = true;
    this.#setAvailable();
    if (from !== "shutdown") this.#host.changed(this, from, undefined);
    const close = () => {
      this.#onUnused = undefined;
      void this.#close(0, Math.max(0, streamGraceMs - graceMs));
      onClosed();
    };
    if (this.inFlight === 0) return close();
    this.#onUnused = close;
    this.#timer?.cancel();
    this.#timer = this.#host.clock.timer(graceMs, close);
  }

  /** Back in the set while it was draining: it goes on where it was. */
  restore(endpoint: Endpoint): void {
    this.#onUnused = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#removed = false;
    if (this.#linkState === "transient_failure") this.#linkState = "idle";
    this.#setAvailable();
    this.#host.changed(this, "shutdown", undefined);
    this.update(endpoint);
  }

  /** Ends the link, whatever is in flight. */
  close(graceMs: number): Promise<void> {
    const from = this.state;
    this.#removed = true;
    this.#onUnused = undefined;
    this.#setAvailable();
    if (from !== "shutdown") this.#host.changed(this, from, undefined);
    return this.#close(graceMs, graceMs);
  }

  #close(graceMs: number, streamGraceMs: number): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#opening?.abort(new Error("the connection is closed"));
    return this.#link.close(graceMs, streamGraceMs);
  }

  /** connecting → ready or transient_failure. */
  #opened(opening: AbortController, error?: Error): void {
    if (this.#opening !== opening) return;
    this.#opening = undefined;
    if (this.#closed || this.#linkState !== "connecting") return;
    if (error !== undefined) return this.#fail(error);
    this.failure = undefined;
    this.#productive = false;
    this.#readySinceMs = this.#host.clock.now();
    this.#become("ready", undefined);
  }

  /** ready → idle, or → transient_failure if the link ended before it did anything: else such a server is dialled in
   * a busy loop. */
  #ended(cause: Error | undefined): void {
    if (this.#closed || this.stateless) return;
    if (cause !== undefined) this.lastError = cause;
    if (this.#linkState !== "ready") return;
    const healthy = this.#productive || this.#host.clock.now() - this.#readySinceMs >= HEALTHY_MS;
    if (!healthy) return this.#fail(cause ?? new Error("the server ended the connection before it answered a call"));
    this.#backoff.reset();
    this.#become("idle", cause);
  }

  #fail(error: Error): void {
    this.failure = this.lastError = error;
    this.#timer?.cancel();
    this.#timer = this.#removed ? undefined : this.#host.clock.timer(this.#backoff.next(), () => this.#retry());
    this.#become("transient_failure", error);
  }

  /** transient_failure → idle (a policy that wants it opens it), or, without states, → ready for one probe. */
  #retry(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#closed || this.#removed) return;
    this.#probing = this.stateless;
    this.#become(this.stateless ? "ready" : "idle", undefined);
  }

  /** What attempts tell about a link without states. */
  #learn(how: AttemptEnd, error: unknown): void {
    if (this.#closed) return;
    if (how === "not-sent") {
      this.#probing = false;
      if (this.#linkState === "ready") this.#fail(error instanceof Error ? error : new Error(String(error)));
    } else if (how === "answered" && this.#linkState === "ready") {
      this.#probing = false;
      this.failure = undefined;
      this.#backoff.reset();
      this.#setAvailable();
    } else if (this.#probing) {
      this.#setAvailable();
    }
  }

  #become(state: Exclude<ConnectivityState, "shutdown">, cause: Error | undefined): void {
    const from = this.state;
    this.#linkState = state;
    this.#setAvailable();
    if (!this.#removed && from !== state) this.#host.changed(this, from, cause);
  }

  #setAvailable(): void {
    this.available = this.#linkState === "ready" && !this.#removed && !this.#closed && !this.#ejected;
  }
}
