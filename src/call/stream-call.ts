import type { DescMessage, DescMethodStreaming, MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, type StreamResponse } from "@connectrpc/connect";
import { EndpointConnection } from "../connection/endpoint-connection.ts";
import { Call, type CallEnvironment } from "./call.ts";
import { endOf } from "./explain.ts";
import { ReplayBuffer } from "./replay.ts";
import { StreamEnd, trackResponse } from "./stream-end.ts";

/** A streaming call; it is committed to the attempt that brings response headers. */
export class StreamCall<I extends DescMessage, O extends DescMessage> extends Call<DescMethodStreaming<I, O>> {
  readonly #replay: ReplayBuffer<MessageInitShape<I>>;
  /** Ends the present attempt. */
  readonly #abort = new AbortController();
  readonly #onAbort = () => this.#abort.abort(this.signal?.reason);

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

  /** Makes its attempts, one after another. `onAbandoned` is called when nobody reads the response any more. */
  async start(onAbandoned?: () => void): Promise<StreamResponse<I, O>> {
    this.signal?.addEventListener("abort", this.#onAbort);
    try {
      const picked = this.pick();
      let connection = picked instanceof EndpointConnection ? this.take(picked) : await this.connection();
      for (;;) {
        const startMs = this.begin();
        let response: StreamResponse<I, O>;
        try {
          response = await connection.transport.stream(
            this.method,
            this.#abort.signal,
            this.timeoutMs,
            this.headerInit,
            this.#replay.view(),
            this.contextValuesInit,
          );
        } catch (error) {
          connection = await this.next(connection, startMs, error, this.#replay.replayable);
          continue;
        }
        return this.#commit(connection, startMs, response, onAbandoned);
      }
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  #commit(
    connection: EndpointConnection,
    startMs: number,
    response: StreamResponse<I, O>,
    onAbandoned: (() => void) | undefined,
  ): StreamResponse<I, O> {
    this.#replay.commit();
    connection.answered();
    const end = new StreamEnd(this.#abort, (error, abandoned) => {
      this.#release();
      const failure = abandoned ? new ConnectError("the reader gave the stream up", Code.Canceled) : error;
      const how = failure === undefined ? "answered" : endOf(failure);
      this.ended(connection, startMs, how, failure);
      if (abandoned) onAbandoned?.();
      return failure === undefined ? undefined : this.failure(connection, how, failure);
    });
    try {
      return trackResponse(response, end);
    } catch (error) {
      throw end.failed(error);
    }
  }

  /** Lets the caller's signal and iterable go. */
  #release(): void {
    this.signal?.removeEventListener("abort", this.#onAbort);
    this.#replay.end();
  }
}
