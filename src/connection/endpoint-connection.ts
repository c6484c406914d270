import type { Transport } from "@connectrpc/connect";
import type { ConnectivityState } from "../connectivity.ts";
import { type Endpoint, endpointIdentity } from "../endpoint.ts";
import { Backoff } from "../time/backoff.ts";
import type { Timer } from "../time/clock.ts";
import type { ConnectionHost } from "./connection-host.ts";
import type { Connection } from "./connection.ts";
import type { Link } from "./link.ts";
import { asError, ended } from "./failure.ts";
import { giveBack, makeLink } from "./make-link.ts";
import type { AttemptEnd } from "./mark.ts";

/** A link that stayed open this long was healthy: what ends it later is a new story. */
const HEALTHY_MS = 10_000;

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
  /** How many attempts were promised to it that have yet to begin: calls that come out of their line. */
  promised = 0;
  /** Ready, not removed, and not waiting for a probe's outcome. */
  usable = false;
  failure: Error | undefined;
  /** The newest failure of an opening or loss of a link, kept for people to read. */
  lastError: Error | undefined;

  readonly #host: ConnectionHost;
  readonly #link: Link;
  readonly #backoff: Backoff;
  #linkState: Exclude<ConnectivityState, "shutdown"> = "idle";
  #removed = false;
  #closed = false;
  /** Ends the back-off. */
  #retryTimer: Timer | undefined;
  /** Ends the time that calls have on a removed connection. */
  #graceTimer: Timer | undefined;
  #opening: AbortController | undefined;
  /** The link was lost or drains, and its opening has yet to be told. */
  #endedOpening: Error | true | undefined;
  #readySinceMs = 0;
  /** Whether an attempt was answered since the link is ready. */
  #productive = false;
  #probing = false;
  #onUnused: (() => void) | undefined;

  constructor(endpoint: Endpoint, host: ConnectionHost) {
    this.identity = endpointIdentity(endpoint);
    this.endpoint = endpoint;
    this.#host = host;
    this.#backoff = new Backoff(host.backoff, host.random);
    this.#link = makeLink(host.connector, endpoint, {
      draining: () => this.#ended(undefined),
      lost: (cause) => this.#ended(cause),
      room: () => this.#host.room(this),
    });
    if (this.stateless) this.#linkState = "ready";
    this.#setUsable();
  }

  get available(): boolean {
    return this.usable && !this.#isFull();
  }

  /** Usable, but its server allows no further call for now. */
  get full(): boolean {
    return this.usable && this.#isFull();
  }

  #isFull(): boolean {
    const { room } = this.#link;
    return room !== undefined && room <= this.promised;
  }

  /** Whether its link has no states of its own (fetch). */
  get stateless(): boolean {
    return this.#link.connect === undefined;
  }

  get state(): ConnectivityState {
    return this.#removed ? "shutdown" : this.#linkState;
  }

  /** Whether attempts are gRPC calls, as far as its link says. */
  get grpc(): boolean {
    return this.#link.protocol === "grpc";
  }

  /** Connect's transport to the endpoint. */
  get transport(): Transport {
    return this.#link.transport;
  }

  connect(): void {
    if (this.#removed || this.#closed || this.#linkState !== "idle") return;
    if (this.stateless) return;
    this.#become("connecting", undefined);
    this.#host.admit((opened) => {
      if (this.#removed || this.#closed) {
        this.#linkState = "idle";
        return opened();
      }
      void this.#open().then(opened);
    });
  }

  async #open(): Promise<void> {
    const opening = this.#opening = new AbortController();
    this.#endedOpening = undefined;
    try {
      await this.#link.connect!(opening.signal);
      this.#opened(opening);
    } catch (error) {
      this.#opened(opening, asError(error));
    }
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

  /** An attempt begins. Every call of it is followed by one of `end`. */
  begin(): void {
    this.inFlight++;
    this.picks++;
    if (this.#probing) this.usable = false;
  }

  /** The link had no room for an attempt that had begun: it never was. */
  takeBack(): void {
    this.picks--;
    if (--this.inFlight === 0 && this.#onUnused !== undefined) this.#onUnused();
  }

  /** The server has begun to answer an attempt that goes on: a stream. */
  answered(): void {
    this.#productive = true;
    if (this.stateless) this.#learn("answered", undefined);
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
   * and streams `streamGraceMs`. `onClosing` gets the end of the link's closing: from then on it can't be taken back.
   */
  remove(graceMs: number, streamGraceMs: number, onClosing: (closed: Promise<void>) => void): void {
    const from = this.state;
    this.#removed = true;
    this.#setUsable();
    if (from !== "shutdown") this.#host.changed(this, from, undefined);
    // What the shorter of the two leaves of the other is the link's business, which knows what is a stream.
    const firstMs = Math.min(graceMs, streamGraceMs);
    const close = () => {
      this.#onUnused = undefined;
      onClosing(this.#close(graceMs - firstMs, streamGraceMs - firstMs));
    };
    if (this.inFlight === 0) return close();
    this.#onUnused = close;
    giveBack(this.#link);
    if (this.#closed) return;
    this.#graceTimer = this.#host.clock.timer(firstMs, close);
  }

  /** Back in the set while it was draining: it goes on where it was, and at once if it was failing. */
  restore(endpoint: Endpoint): void {
    this.#onUnused = undefined;
    this.#graceTimer?.cancel();
    this.#removed = false;
    this.#setUsable();
    this.#host.changed(this, "shutdown", undefined);
    this.update(endpoint);
    if (this.#linkState === "transient_failure") this.#retry();
  }

  /** Ends the link, whatever is in flight. */
  close(graceMs: number): Promise<void> {
    const from = this.state;
    this.#removed = true;
    this.#onUnused = undefined;
    this.#setUsable();
    if (from !== "shutdown") this.#host.changed(this, from, undefined);
    return this.#close(graceMs, graceMs);
  }

  async #close(graceMs: number, streamGraceMs: number): Promise<void> {
    this.#closed = true;
    this.#retryTimer?.cancel();
    this.#graceTimer?.cancel();
    this.#opening?.abort(new Error("the connection is closed"));
    try {
      await this.#link.close(graceMs, streamGraceMs);
    } catch (error) {
      console.error("connect-lb: close of a link threw", error);
    }
  }

  /** connecting → ready or transient_failure. */
  #opened(opening: AbortController, error?: Error): void {
    if (this.#opening !== opening) return;
    this.#opening = undefined;
    if (this.#closed || this.#linkState !== "connecting") return;
    if (error === undefined && this.#endedOpening !== undefined) error = ended(this.#endedOpening);
    if (error !== undefined) return this.#fail(error);
    this.failure = undefined;
    this.#productive = false;
    this.#readySinceMs = this.#host.clock.now();
    this.#become("ready", undefined);
  }

  /** ready → idle, or → transient_failure if the link ended before it did anything: else such a server is dialled in
   * a busy loop. */
  #ended(cause: Error | undefined): void {
    if (this.#closed) return;
    if (cause !== undefined) this.lastError = cause;
    this.#endedOpening = cause ?? true;
    if (this.#linkState !== "ready" || this.stateless) return;
    const healthy = this.#productive || this.#host.clock.now() - this.#readySinceMs >= HEALTHY_MS;
    if (!healthy) return this.#fail(ended(this.#endedOpening));
    this.#backoff.reset();
    this.#become("idle", cause);
  }

  #fail(error: Error): void {
    this.failure = this.lastError = error;
    this.#retryTimer?.cancel();
    if (!this.#removed) this.#retryTimer = this.#host.clock.timer(this.#backoff.next(), () => this.#retry());
    this.#become("transient_failure", error);
  }

  /** transient_failure → idle (a policy that wants it opens it), or, without states, → ready for one probe. */
  #retry(): void {
    this.#retryTimer?.cancel();
    if (this.#closed || this.#removed) return;
    this.#probing = this.stateless;
    this.#become(this.stateless ? "ready" : "idle", undefined);
  }

  /** What attempts tell about a link without states. */
  #learn(how: AttemptEnd, error: unknown): void {
    if (this.#closed) return;
    if (how === "not-sent") {
      this.#probing = false;
      if (this.#linkState === "ready") this.#fail(asError(error));
    } else if (this.#probing) {
      if (how === "answered") {
        this.#probing = false;
        this.failure = undefined;
        this.#backoff.reset();
      }
      this.#touch();
    }
  }

  #become(state: Exclude<ConnectivityState, "shutdown">, cause: Error | undefined): void {
    const from = this.state;
    this.#linkState = state;
    this.#setUsable();
    if (!this.#removed && from !== state) this.#host.changed(this, from, cause);
  }

  #touch(): void {
    this.#setUsable();
    if (!this.#removed) this.#host.touched(this);
  }

  #setUsable(): void {
    this.usable = this.#linkState === "ready" && !this.#removed && !this.#closed;
  }
}
