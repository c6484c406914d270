import type { DescMessage, DescMethodStreaming, MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, type StreamResponse } from "@connectrpc/connect";
import type { CallAttempt } from "./attempt.ts";
import { Call } from "./call.ts";
import type { CallEnvironment } from "./environment.ts";
import { codeOf, endOf } from "./failure.ts";
import { ReplayBuffer } from "./replay.ts";
import { StreamEnd, trackResponse } from "./stream-end.ts";

/** A streaming call; it is committed to the first attempt that receives response headers. */
export class StreamCall<I extends DescMessage, O extends DescMessage>
  extends Call<DescMethodStreaming<I, O>, StreamResponse<I, O>> {
  readonly #replay: ReplayBuffer<MessageInitShape<I>>;
  /** Ends the current attempt. */
  readonly #abort = new AbortController();
  readonly #onAbort = () => {
    this.#abort.abort(this.signal!.reason);
    this.#reportAbort();
  };
  #end: StreamEnd | undefined;
  #onGivenUp: ((error: unknown) => void) | undefined;

  constructor(
    env: CallEnvironment,
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: AsyncIterable<MessageInitShape<I>>,
    contextValues: ContextValues | undefined,
  ) {
    super(env, method, signal, timeoutMs, header, contextValues);
    this.#replay = new ReplayBuffer(input);
  }

  /**
   * Makes its attempts, one after another. `onGivenUp` is called when the reader abandons the response, and when the
   * deadline passes, whether or not it is being read.
   */
  async start(onGivenUp?: (error: unknown) => void): Promise<StreamResponse<I, O>> {
    this.#onGivenUp = onGivenUp;
    this.signal?.addEventListener("abort", this.#onAbort);
    try {
      return await this.#open(this.attemptNow() ?? await this.nextAttempt());
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  async #open(attempt: CallAttempt<StreamResponse<I, O>>): Promise<StreamResponse<I, O>> {
    attempt.begin();
    let response: StreamResponse<I, O>;
    try {
      response = await attempt.connection.transport.stream(
        this.method,
        this.#abort.signal,
        this.timeoutMs,
        attempt.headerInit,
        this.#replay.view(),
        this.contextValuesInit,
      );
    } catch (error) {
      return await this.failed(attempt, error);
    }
    return this.#commit(attempt, response);
  }

  async failed(attempt: CallAttempt<StreamResponse<I, O>>, error: unknown): Promise<StreamResponse<I, O>> {
    return await this.#open(await this.afterFailure(attempt, error, this.#replay.replayable));
  }

  #commit(attempt: CallAttempt<StreamResponse<I, O>>, response: StreamResponse<I, O>): StreamResponse<I, O> {
    const onGivenUp = this.#onGivenUp;
    this.#replay.commit();
    attempt.answering();
    // Outlives the response's iterator, so it must not refer to it: see `trackResponse`.
    const end = this.#end = new StreamEnd(this.#abort, (error, abandoned) => {
      this.#release();
      const failure = abandoned ? new ConnectError("the reader abandoned the stream", Code.Canceled) : error;
      const how = failure === undefined ? "answered" : this.signal?.aborted ? "maybe-processed" : endOf(failure);
      if (abandoned || (this.abandoned && how !== "answered")) attempt.abandon();
      attempt.ended(how, failure, response);
      const seen = failure === undefined ? undefined : this.failure(attempt, how, failure);
      if (abandoned) onGivenUp?.(failure);
      else if (how !== "answered" && codeOf(seen) === Code.DeadlineExceeded) onGivenUp?.(seen);
      return seen;
    });
    try {
      const tracked = trackResponse(response, end);
      // The caller may have aborted since the response headers arrived.
      if (this.signal?.aborted) this.#reportAbort();
      return tracked;
    } catch (error) {
      throw end.failed(error);
    }
  }

  /** Ends the attempt if the link did not: the reader may be busy, or gone, and never call `next` again. */
  #reportAbort(): void {
    this.#end?.aborted(ConnectError.from(this.signal!.reason, Code.Canceled));
  }

  /** Releases the caller's signal and iterable. */
  #release(): void {
    this.signal?.removeEventListener("abort", this.#onAbort);
    this.#replay.end();
  }
}
