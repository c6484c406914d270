import type { Transport } from "@connectrpc/connect";
import type { ConnectivityState } from "../connectivity.ts";
import { type Endpoint, endpointIdentity } from "../endpoint.ts";
import { Backoff, type BackoffOptions } from "../time/backoff.ts";
import type { Clock, Timer } from "../time/clock.ts";
import type { Connection, Health } from "./connection.ts";
import type { Connector, Link } from "./link.ts";
import { giveBack } from "./make-link.ts";
import type { AttemptEnd } from "./mark.ts";

/** What a connection needs from the pool it stands in. */
export interface ConnectionHost {
  readonly clock: Clock;
  readonly random: () => number;
  readonly connector: Connector;
  readonly backoff: BackoffOptions;
  /** Runs `open` when one more connection may be opening; its promise says when that is over. */
  admit(open: () => Promise<void> | undefined): void;
  /** A state changed; `cause` says why when something failed. */
  changed(connection: EndpointConnection, from: ConnectivityState, cause: Error | undefined): void;
  /** Whether it is available changed, and its state did not. */
  touched(connection: EndpointConnection): void;
  /** Its link was full and is not any more. */
  room(connection: EndpointConnection): void;
}

/** Whether a connection's endpoint is in the set. */
type Membership =
  | { readonly is: "in the set" }
  /** It was removed while attempts are in flight, and can be taken back until `close`. */
  | { readonly is: "draining"; readonly close: () => void; timer: Timer | undefined }
  | { readonly is: "closed" };

/**
 * One endpoint's place in the pool: what connections have in common, whatever the kind of their link. It counts attempts,
 * and knows whether its endpoint is in the set:
 *
 *     in the set ──remove()──► draining ──last attempt ended, grace is over──► closed
 *          ▲                       │
 *          └──────restore()────────┘
 *
 * The other half of its state is its link's, and the subclasses': see `stateful-connection.ts` and
 * `stateless-connection.ts`. What is not in the set is `shutdown` to the outside, whatever its link does.
 */
export abstract class EndpointConnection implements Connection {
  readonly identity: string;
  endpoint: Endpoint;
  inFlight = 0;
  /** Attempts ever begun on it. */
  picks = 0;
  /** How many attempts were promised to it that have yet to begin: calls that come out of their line. */
  promised = 0;
  /** The newest failure of an opening or loss of a link, kept for people to read. */
  lastError: Error | undefined;
  /** Whether its link has no states of its own (fetch). */
  abstract readonly stateless: boolean;

  protected readonly host: ConnectionHost;
  protected readonly link: Link;
  protected readonly backoff: Backoff;
  #membership: Membership = { is: "in the set" };
  /** What health checks say. */
  #health: Health = "serving";

  constructor(endpoint: Endpoint, link: Link, host: ConnectionHost) {
    this.identity = endpointIdentity(endpoint);
    this.endpoint = endpoint;
    this.host = host;
    this.link = link;
    this.backoff = new Backoff(host.backoff, host.random);
  }

  // The link's half of the state

  protected abstract get linkFailure(): Error | undefined;
  /** The link's state, as if the endpoint were in the set. */
  protected abstract get linkState(): Exclude<ConnectivityState, "shutdown">;
  /** Whether the link takes an attempt, as far as its state tells. */
  protected abstract get takesAttempts(): boolean;
  abstract connect(): void;
  /** The link was lost, for the cause if there is one, or drains. */
  abstract linkEnded(cause: Error | undefined): void;
  /** If it is failing, it is tried again now. */
  protected abstract retry(): void;
  /** Gives up whatever the link waits for. */
  protected abstract stop(): void;
  /** An attempt was answered, or has ended otherwise. */
  protected abstract learn(how: AttemptEnd, error: unknown): void;

  // Derived from both halves

  get state(): ConnectivityState {
    return this.inSet ? this.linkState : "shutdown";
  }

  get failure(): Error | undefined {
    return this.linkFailure ?? (typeof this.#health === "string" ? undefined : this.#health);
  }

  get health(): Health {
    return this.#health;
  }

  /** Returns whether it is another than before. */
  setHealth(health: Health): boolean {
    if (this.#health === health) return false;
    this.#health = health;
    if (this.inSet) this.host.touched(this);
    return true;
  }

  /** In the set, ready, not held back, and not waiting for a probe's outcome. */
  get usable(): boolean {
    return this.inSet && this.takesAttempts && this.#health === "serving";
  }

  get available(): boolean {
    return this.usable && !this.#isFull();
  }

  /** Usable, but its server allows no further call for now. */
  get full(): boolean {
    return this.usable && this.#isFull();
  }

  #isFull(): boolean {
    const { room } = this.link;
    return room !== undefined && room <= this.promised;
  }

  protected get inSet(): boolean {
    return this.#membership.is === "in the set";
  }

  protected get closed(): boolean {
    return this.#membership.is === "closed";
  }

  /** Whether attempts are gRPC calls, as far as its link says. */
  get grpc(): boolean {
    return this.link.protocol === "grpc";
  }

  /** Connect's transport to the endpoint. */
  get transport(): Transport {
    return this.link.transport;
  }

  // Attempts

  /** An attempt begins. Every call of it is followed by one of `end` or `takeBack`. */
  begin(): void {
    this.inFlight++;
    this.picks++;
  }

  /** The link had no room for an attempt that had begun: it never was. */
  takeBack(): void {
    this.picks--;
    this.inFlight--;
    this.#closeIfUnused();
  }

  /** The server has begun to answer an attempt that goes on: a stream. */
  answered(): void {
    this.learn("answered", undefined);
  }

  /** An attempt has ended. */
  end(how: AttemptEnd, error: unknown): void {
    this.inFlight--;
    this.learn(how, error);
    this.#closeIfUnused();
  }

  #closeIfUnused(): void {
    if (this.inFlight === 0 && this.#membership.is === "draining") this.#membership.close();
  }

  // Transitions between in the set, draining and closed

  /** Takes new attributes of the same endpoint; a new incarnation means a restarted server, which is tried at once. */
  update(endpoint: Endpoint): void {
    const restarted = endpoint.incarnation !== this.endpoint.incarnation;
    this.endpoint = endpoint;
    if (restarted) {
      this.backoff.reset();
      this.retry();
    }
  }

  /**
   * Out of the set: no new attempts. Its link closes when the last attempt has ended; unary calls have `graceMs` for it,
   * and streams `streamGraceMs`. `onClosing` gets the end of the link's closing: from then on it can't be taken back.
   */
  remove(graceMs: number, streamGraceMs: number, onClosing: (closed: Promise<void>) => void): void {
    const from = this.state;
    // What the shorter of the two leaves of the other is the link's business, which knows what is a stream.
    const firstMs = Math.min(graceMs, streamGraceMs);
    const close = () => onClosing(this.#close(graceMs - firstMs, streamGraceMs - firstMs));
    const draining: Membership = { is: "draining", close, timer: undefined };
    this.#membership = draining;
    this.tellFrom(from, undefined);
    if (this.#membership !== draining) return;
    if (this.inFlight === 0) return close();
    giveBack(this.link);
    // The calls that it gave back may have been the last.
    if (this.#membership === draining) draining.timer = this.host.clock.timer(firstMs, close);
  }

  /** Back in the set while it was draining: it goes on where it was, and at once if it was failing. */
  restore(endpoint: Endpoint): void {
    if (this.#membership.is === "draining") this.#membership.timer?.cancel();
    this.#membership = { is: "in the set" };
    this.tellFrom("shutdown", undefined);
    this.update(endpoint);
    this.retry();
  }

  /** Ends the link, whatever is in flight. */
  close(graceMs: number): Promise<void> {
    const from = this.state;
    const closed = this.#close(graceMs, graceMs);
    this.tellFrom(from, undefined);
    return closed;
  }

  async #close(graceMs: number, streamGraceMs: number): Promise<void> {
    if (this.#membership.is === "draining") this.#membership.timer?.cancel();
    this.#membership = { is: "closed" };
    this.stop();
    try {
      await this.link.close(graceMs, streamGraceMs);
    } catch (error) {
      console.error("connect-lb: close of a link threw", error);
    }
  }

  /** The wait before a failing link is tried again. One that drains is not: it may never be taken back. */
  protected backOff(): Timer | undefined {
    return this.inSet ? this.host.clock.timer(this.backoff.next(), () => this.retry()) : undefined;
  }

  /** Tells the pool that the state is not what it was, if so. */
  protected tellFrom(from: ConnectivityState, cause: Error | undefined): void {
    if (this.state !== from) this.host.changed(this, from, cause);
  }
}
