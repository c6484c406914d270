import type { ConnectivityState } from "../connectivity.ts";
import type { RunningBackoff } from "./connection-host.ts";
import { EndpointConnection } from "./endpoint-connection.ts";
import { isLost } from "./failure.ts";
import type { AttemptEnd } from "./mark.ts";
import { asError } from "../error-text.ts";

/** What is known about the link. `failure` stays until an attempt is answered. */
type Phase =
  | { readonly is: "ready"; readonly failure: undefined }
  /** The next attempt is a probe. */
  | { readonly is: "to be probed"; readonly failure: Error }
  /**
   * The probe is in flight; no other attempt is sent until it ends, or has taken as long as the last backoff: its end
   * may never be reported, because a Worker's request was cut.
   */
  | { readonly is: "probing"; readonly failure: Error; readonly untilMs: number }
  /** Without a backoff if it failed while draining: then it is probed when it is restored. */
  | { readonly is: "failing"; readonly failure: Error; readonly backoff: RunningBackoff | undefined };

/**
 * A connection whose link has no states (fetch), because it opens its connections itself, invisibly. The results of
 * attempts show whether the server can be reached:
 *
 *     ready ──not sent, lost──► failing ──backoff──► to be probed ──an attempt begins──► probing
 *       ▲                          ▲                     ▲                                 │
 *       └─────────answered─────────│─────────────────────└─────────proved nothing──────────┤
 *                                  └───────────────not sent, lost──────────────────────────┘
 *
 * It appears as `transient_failure` while it is failing, and as `ready` otherwise. Its backoff is also over when the
 * clock says so: in a Worker, timers end with the request in which they were set.
 */
export class StatelessConnection extends EndpointConnection {
  readonly stateless = true;
  #phase: Phase = { is: "ready", failure: undefined };
  /** Whether an attempt was ever answered. */
  #answered = false;
  /** The length of the last backoff; how long a probe may take. */
  #probeMs = this.host.backoff.initialMs;

  protected get linkFailure(): Error | undefined {
    return this.#phase.failure;
  }

  protected get linkState(): Exclude<ConnectivityState, "shutdown"> {
    return this.#phase.is === "failing" ? "transient_failure" : "ready";
  }

  get heard(): boolean {
    return this.#answered && this.#phase.is === "ready";
  }

  protected get takesAttempts(): boolean {
    return this.#phase.is === "ready" || this.#mayProbe;
  }

  get #mayProbe(): boolean {
    const phase = this.#phase;
    if (phase.is === "ready" || phase.is === "to be probed") return phase.is !== "ready";
    const untilMs = phase.is === "probing" ? phase.untilMs : phase.backoff?.untilMs;
    return untilMs !== undefined && this.host.clock.now() >= untilMs;
  }

  /** The one place where the phase changes. */
  #become(phase: Phase, cause?: Error): void {
    const from = this.state;
    this.#phase = phase;
    this.tellFrom(from, cause);
  }

  /** It is never idle. */
  wantedBy(): void {}

  /** It does not know of connections that it could close. */
  unwantedBy(): void {}

  linkEnded(cause: Error | undefined): void {
    if (!this.closed && cause !== undefined) this.lastError = cause;
  }

  /** to be probed → probing. */
  override begin(): void {
    super.begin();
    const { failure } = this.#phase;
    if (failure === undefined || !this.#mayProbe) return;
    this.stop();
    this.#become({ is: "probing", failure, untilMs: this.host.clock.now() + this.#probeMs });
  }

  protected learn(how: AttemptEnd, error: unknown): void {
    if (this.closed) return;
    if (how === "answered") this.#answered = true;
    if (how === "not-sent" || isLost(error)) {
      if (this.#phase.is !== "failing") this.#fail(asError(error));
    } else if (this.#phase.is === "probing" || this.#phase.is === "to be probed") {
      this.#probed(how, this.#phase.failure);
    }
  }

  /** probing → ready, or → to be probed if the probe proved nothing. */
  #probed(how: AttemptEnd, failure: Error): void {
    if (how === "answered") {
      this.backoff.reset();
      this.#become({ is: "ready", failure: undefined });
    } else {
      this.#become({ is: "to be probed", failure });
    }
    if (this.inSet) this.host.touched(this);
  }

  /** Any other phase → failing. */
  #fail(failure: Error): void {
    this.lastError = failure;
    const backoff = this.backOff();
    if (backoff !== undefined) this.#probeMs = backoff.delayMs;
    this.#become({ is: "failing", failure, backoff }, failure);
  }

  /** failing → to be probed. */
  protected retry(): void {
    if (!this.inSet || this.#phase.is !== "failing") return;
    this.#phase.backoff?.cancel();
    this.#become({ is: "to be probed", failure: this.#phase.failure });
  }

  protected stop(): void {
    if (this.#phase.is === "failing") this.#phase.backoff?.cancel();
  }
}
