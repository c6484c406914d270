import { EventEmitter } from "node:events";
import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { markAttempt } from "../connection/mark.ts";

/** What a stream needs to know of its session to judge a failure. */
export interface StreamHost {
  /** Opens the HTTP/2 stream; may throw. */
  open(): ClientHttp2Stream;
  /** The smallest last stream id of the GOAWAY frames received: the server did nothing with higher ones. */
  readonly lastStreamId: number;
  /** Why the whole connection ended; undefined while it lives. */
  readonly lostBy: Error | undefined;
  /** The stream has ended; called once, also if it was never opened. */
  ended(): void;
}

/** Received bytes to hold before the stream is paused, which costs data on some runtimes when the peer then leaves. */
const HIGH_WATER_BYTES = 1 << 20;

/**
 * One request as connect-node's HTTP client uses it: the part of a ClientHttp2Stream that it touches.
 *
 * It stands in front of the real stream for three reasons: received data is taken at once (when the peer leaves, Node
 * and Deno throw away what nobody has read yet); a stream that closes without an answer is a failure (connect-node
 * would wait for ever); and each failure is an error of its own that says whether the server can have processed the
 * request (runtimes share one error among all streams of a session).
 */
export class RequestStream extends EventEmitter {
  /** connect-node judges a stream by its reset code; here failures are errors, so there is none. */
  readonly rstCode = 0;
  closed = false;
  readonly #host: StreamHost;
  #stream: ClientHttp2Stream | undefined;
  #error: (Error & { code?: unknown }) | undefined;
  #answered = false;
  #complete = false;
  #ended = false;
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;
  #failure: ConnectError | undefined;
  #wake: (() => void) | undefined;

  constructor(host: StreamHost) {
    super();
    this.#host = host;
  }

  get writableEnded(): boolean {
    return this.#stream?.writableEnded ?? false;
  }

  /** connect-node asks for the response last: a call that was cancelled while it waited is closed by then. */
  override on(event: string, listener: (...args: unknown[]) => void): this {
    super.on(event, listener);
    if (event === "response" && !this.closed) this.#open();
    return this;
  }

  #open(): void {
    try {
      const stream = this.#stream = this.#host.open();
      stream.on("response", (headers: IncomingHttpHeaders) => {
        this.#answered = true;
        // A response of headers alone is complete with them.
        if (headers["grpc-status"] !== undefined) this.#complete = true;
        this.emit("response", headers);
      });
      stream.on("trailers", (trailers: IncomingHttpHeaders) => {
        this.#answered = this.#complete = true;
        this.emit("trailers", trailers);
      });
      stream.on("data", (chunk: Uint8Array) => this.#received(chunk));
      stream.on("end", () => {
        if (this.#complete) this.#finish();
        // The server is done with the call, so nobody reads what is still to be written.
        if (!stream.writableEnded) setImmediate(() => stream.close(0));
      });
      stream.on("error", (error: Error) => this.#error ??= error);
      stream.on("close", () => this.#onClose());
    } catch (error) {
      this.#error = error as Error;
      this.#onClose();
    }
  }

  #received(chunk: Uint8Array): void {
    this.#answered = true;
    this.#chunks.push(chunk);
    this.#bytes += chunk.byteLength;
    if (this.#bytes > HIGH_WATER_BYTES) this.#stream?.pause();
    this.#wake?.();
  }

  #finish(): void {
    this.#ended = true;
    this.#wake?.();
  }

  #onClose(): void {
    this.#host.ended();
    const cancelled = this.closed;
    this.closed = true;
    if (cancelled || this.#ended) return this.#finish();
    const rst = this.#stream?.rstCode ?? 0;
    if (rst === 0 && this.#answered && this.#error === undefined) return this.#finish();
    this.#failure = this.#judge(rst);
    this.emit("error", this.#failure);
    this.#finish();
  }

  /** RFC 9113, 6.8 and 8.7: what a server did not process, and says so; gRPC's codes for the others. */
  #judge(rst: number): ConnectError {
    const { lastStreamId } = this.#host;
    const id = this.#stream?.id;
    const code = this.#error?.code;
    const lostBy = this.#host.lostBy ?? (code === "ERR_HTTP2_STREAM_ERROR" ? undefined : this.#error);
    const cause = this.#error ?? lostBy;
    const fail = (text: string, code: Code) => new ConnectError(text, code, undefined, undefined, cause);
    if (!this.#answered) {
      if (id === undefined || code === "ERR_HTTP2_INVALID_SESSION") {
        return markAttempt(fail("the request was not sent: the connection is closed", Code.Unavailable), "not-sent");
      }
      if (rst === 7 || id > lastStreamId || code === "ERR_HTTP2_GOAWAY_SESSION") {
        return markAttempt(fail("the server refused the request without processing it", Code.Unavailable), "refused");
      }
    }
    if (lostBy !== undefined) {
      return fail(`the connection was lost before the call was answered: ${lostBy.message}`, Code.Unavailable);
    }
    if (rst === 0) return fail("the server ended the call without an answer", Code.Internal);
    const text = `the server reset the call with HTTP/2 error code ${rst}`;
    return fail(text, RESET_CODES.get(rst) ?? Code.Internal);
  }

  write(chunk: Uint8Array, encoding: "binary", done: (error?: Error | null) => void): void {
    // What ends the stream is reported by its close, which knows more than a failed write does.
    this.#stream?.write(chunk, encoding, (error) => error ? undefined : done());
  }

  end(done: () => void): void {
    this.#stream?.end(done);
  }

  /** Ends the call early; to a server that is a cancel, whatever the reason (gRPC over HTTP/2, "Errors"). */
  close(_code: number, done: () => void): void {
    if (!this.closed) {
      this.closed = true;
      if (this.#stream === undefined) this.#host.ended();
      else this.#stream.close(8);
    }
    done();
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return { next: () => this.#next() };
  }

  async #next(): Promise<IteratorResult<Uint8Array, undefined>> {
    while (this.#chunks.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) {
      this.#bytes -= chunk.byteLength;
      if (this.#stream?.isPaused() && this.#bytes < HIGH_WATER_BYTES) this.#stream.resume();
      return { done: false, value: chunk };
    }
    if (this.#failure !== undefined) throw this.#failure;
    return { done: true, value: undefined };
  }
}

/** gRPC over HTTP/2, "Errors": what a reset means as a gRPC status, where that isn't Internal. */
const RESET_CODES: ReadonlyMap<number, Code> = new Map([
  [7, Code.Unavailable],
  [8, Code.Canceled],
  [11, Code.ResourceExhausted],
  [12, Code.PermissionDenied],
]);
