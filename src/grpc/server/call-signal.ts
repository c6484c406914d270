let completed: DOMException | undefined;

/** The reason of a signal whose call succeeded. One for all of them: creating one costs more than a small call. */
function completion(): DOMException {
  return completed ??= new DOMException("the call has ended", "AbortError");
}

/**
 * The signal of a call that its handler wants to hear of: it aborts when the call has ended, in whatever way, or when
 * the server shuts down.
 */
export class CallSignal {
  readonly #abort = new AbortController();
  #shutdown: AbortSignal | undefined;

  constructor(shutdown: AbortSignal | undefined) {
    if (shutdown === undefined) return;
    if (shutdown.aborted) {
      this.#abort.abort(shutdown.reason);
    } else {
      this.#shutdown = shutdown;
      shutdown.addEventListener("abort", this);
    }
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** The server shuts down. An object as event listener needs no closure. */
  handleEvent(): void {
    this.end(this.#shutdown?.reason);
  }

  /** The call has ended. Without a reason, it succeeded. */
  end(reason: unknown): void {
    this.#shutdown?.removeEventListener("abort", this);
    this.#shutdown = undefined;
    if (!this.#abort.signal.aborted) this.#abort.abort(reason ?? completion());
  }
}
