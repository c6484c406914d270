import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ContextValues, StreamResponse, Transport, UnaryResponse } from "@connectrpc/connect";

/**
 * The calls of policies and health checks to the server of one connection, over a link that does not tell them from
 * others (`Link.background`): they are aborted when the connection is no longer ready.
 */
export class BackgroundCalls implements Transport {
  readonly #transport: Transport;
  readonly #running = new Set<AbortController>();

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The connection is no longer ready: ends all calls with Unavailable. */
  end(): void {
    const reason = new ConnectError("the connection is no longer ready", Code.Unavailable);
    for (const running of [...this.#running]) running.abort(reason);
  }

  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: MessageInitShape<I>,
    contextValues?: ContextValues,
  ): Promise<UnaryResponse<I, O>> {
    const call = new BackgroundCall(this.#running, signal);
    try {
      return await this.#transport.unary(method, call.signal, timeoutMs, header, input, contextValues);
    } finally {
      call.ended();
    }
  }

  async stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: AsyncIterable<MessageInitShape<I>>,
    contextValues?: ContextValues,
  ): Promise<StreamResponse<I, O>> {
    const call = new BackgroundCall(this.#running, signal);
    try {
      const response = await this.#transport.stream(method, call.signal, timeoutMs, header, input, contextValues);
      return { ...response, message: reading(response.message, call) };
    } catch (error) {
      call.ended();
      throw error;
    }
  }
}

/** One of them: it aborts with its caller's signal, too. */
class BackgroundCall {
  readonly #running: Set<AbortController>;
  readonly #abort = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #onAbort = (): void => this.#abort.abort(this.#caller!.reason);

  constructor(running: Set<AbortController>, caller: AbortSignal | undefined) {
    this.#running = running.add(this.#abort);
    this.#caller = caller;
    if (caller?.aborted) this.#onAbort();
    else caller?.addEventListener("abort", this.#onAbort);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  ended(): void {
    this.#running.delete(this.#abort);
    this.#caller?.removeEventListener("abort", this.#onAbort);
  }
}

/** The messages of a response, until its end, or until nobody reads them any more. */
async function* reading<T>(messages: AsyncIterable<T>, call: BackgroundCall): AsyncIterable<T> {
  try {
    yield* messages;
  } finally {
    call.ended();
  }
}
