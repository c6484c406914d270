import type { ConnectivityState } from "../connectivity.ts";
import type { Endpoint } from "../endpoint.ts";
import type { ConnectionHost, RunningBackoff } from "./connection-host.ts";
import { EndpointConnection } from "./endpoint-connection.ts";
import { endedEarly } from "./failure.ts";
import type { Link } from "./link.ts";
import type { AttemptEnd } from "./mark.ts";
import { asError } from "../error-text.ts";

/** A link that stayed open this long was healthy: its end does not count as a failure to open it. */
const HEALTHY_MS = 10_000;

/**
 * The same for one that its server ended without an error: it may end what has no calls as soon as it likes
 * (MAX_CONNECTION_IDLE, gRFC A9). Not sooner than the first backoff, so that no server is dialled in a loop.
 */
const ENDED_CLEANLY_MS = 1_000;

/** The state of the link. `failure` stays until it is ready again (gRFC A62's sticky TRANSIENT_FAILURE). */
type Phase =
  | { readonly state: "idle"; readonly failure: Error | undefined }
  | Connecting
  | {
    readonly state: "ready";
    readonly failure: undefined;
    readonly sinceMs: number;
    /** Whether an attempt has been answered since. */
    productive: boolean;
  }
  /** Without a timer if it failed while draining: then it is retried when it is restored. */
  | { readonly state: "transient_failure"; readonly failure: Error; readonly backoff: RunningBackoff | undefined };

interface Connecting {
  readonly state: "connecting";
  readonly failure: Error | undefined;
  /** Cancels the opening. */
  readonly opening: AbortController;
  /** Why the link ended, or began to drain, before its `connect()` settled. */
  ended: Error | undefined;
}

/**
 * A connection whose link is opened explicitly:
 *
 *     idle ──wantedBy()─► connecting ──link is ready──► ready ──draining, lost──► idle
 *                             │                          │
 *                       can't be opened        ended before it did anything
 *                             ▼                          ▼
 *                        transient_failure ──backoff──► idle
 *
 * Only a policy that wants it moves it out of `idle`; when no policy wants it any more, it is back there.
 */
export class StatefulConnection extends EndpointConnection {
  readonly stateless = false;
  #phase: Phase = { state: "idle", failure: undefined };
  /** Whether the phase is `ready`: a field, since every pick reads it. */
  protected takesAttempts = false;
  /** The policies that want it. */
  readonly #wanting = new Set<object>();
  /** Creates another link to the endpoint. */
  readonly #makeLink: () => Link;

  constructor(endpoint: Endpoint, link: Link, host: ConnectionHost<EndpointConnection>, makeLink: () => Link) {
    super(endpoint, link, host);
    this.#makeLink = makeLink;
  }

  protected get linkFailure(): Error | undefined {
    return this.#phase.failure;
  }

  protected get linkState(): Exclude<ConnectivityState, "shutdown"> {
    return this.#phase.state;
  }

  get heard(): boolean {
    return this.#phase.state === "ready";
  }

  /** The one place where the phase changes. */
  #become(phase: Phase, cause?: Error): void {
    const from = this.state;
    this.#phase = phase;
    this.takesAttempts = phase.state === "ready";
    this.tellFrom(from, cause);
  }

  /** idle → connecting. */
  wantedBy(policy: object): void {
    if (!this.inSet) return;
    this.#wanting.add(policy);
    const { state, failure } = this.#phase;
    if (state !== "idle") return;
    const connecting: Connecting = { state: "connecting", failure, opening: new AbortController(), ended: undefined };
    this.#become(connecting);
    this.host.admit(() => this.#admitted(connecting));
  }

  /** connecting or ready → idle, with a new link: the old one closes when its calls have ended. */
  unwantedBy(policy: object): void {
    this.#wanting.delete(policy);
    if (this.#wanting.size > 0) return;
    const { state, failure } = this.#phase;
    if (!this.inSet || state !== "connecting" && state !== "ready") return;
    this.stop();
    const old = this.replaceLink(this.#makeLink());
    this.#become({ state: "idle", failure });
    // Only now: calls that it gives back must not be made on the new link, which is not open.
    this.host.retire(old);
  }

  override remove(...args: Parameters<EndpointConnection["remove"]>): void {
    this.#wanting.clear();
    super.remove(...args);
  }

  /** Its turn to open has come; if it was removed in the meantime, it becomes idle, in case it is restored. */
  #admitted(connecting: Connecting): Promise<void> | undefined {
    if (this.#phase !== connecting) return undefined;
    if (this.inSet) return this.#open(connecting);
    this.#become({ state: "idle", failure: connecting.failure });
    return undefined;
  }

  async #open(connecting: Connecting): Promise<void> {
    connecting.ended = undefined;
    try {
      await this.link.connect!(connecting.opening.signal);
      this.#opened(connecting, connecting.ended);
    } catch (error) {
      this.#opened(connecting, asError(error));
    }
  }

  /** connecting → ready or transient_failure. */
  #opened(connecting: Connecting, error: Error | undefined): void {
    if (this.closed || this.#phase !== connecting) return;
    if (error !== undefined) {
      this.openings.failed++;
      return this.#fail(error);
    }
    this.openings.succeeded++;
    this.#become({ state: "ready", failure: undefined, sinceMs: this.host.clock.now(), productive: false });
  }

  /**
   * ready → idle, or → transient_failure if the link ended before it answered anything: otherwise such a server would
   * be dialled in a busy loop.
   */
  linkEnded(cause: Error | undefined): void {
    if (this.closed) return;
    if (cause !== undefined) this.lastError = cause;
    const phase = this.#phase;
    if (phase.state === "connecting") phase.ended = endedEarly(cause);
    if (phase.state !== "ready") return;
    const enoughMs = cause === undefined ? ENDED_CLEANLY_MS : HEALTHY_MS;
    const healthy = phase.productive || this.host.clock.now() - phase.sinceMs >= enoughMs;
    if (!healthy) return this.#fail(endedEarly(cause));
    this.backoff.reset();
    this.#become({ state: "idle", failure: undefined }, cause);
  }

  /** connecting or ready → transient_failure. */
  #fail(failure: Error): void {
    this.lastError = failure;
    this.#become({ state: "transient_failure", failure, backoff: this.backOff() }, failure);
  }

  /** transient_failure → idle, from where a policy that wants it opens it. */
  protected retry(): void {
    if (!this.inSet || this.#phase.state !== "transient_failure") return;
    this.#phase.backoff?.cancel();
    this.#become({ state: "idle", failure: this.#phase.failure });
  }

  protected stop(): void {
    if (this.#phase.state === "transient_failure") this.#phase.backoff?.cancel();
    if (this.#phase.state === "connecting") this.#phase.opening.abort(new Error("the connection is closed"));
  }

  protected learn(how: AttemptEnd): void {
    if (how === "answered" && this.#phase.state === "ready") this.#phase.productive = true;
  }
}
