import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import type { StreamResponse, UnaryResponse } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { EndpointConnection } from "../connection/endpoint-connection.ts";
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
  const attempt = (connection: EndpointConnection): Promise<UnaryResponse<I, O>> => {
    const startMs = call.begin(connection);
    const failed = (error: unknown) => call.failed(connection, startMs, error, true).then(attempt);
    try {
      const { signal, timeoutMs, headerInit, contextValuesInit } = call;
      return connection.transport.unary(method, signal, timeoutMs, headerInit, input, contextValuesInit)
        .then((answer) => {
          call.ended(connection, startMs, "answered");
          return answer;
        }, failed);
    } catch (error) {
      return failed(error);
    }
  };
  const picked = call.pick();
  // The usual case takes no detour over a promise.
  return picked instanceof EndpointConnection ? attempt(picked) : call.connection().then(attempt);
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
