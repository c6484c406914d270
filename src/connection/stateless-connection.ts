import type { ConnectivityState } from "../connectivity.ts";
import type { Timer } from "../time/clock.ts";
import { EndpointConnection } from "./endpoint-connection.ts";
import { asError } from "./failure.ts";
import type { AttemptEnd } from "./mark.ts";

/** What is known about the link. `failure` stays until an attempt is answered. */
type Phase =
  | { readonly is: "ready"; readonly failure: undefined }
  /** The next attempt is a probe. */
  | { readonly is: "to be probed"; readonly failure: Error }
  /** The probe is in flight; no other attempt is sent until it ends. */
  | { readonly is: "probing"; readonly failure: Error }
  /** Without a timer if it failed while draining: then it is probed when it is restored. */
  | { readonly is: "failing"; readonly failure: Error; readonly backoff: Timer | undefined };

/**
 * A connection whose link has no states (fetch), because it opens its connections itself, invisibly. The results of
 * attempts show whether the server can be reached:
 *
 *     ready ──not sent──► failing ──backoff──► to be probed ──an attempt begins──► probing
 *       ▲                    ▲                     ▲                                 │
 *       └──────answered──────│─────────────────────└─────────proved nothing──────────┤
 *                            └──────────────────not sent─────────────────────────────┘
 *
 * It appears as `transient_failure` while it is failing, and as `ready` otherwise.
 */
export class StatelessConnection extends EndpointConnection {
  readonly stateless = true;
  #phase: Phase = { is: "ready", failure: undefined };

  protected get linkFailure(): Error | undefined {
    return this.#phase.failure;
  }

  protected get linkState(): Exclude<ConnectivityState, "shutdown"> {
    return this.#phase.is === "failing" ? "transient_failure" : "ready";
  }

  protected get takesAttempts(): boolean {
    return this.#phase.is === "ready" || this.#phase.is === "to be probed";
  }

  /** The one place where the phase changes. */
  #become(phase: Phase, cause?: Error): void {
    const from = this.state;
    this.#phase = phase;
    this.tellFrom(from, cause);
  }

  /** It is never idle. */
  connect(): void {}

  linkEnded(cause: Error | undefined): void {
    if (!this.closed && cause !== undefined) this.lastError = cause;
  }

  /** to be probed → probing. */
  override begin(): void {
    super.begin();
    if (this.#phase.is === "to be probed") this.#become({ is: "probing", failure: this.#phase.failure });
  }

  protected learn(how: AttemptEnd, error: unknown): void {
    if (this.closed) return;
    if (how === "not-sent") {
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
    this.#become({ is: "failing", failure, backoff: this.backOff() }, failure);
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
