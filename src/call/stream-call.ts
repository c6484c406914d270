import type { DescMessage, DescMethodStreaming, MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, type StreamResponse, type Transport } from "@connectrpc/connect";
import type { MessageReportingTransport } from "../connection/end-reporting.ts";
import type { CallAttempt } from "./attempt.ts";
import { Call } from "./call.ts";
import type { CallEnvironment } from "./environment.ts";
import { codeOf, endOf } from "./failure.ts";
import type { HedgedAttempt, HedgedCall } from "./hedging.ts";
import { ReplayBuffer, type View } from "./replay.ts";
import { StreamEnd, trackResponse } from "./stream-end.ts";

/** A streaming call; it is committed to the first attempt that receives response headers. */
export class StreamCall<I extends DescMessage, O extends DescMessage>
  extends Call<DescMethodStreaming<I, O>, StreamResponse<I, O>>
  implements HedgedCall<StreamResponse<I, O>> {
  readonly #replay: ReplayBuffer<MessageInitShape<I>>;
  /** Ends all attempts. */
  readonly #abort = new AbortController();
  readonly #onAbort = () => {
    this.#abort.abort(this.signal!.reason);
    this.#reportAbort();
  };
  #end: StreamEnd | undefined;
  #onGivenUp: ((error: unknown) => void) | undefined;
  /** Whether its reader stopped reading the response. */
  #unread = false;

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

  get replayable(): boolean {
    return this.#replay.replayable;
  }

  /**
   * Makes its attempts: one after another, or several at a time if it is hedged. `onGivenUp` is called when the reader
   * abandons the response, and when the deadline passes, whether or not it is being read.
   */
  async start(onGivenUp?: (error: unknown) => void): Promise<StreamResponse<I, O>> {
    this.#onGivenUp = onGivenUp;
    this.observe();
    this.signal?.addEventListener("abort", this.#onAbort);
    try {
      this.checkThrottle();
      return await this.#begin(this.attemptNow() ?? await this.nextAttempt());
    } catch (error) {
      this.#release();
      this.over(error);
      throw error;
    }
  }

  /** Only calls with one request message are hedged: others are conversations, or large. */
  #begin(attempt: CallAttempt<StreamResponse<I, O>>): Promise<StreamResponse<I, O>> {
    const { hedging } = this.methodSettings;
    if (hedging === undefined || this.method.methodKind !== "server_streaming" || !hedging.covers(this.method)) {
      return this.send(attempt, this.#abort.signal);
    }
    return hedging.run(this, attempt, this.#abort.signal);
  }

  /** Sends an attempt, which ends when the signal aborts; `hedged` if it is one of several. */
  async send(
    attempt: CallAttempt<StreamResponse<I, O>>,
    signal: AbortSignal,
    hedged?: HedgedAttempt<StreamResponse<I, O>>,
  ): Promise<StreamResponse<I, O>> {
    attempt.begin();
    const { method, timeoutMs, contextValuesInit } = this;
    const view = this.#replay.view();
    let response: StreamResponse<I, O>;
    try {
      const { connection: { transport }, headerInit } = attempt;
      response = await (attempt.watched && reportsMessages(transport)
        ? transport.streamReporting(method, signal, timeoutMs, headerInit, view, contextValuesInit, attempt)
        : transport.stream(method, signal, timeoutMs, headerInit, view, contextValuesInit));
    } catch (error) {
      view.close();
      return await (hedged ?? attempt).failed(error);
    }
    // Its link does not mind that it was cancelled.
    if (hedged?.wins() === false) return await hedged.failed(signal.reason);
    hedged?.follow(this.#abort.signal);
    return this.#commit(attempt, response, view);
  }

  async attemptFailed(attempt: CallAttempt<StreamResponse<I, O>>, error: unknown): Promise<StreamResponse<I, O>> {
    return await this.send(await this.afterFailure(attempt, error), this.#abort.signal);
  }

  #commit(
    attempt: CallAttempt<StreamResponse<I, O>>,
    response: StreamResponse<I, O>,
    view: View<MessageInitShape<I>>,
  ): StreamResponse<I, O> {
    const onGivenUp = this.#onGivenUp;
    this.#replay.commit(view);
    attempt.answering();
    // Outlives the response's iterator, so it must not refer to it: see `trackResponse`.
    const end = this.#end = new StreamEnd(this.#abort, (error, abandoned) => {
      this.#release();
      this.#unread = abandoned;
      const failure = abandoned ? new ConnectError("the reader abandoned the stream", Code.Canceled) : error;
      const how = failure === undefined ? "answered" : this.signal?.aborted ? "maybe-processed" : endOf(failure);
      if (abandoned || (this.abandoned && how !== "answered")) attempt.abandon();
      attempt.ended(how, failure, response);
      const seen = failure === undefined ? undefined : this.failure(attempt, how, failure);
      this.over(abandoned ? failure : seen);
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

  protected override get abandoned(): boolean {
    // Some calls end in the constructor of the superclass, when it has no fields yet.
    return (#unread in this && this.#unread) || super.abandoned;
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

function reportsMessages(transport: Transport): transport is MessageReportingTransport {
  return "streamReporting" in transport;
}
