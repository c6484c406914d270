import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import type { ContextValues, Interceptor, Transport, UnaryRequest } from "@connectrpc/connect";
import { createMethodUrl, runStreamingCall, runUnaryCall } from "@connectrpc/connect/protocol";
import type { DescMethod } from "@bufbuild/protobuf";
import type { Http2Connection } from "../../http2/client/connection.ts";
import { deadlinesOf } from "../../time/deadline.ts";
import type { GrpcTransportOptions } from "./grpc-transport.ts";
import { InterceptedDeadline } from "./intercepted-deadline.ts";
import { resolveGrpcOptions } from "./options.ts";
import { requestHeaders } from "./request-header.ts";
import type { GrpcStreamCall } from "./stream.ts";

/** Outermost where there is no deadline: Connect's runner does no cleanup if an interceptor throws. */
const rejecting: Interceptor = (next) => async (request) => await next(request);

/** Runs the calls of a `GrpcTransport` in interceptors. */
export function interceptedTransport(
  inner: Transport,
  connection: () => Http2Connection,
  given: GrpcTransportOptions,
): Transport {
  const options = resolveGrpcOptions(given);
  const deadlines = deadlinesOf(given.clock, given.background ? "background" : "held");
  const baseUrl = `${given.scheme}://${given.authority}`;

  /** As in Connect, 0 and less mean no timeout. */
  const limitOf = (timeoutMs: number | undefined) => {
    if (timeoutMs === undefined) return options.defaultTimeoutMs;
    return timeoutMs > 0 ? timeoutMs : undefined;
  };

  /** Runs a call in its interceptors: meanwhile its deadline is enforced here, and a place is reserved for it. */
  const run = <T>(
    timeoutMs: number | undefined,
    signal: AbortSignal | undefined,
    call: (deadline: InterceptedDeadline | undefined, release: () => void) => Promise<T>,
  ): Promise<T> => {
    const release = reserve(connection);
    const deadline = timeoutMs === undefined ? undefined : new InterceptedDeadline(deadlines, timeoutMs, signal);
    try {
      return call(deadline, release).finally(release);
    } catch (error) {
      release();
      deadline?.end();
      return Promise.reject(ConnectError.from(error, Code.Internal));
    }
  };

  /** What runs around a request. */
  const around = (deadline: InterceptedDeadline | undefined, signal: AbortSignal | undefined) => ({
    interceptors: [deadline?.interceptor ?? rejecting, ...options.interceptors],
    signal: deadline?.signal ?? signal!,
  });

  /** The parts of a request that interceptors see. */
  const visible = (
    method: DescMethod,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    contextValues: ContextValues | undefined,
  ): Pick<UnaryRequest, "service" | "requestMethod" | "url" | "header" | "contextValues"> => ({
    service: method.parent,
    requestMethod: "POST",
    url: createMethodUrl(baseUrl, method),
    header: requestHeaders(options, timeoutMs, header),
    contextValues: contextValues ?? createContextValues(),
  });

  return {
    unary(method, signal, timeoutMs, header, message, contextValues) {
      const limitMs = limitOf(timeoutMs);
      return run(limitMs, signal, (deadline, release) =>
        runUnaryCall({
          ...around(deadline, signal),
          req: { stream: false, method, message, ...visible(method, limitMs, header, contextValues) },
          next: async ({ signal, header, message }) => {
            release();
            return await inner.unary(method, signal, deadline?.leftMs() ?? 0, header, message);
          },
        }));
    },
    stream(method, signal, timeoutMs, header, message, contextValues) {
      const limitMs = limitOf(timeoutMs);
      return run(limitMs, signal, (deadline, release) =>
        runStreamingCall({
          ...around(deadline, signal),
          req: { stream: true, method, message, ...visible(method, limitMs, header, contextValues) },
          next: async ({ signal, header, message }) => {
            release();
            const response = await inner.stream(method, signal, deadline?.leftMs() ?? 0, header, message);
            if (deadline !== undefined) (response.message as GrpcStreamCall).whenComplete(() => deadline.end());
            return response;
          },
        }));
    },
  };
}

/** Reserves a place for a call while its interceptors run. The function that it returns releases the place. */
function reserve(connection: () => Http2Connection): () => void {
  try {
    return connection().requests.reserve();
  } catch {
    return () => {}; // Interceptors run anyway; the call inside them fails then.
  }
}
