import type { Interceptor } from "@connectrpc/connect";
import type { Deadline, Deadlines, DeadlineTarget } from "../../time/deadline.ts";
import { timedOut } from "./status.ts";

/**
 * The deadline of a call with interceptors around it. Connect's runners would enforce it themselves, but they know
 * neither this library's clock nor when a response is complete: they would end a stream that only waits for its reader.
 */
export class InterceptedDeadline implements DeadlineTarget {
  /** Aborts with the caller's signal, and when the deadline passes. */
  readonly signal: AbortSignal;
  readonly #abort = new AbortController();
  readonly #deadline: Deadline;

  constructor(deadlines: Deadlines, timeoutMs: number, signal: AbortSignal | undefined) {
    this.signal = signal === undefined ? this.#abort.signal : AbortSignal.any([signal, this.#abort.signal]);
    this.#deadline = deadlines.add(timeoutMs, this);
  }

  /**
   * Must be outermost: the runner aborts the request's signal however the call ends, except when an interceptor throws.
   */
  readonly interceptor: Interceptor = (next) => async (request) => {
    if (request.signal.aborted) this.end();
    else request.signal.addEventListener("abort", () => this.end());
    return await next(request);
  };

  /** The time that interceptors have left. @throws ConnectError DeadlineExceeded if there is none. */
  leftMs(): number {
    const leftMs = this.#deadline.leftMs();
    if (leftMs <= 0) throw timedOut();
    return leftMs;
  }

  onDeadline(): void {
    this.#abort.abort(timedOut());
  }

  /** The call is over, or its response is complete. Safe to call twice. */
  end(): void {
    this.#deadline.cancel();
  }
}
