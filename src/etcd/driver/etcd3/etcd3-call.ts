import type { AttemptContext } from "../driver.ts";
import type { Etcd3Session } from "./etcd3-session.ts";
import type { Call, CallOptions, Status } from "./package.ts";

/** gRPC's code of a call that its caller cancelled (grpc's statuscodes.md). */
const CANCELLED = 1;

/** A call that ended with a status other than OK. */
export class StatusError extends Error {
  override readonly name = "StatusError";
  readonly code: number;

  constructor({ code, details }: Status) {
    super(details);
    this.code = code;
  }
}

/**
 * One call through a raw client of the package. An interceptor does what the raw clients have no arguments for: it adds
 * metadata, cancels the call when the signal aborts or the session is closed, and keeps the status that the server
 * sent.
 */
export class Etcd3Call {
  readonly options: CallOptions = { interceptors: [(options, nextCall) => this.#intercept(nextCall(options))] };
  readonly #session: Etcd3Session;
  readonly #signal: AbortSignal;
  readonly #metadata: readonly (readonly [string, string])[];
  #call: Call | undefined;
  #status: Status | undefined;
  #cancelled = false;
  /** Runs before the call is cancelled. */
  onCancel: (() => void) | undefined;

  /**
   * `leader`: a member that has lost its cluster then refuses the call and ends its stream, rather than staying silent.
   */
  constructor(session: Etcd3Session, { signal, token }: AttemptContext, { leader = false }: { leader?: boolean } = {}) {
    this.#session = session;
    this.#signal = signal;
    this.#metadata = [
      ...(token === undefined ? [] : [["token", token] as const]),
      ...(leader ? [["hasleader", "true"] as const] : []),
    ];
    session.begin(this.#cancel);
    signal.addEventListener("abort", this.#cancel);
    if (signal.aborted) this.#cancel();
  }

  /** If the call ended with a status other than OK, throws that status rather than the package's own error. */
  throwIfFailed(): void {
    if (this.#status !== undefined && this.#status.code !== 0) throw new StatusError(this.#status);
  }

  /** Ends the call, if it is still in progress. */
  end(): void {
    this.#session.end(this.#cancel);
    this.#signal.removeEventListener("abort", this.#cancel);
    if (this.#status === undefined) this.#cancel();
  }

  readonly #cancel = (): void => {
    if (this.#cancelled) return;
    this.#cancelled = true;
    this.onCancel?.();
    this.#call?.cancelWithStatus(CANCELLED, "the call was canceled");
  };

  #intercept(call: Call): Call {
    // The package repeats a call indefinitely if its token is refused, and can't renew tokens that are ours.
    const repeated = this.#call !== undefined;
    this.#call = call;
    const start = call.start.bind(call);
    call.start = (metadata, listener) => {
      for (const [key, value] of this.#metadata) metadata.set(key, value);
      start(metadata, {
        ...listener,
        onReceiveStatus: (status) => {
          this.#status ??= status;
          listener?.onReceiveStatus?.(status);
        },
      });
      if (repeated || this.#cancelled) call.cancelWithStatus(CANCELLED, "the call was canceled");
    };
    return call;
  }
}
