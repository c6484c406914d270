import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import type { StreamResponse, Transport, UnaryResponse } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { EndpointConnection } from "../connection/endpoint-connection.ts";
import type { EndTellingTransport, UnaryEndListener } from "../connection/link.ts";
import type { Call } from "./call.ts";
import { endOf } from "./explain.ts";
import { ReplayBuffer } from "./replay.ts";
import { StreamEnd, trackResponse } from "./stream-end.ts";

/** Makes the attempts of a unary call. */
export function unaryAttempts<I extends DescMessage, O extends DescMessage>(
  call: Call,
  method: DescMethodUnary<I, O>,
  input: MessageInitShape<I>,
): Promise<UnaryResponse<I, O>> {
  const attempts = new UnaryAttempts(call, method, input);
  const picked = call.pick();
  // The usual case takes no detour over a promise.
  if (picked instanceof EndpointConnection) return attempts.make(picked);
  return call.connection().then((connection) => attempts.make(connection));
}

/** The attempts of a unary call, one after another. */
class UnaryAttempts<I extends DescMessage, O extends DescMessage> implements UnaryEndListener<UnaryResponse<I, O>> {
  readonly #call: Call;
  readonly #method: DescMethodUnary<I, O>;
  readonly #input: MessageInitShape<I>;
  /** Where the present attempt is, and since when. */
  #connection: EndpointConnection | undefined = undefined;
  #startMs = 0;

  constructor(call: Call, method: DescMethodUnary<I, O>, input: MessageInitShape<I>) {
    this.#call = call;
    this.#method = method;
    this.#input = input;
  }

  make(connection: EndpointConnection): Promise<UnaryResponse<I, O>> {
    this.#connection = connection;
    this.#startMs = this.#call.begin(connection);
    const { signal, timeoutMs, headerInit, contextValuesInit } = this.#call;
    const { transport } = connection;
    try {
      if (tellsUnaryEnds(transport)) {
        return transport.unaryTelling(
          this.#method,
          signal,
          timeoutMs,
          headerInit,
          this.#input,
          contextValuesInit,
          this,
        );
      }
      return transport.unary(this.#method, signal, timeoutMs, headerInit, this.#input, contextValuesInit)
        .then((answer) => {
          this.answered();
          return answer;
        }, (error) => this.failed(error));
    } catch (error) {
      return this.failed(error);
    }
  }

  answered(): void {
    this.#call.ended(this.#connection!, this.#startMs, "answered");
  }

  failed(error: unknown): Promise<UnaryResponse<I, O>> {
    return this.#call.failed(this.#connection!, this.#startMs, error, true).then((next) => this.make(next));
  }
}

function tellsUnaryEnds(transport: Transport): transport is EndTellingTransport {
  return "unaryTelling" in transport;
}

/**
 * Makes the attempts of a streaming call; it is committed to the one that brings response headers. `onAbandoned` is
 * called when nobody reads the response any more.
 */
export async function streamAttempts<I extends DescMessage, O extends DescMessage>(
  call: Call,
  method: DescMethodStreaming<I, O>,
  input: AsyncIterable<MessageInitShape<I>>,
  onAbandoned?: () => void,
): Promise<StreamResponse<I, O>> {
  const replay = new ReplayBuffer(input);
  const abort = new AbortController();
  const onAbort = () => abort.abort(call.signal?.reason);
  call.signal?.addEventListener("abort", onAbort);
  const release = () => {
    call.signal?.removeEventListener("abort", onAbort);
    replay.end();
  };
  try {
    const picked = call.pick();
    let connection = picked instanceof EndpointConnection ? picked : await call.connection();
    for (;;) {
      const startMs = call.begin(connection);
      let response: StreamResponse<I, O>;
      try {
        const { timeoutMs, headerInit, contextValuesInit } = call;
        const messages = replay.view();
        response = await connection.transport.stream(
          method,
          abort.signal,
          timeoutMs,
          headerInit,
          messages,
          contextValuesInit,
        );
      } catch (error) {
        connection = await call.failed(connection, startMs, error, replay.replayable);
        continue;
      }
      replay.commit();
      const used = connection;
      used.answered();
      const end = new StreamEnd(abort, (error, abandoned) => {
        release();
        const failure = abandoned ? new ConnectError("the reader gave the stream up", Code.Canceled) : error;
        const how = failure === undefined ? "answered" : endOf(failure);
        call.ended(used, startMs, how, failure);
        if (abandoned) onAbandoned?.();
        return failure === undefined ? undefined : call.failure(used, how, failure);
      });
      try {
        return trackResponse(response, end);
      } catch (error) {
        throw end.failed(error);
      }
    }
  } catch (error) {
    release();
    throw error;
  }
}
