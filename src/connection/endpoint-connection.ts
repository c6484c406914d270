import type { ConnectivityState } from "../connectivity.ts";
import { type Endpoint, endpointIdentity } from "../endpoint.ts";
import { nextId } from "../snapshot.ts";
import { Backoff } from "../time/backoff.ts";
import type { Connection, Health } from "./connection.ts";
import type { ConnectionHost, RunningBackoff } from "./connection-host.ts";
import { HealthGate } from "./health-gate.ts";
import type { Link } from "./link.ts";
import { LinkedConnection } from "./linked-connection.ts";
import { closeLink, giveBack } from "./make-link.ts";
import type { AttemptEnd } from "./mark.ts";
import { IN_SET, type Membership } from "./membership.ts";

/** How many attempts, from the first on, are all samples. */
const FIRST_SAMPLES = 32;
/**
 * Of how many later attempts one is a sample, which costs more than others. A prime, so that calls of several methods in
 * turn are all sampled.
 */
const SAMPLE_OF = 251;

/**
 * One endpoint's place in the pool: what all connections have in common, whatever their link. It counts attempts, and
 * tracks whether its endpoint is in the set:
 *
 *     in the set ──remove()──► draining ──last attempt ended, grace is over──► closed
 *          ▲                       │
 *          └──────restore()────────┘
 *
 * The other half of its state is the link's, kept by the subclasses: see `stateful-connection.ts` and
 * `stateless-connection.ts`. A connection that is not in the set appears as `shutdown`, whatever its link does.
 */
export abstract class EndpointConnection extends LinkedConnection implements Connection {
  readonly id: number = nextId();
  readonly identity: string;
  endpoint: Endpoint;
  place = 0;
  inFlight = 0;
  /** Attempts ever begun on it. */
  picks = 0;
  /** Attempts that have ever succeeded on it. */
  successes = 0;
  /** Attempts that have ended because nobody wanted their answers any more. */
  abandoned = 0;
  /** The most recent failure to open the link, or its loss; for diagnostics. */
  lastError: Error | undefined;
  /** When it was created, and when its state last changed. */
  readonly sinceMs: number;
  stateSinceMs: number;
  /** How often its link was opened, and could not be. */
  readonly openings: { succeeded: number; failed: number } = { succeeded: 0, failed: 0 };
  /** Whether its link has no states (fetch). */
  abstract readonly stateless: boolean;

  protected readonly host: ConnectionHost<EndpointConnection>;
  protected readonly backoff: Backoff;
  #membership: Membership = IN_SET;
  readonly #gate = new HealthGate();

  constructor(endpoint: Endpoint, link: Link, host: ConnectionHost<EndpointConnection>) {
    super(link);
    this.identity = endpointIdentity(endpoint);
    this.endpoint = endpoint;
    this.host = host;
    this.backoff = new Backoff(host.backoff, host.random);
    this.sinceMs = this.stateSinceMs = host.clock.now();
  }

  // The link's half of the state

  protected abstract get linkFailure(): Error | undefined;
  /** The link's state, as if the endpoint were in the set. */
  protected abstract get linkState(): Exclude<ConnectivityState, "shutdown">;
  /** Whether its server was heard of, as far as its link is as it is now: what else is said of its health is a guess. */
  abstract readonly heard: boolean;
  /** Whether the link's state allows an attempt. */
  protected abstract readonly takesAttempts: boolean;
  /** A policy wants it, which opens it if it is idle: it stays open as long as there is one that does. */
  abstract wantedBy(policy: object): void;
  /** That policy does not want it any more: unless another one does, it becomes idle. */
  abstract unwantedBy(policy: object): void;
  /** Ends the backoff if it is failing. */
  protected abstract retry(): void;
  /** Cancels a pending opening or backoff. */
  protected abstract stop(): void;
  /** An attempt was answered or ended; the link's state may follow from it. */
  protected abstract learn(how: AttemptEnd, error: unknown): void;

  // For the policy that has the connection itself; those that share it have views of it

  connect(): void {
    this.wantedBy(this);
  }

  disconnect(): void {
    this.unwantedBy(this);
  }

  // Derived from both halves

  get state(): ConnectivityState {
    return this.inSet ? this.linkState : "shutdown";
  }

  get failure(): Error | undefined {
    const { held, health } = this.#gate;
    return this.linkFailure ?? (held && typeof health !== "string" ? health : undefined);
  }

  /** What health checks found. */
  get health(): Health {
    return this.#gate.health;
  }

  /** Returns whether it changed. */
  setHealth(health: Health): boolean {
    const changed = this.#gate.setHealth(health);
    if (changed && this.inSet) this.host.touched(this);
    return changed;
  }

  /** In a panic it gets calls whatever its health. */
  set healthIgnored(ignored: boolean) {
    if (this.#gate.setIgnored(ignored) && this.inSet) this.host.touched(this);
  }

  /** Whether its health keeps calls off it. */
  get heldBack(): boolean {
    return this.#gate.held;
  }

  /**
   * Allows that many more attempts, in addition to those that were allowed and have not begun; Infinity: any number, as
   * at first. A panic ignores it.
   */
  allow(attempts: number): void {
    this.#gate.allow(attempts, this.picks);
    if (this.available) this.host.room(this);
  }

  /** Whether health checks allow it only some attempts. */
  get restricted(): boolean {
    return this.#gate.restricted;
  }

  /**
   * Whether the attempt that has just begun is one that health checks hear of even if it succeeds: some are, and all
   * while it is held back or restricted.
   */
  get sampled(): boolean {
    return this.#gate.inQuestion || this.picks <= FIRST_SAMPLES || this.picks % SAMPLE_OF === 0;
  }

  /** Whether it is in the set, ready, not held back, and not waiting for the result of a probe. */
  get usable(): boolean {
    return this.inSet && this.takesAttempts && !this.#gate.held;
  }

  get available(): boolean {
    return this.usable && !this.linkFull && this.host.limit?.reached(this.inFlight) !== true &&
      this.#gate.admits(this.picks);
  }

  /** Whether it is usable, but its server allows no more calls for now. */
  get full(): boolean {
    return this.linkFull && this.usable;
  }

  /** Whether it is usable, but as many attempts are in flight as the transport's options allow. */
  get limited(): boolean {
    return this.host.limit?.reached(this.inFlight) === true && this.usable;
  }

  protected get inSet(): boolean {
    return this.#membership === IN_SET;
  }

  /** Whether its link is closed, or closing. */
  get closed(): boolean {
    return this.#membership.is === "closed";
  }

  // Attempts

  /** An attempt begins. Must be followed by one call of `end` or `takeBack`. */
  begin(): void {
    this.inFlight++;
    this.picks++;
    this.host.limit?.began();
  }

  /** The link had no room for an attempt that had begun: it is not counted. */
  takeBack(): void {
    this.picks--;
    this.inFlight--;
    this.host.limit?.ended();
    // A probe that was not made proved nothing.
    this.learn("refused", undefined);
    this.#closeIfUnused();
  }

  /** The server began to answer an attempt that continues: a stream. */
  answered(): void {
    this.learn("answered", undefined);
  }

  /** An attempt has ended. */
  end(how: AttemptEnd, error: unknown): void {
    this.inFlight--;
    this.host.limit?.ended();
    if (error === undefined) {
      this.successes++;
      this.host.successes++;
    }
    this.learn(how, error);
    this.#closeIfUnused();
  }

  #closeIfUnused(): void {
    if (this.inFlight === 0 && this.#membership.is === "draining") this.#membership.close();
  }

  // Transitions between in the set, draining and closed

  /** Updates the endpoint's attributes; a new incarnation means that the server was restarted, so its backoff ends. */
  update(endpoint: Endpoint): void {
    const restarted = endpoint.incarnation !== this.endpoint.incarnation;
    this.endpoint = endpoint;
    if (restarted) {
      this.backoff.reset();
      this.retry();
    }
  }

  /**
   * Removes it from the set: it gets no new attempts. Its link closes when the last attempt has ended; unary calls have
   * `graceMs` to finish, and streams `streamGraceMs`. `onClosing` is called when the closing begins, with a promise of
   * its end; from then on the connection can't be restored.
   */
  remove(graceMs: number, streamGraceMs: number, onClosing: (closed: Promise<void>) => void): void {
    const from = this.state;
    // The link enforces the rest of the longer period, since it knows which calls are streams.
    const firstMs = Math.min(graceMs, streamGraceMs);
    const close = () => onClosing(this.#close(graceMs - firstMs, streamGraceMs - firstMs));
    const draining: Membership = { is: "draining", close, timer: undefined };
    this.#membership = draining;
    this.tellFrom(from, undefined);
    if (this.#membership !== draining) return;
    if (this.inFlight === 0) return close();
    giveBack(this.link);
    // The calls it gave back may have been the last ones.
    if (this.#membership === draining) draining.timer = this.host.clock.timer(firstMs, close);
  }

  /** Its endpoint is back in the set while it drains: it keeps its state, except that a backoff ends. */
  restore(endpoint: Endpoint): void {
    if (this.#membership.is === "draining") this.#membership.timer?.cancel();
    this.#membership = IN_SET;
    this.tellFrom("shutdown", undefined);
    this.update(endpoint);
    this.retry();
  }

  /** Closes the link; calls in flight have `graceMs` to finish. */
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
    await closeLink(this.link, graceMs, streamGraceMs);
  }

  /** Starts the backoff of a failing link; not while it is draining, since it may never be restored. */
  protected backOff(): RunningBackoff | undefined {
    if (!this.inSet) return undefined;
    const { clock } = this.host, delayMs = this.backoff.next();
    const timer = clock.timer(delayMs, () => this.retry());
    return { delayMs, untilMs: clock.now() + delayMs, cancel: () => timer.cancel() };
  }

  /** Notifies the pool if the state differs from `from`. */
  protected tellFrom(from: ConnectivityState, cause: Error | undefined): void {
    const { state } = this;
    if (state === from) return;
    this.stateSinceMs = this.host.clock.now();
    if (state !== "ready") this.endBackground();
    this.host.changed(this, from, cause);
  }
}
