import type {
  DescMessage,
  DescMethod,
  DescMethodStreaming,
  DescMethodUnary,
  MessageInitShape,
} from "@bufbuild/protobuf";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import type { ContextValues, Interceptor, StreamResponse, Transport, UnaryResponse } from "@connectrpc/connect";
import { runStreamingCall, runUnaryCall } from "@connectrpc/connect/protocol";
import type { EndReportingTransport, UnaryEndListener } from "../../connection/end-reporting.ts";
import type { Connection } from "../../http2/client/connection.ts";
import type { Clock } from "../../time/clock.ts";
import { isRawMethod } from "../../raw-method.ts";
import { deadlinesOf } from "../../time/deadline.ts";
import type { Deadlines } from "../../time/deadline.ts";
import { InterceptedDeadline } from "./intercepted-deadline.ts";
import { createMethod } from "./method.ts";
import type { Method, Target } from "./method.ts";
import { resolveGrpcOptions } from "./options.ts";
import type { GrpcOptions, ResolvedGrpcOptions } from "./options.ts";
import { hasUserAgent, metadataFields, requestHeaders, sectionFields, timeoutField } from "./request-header.ts";
import { GrpcStreamCall } from "./stream.ts";
import { GrpcUnaryCall } from "./unary.ts";

/** Options of {@link createGrpcTransport}. */
export interface GrpcTransportOptions extends GrpcOptions, Target {
  /** Defaults to the runtime's. */
  clock?: Clock | undefined;
}

/**
 * gRPC over an HTTP/2 connection of this library as a Connect Transport (gRPC's PROTOCOL-HTTP2).
 *
 * What is wrong with a call itself (a message that can't be encoded or is too large, a header field that HTTP/2 forbids)
 * fails it without a mark, since no other connection would make it right.
 *
 * @param connection gives the connection for a call. What it throws becomes the call's error, with the mark it has.
 */
export function createGrpcTransport(connection: () => Connection, options: GrpcTransportOptions): Transport {
  return new GrpcTransport(connection, options);
}

class GrpcTransport implements EndReportingTransport {
  readonly #connection: () => Connection;
  readonly #target: Target;
  readonly #options: ResolvedGrpcOptions;
  readonly #deadlines: Deadlines;
  readonly #methods = new Map<DescMethod, Method>();
  /** Those without a schema come and go. */
  readonly #rawMethods = new WeakMap<DescMethod, Method>();

  constructor(connection: () => Connection, options: GrpcTransportOptions) {
    this.#connection = connection;
    this.#target = { authority: options.authority, scheme: options.scheme };
    this.#options = resolveGrpcOptions(options);
    this.#deadlines = deadlinesOf(options.clock);
  }

  unary<I extends DescMessage, O extends DescMessage>(
    desc: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: MessageInitShape<I>,
    contextValues?: ContextValues,
  ): Promise<UnaryResponse<I, O>> {
    const method = this.#method(desc);
    const limit = this.#timeout(timeoutMs);
    if (this.#options.interceptors.length === 0) {
      return this.#unary(desc, method, signal, limit, header, input, undefined) as Promise<UnaryResponse<I, O>>;
    }
    const release = this.#reserve();
    try {
      const deadline = this.#interceptedDeadline(limit, signal);
      return runUnaryCall<I, O>({
        interceptors: this.#interceptors(deadline),
        signal: deadline?.signal ?? signal!,
        req: {
          stream: false,
          method: desc,
          message: input,
          ...this.#request(desc, method, limit, header, contextValues),
        },
        next: async (req) => {
          release();
          const left = deadline?.leftMs();
          const response = await this.#unary(desc, method, req.signal, left, req.header, req.message, undefined);
          return response as UnaryResponse<I, O>;
        },
      }).finally(release);
    } catch (error) {
      release();
      return Promise.reject(ConnectError.from(error, Code.Internal));
    }
  }

  unaryReporting<I extends DescMessage, O extends DescMessage>(
    desc: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: MessageInitShape<I>,
    contextValues: ContextValues | undefined,
    listener: UnaryEndListener<UnaryResponse<I, O>>,
  ): Promise<UnaryResponse<I, O>> {
    if (this.#options.interceptors.length > 0) {
      return this.unary(desc, signal, timeoutMs, header, input, contextValues).then((answer) => {
        listener.answered(answer);
        return answer;
      }, (error) => listener.failed(error));
    }
    const limit = this.#timeout(timeoutMs);
    const told = listener as unknown as UnaryEndListener<UnaryResponse>;
    return this.#unary(desc, this.#method(desc), signal, limit, header, input, told) as Promise<
      UnaryResponse<I, O>
    >;
  }

  stream<I extends DescMessage, O extends DescMessage>(
    desc: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: AsyncIterable<MessageInitShape<I>>,
    contextValues?: ContextValues,
  ): Promise<StreamResponse<I, O>> {
    const method = this.#method(desc);
    const limit = this.#timeout(timeoutMs);
    if (this.#options.interceptors.length === 0) {
      return this.#stream(desc, method, signal, limit, header, input) as Promise<StreamResponse<I, O>>;
    }
    const release = this.#reserve();
    try {
      const deadline = this.#interceptedDeadline(limit, signal);
      return runStreamingCall<I, O>({
        interceptors: this.#interceptors(deadline),
        signal: deadline?.signal ?? signal!,
        req: {
          stream: true,
          method: desc,
          message: input,
          ...this.#request(desc, method, limit, header, contextValues),
        },
        next: async (req) => {
          release();
          const left = deadline?.leftMs();
          const response = await this.#stream(desc, method, req.signal, left, req.header, req.message);
          if (deadline !== undefined) (response.message as GrpcStreamCall).whenComplete(() => deadline.end());
          return response as StreamResponse<I, O>;
        },
      }).finally(release);
    } catch (error) {
      release();
      return Promise.reject(ConnectError.from(error, Code.Internal));
    }
  }

  /** Keeps a place for a call while interceptors take their time; what it returns gives the place back. */
  #reserve(): () => void {
    try {
      return this.#connection().requests.reserve();
    } catch {
      return () => {}; // Interceptors run all the same; what they end with fails then.
    }
  }

  #unary(
    desc: DescMethodUnary,
    method: Method,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: MessageInitShape<DescMessage>,
    listener: UnaryEndListener<UnaryResponse> | undefined,
  ): Promise<UnaryResponse> {
    return new Promise((resolve, reject) => {
      try {
        const message = method.codec.serialize(input);
        let extra: readonly string[] | undefined, whole = false;
        if (header !== undefined || timeoutMs !== undefined) [extra, whole] = this.#fields(timeoutMs, header);
        const call = new GrpcUnaryCall(desc, method, this.#options, resolve, reject, listener);
        call.start(this.#connection(), signal, timeoutMs, this.#deadlines, extra, whole, message);
      } catch (thrown) {
        const error = ConnectError.from(thrown, Code.Internal);
        if (listener === undefined) reject(error);
        else resolve(listener.failed(error));
      }
    });
  }

  #stream(
    desc: DescMethodStreaming,
    method: Method,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: AsyncIterable<MessageInitShape<DescMessage>>,
  ): Promise<StreamResponse> {
    return new Promise((resolve, reject) => {
      try {
        const [extra, whole] = this.#fields(timeoutMs, header);
        const call = new GrpcStreamCall(desc, method, this.#options, resolve, reject);
        call.start(this.#connection(), signal, timeoutMs, this.#deadlines, extra, whole, input);
      } catch (error) {
        reject(ConnectError.from(error, Code.Internal));
      }
    });
  }

  /** The fields beyond the method's usual ones; or, when the caller names its own program, all of them. */
  #fields(
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
  ): [extra: readonly string[] | undefined, whole: boolean] {
    const timeout = timeoutMs === undefined ? undefined : timeoutField(timeoutMs);
    if (header === undefined) return [timeout === undefined ? undefined : ["grpc-timeout", timeout], false];
    const fields = metadataFields(header);
    if (timeout !== undefined) fields.push("grpc-timeout", timeout);
    return hasUserAgent(fields) ? [sectionFields(this.#options, fields), true] : [fields, false];
  }

  #method(desc: DescMethod): Method {
    let method = this.#methods.get(desc) ?? this.#rawMethods.get(desc);
    if (method === undefined) {
      method = createMethod(desc, this.#target, this.#options);
      (isRawMethod(desc) ? this.#rawMethods : this.#methods).set(desc, method);
    }
    return method;
  }

  /** As Connect has it: 0 and less mean no timeout. */
  #timeout(timeoutMs: number | undefined): number | undefined {
    if (timeoutMs === undefined) return this.#options.defaultTimeoutMs;
    return timeoutMs > 0 ? timeoutMs : undefined;
  }

  #interceptedDeadline(
    timeoutMs: number | undefined,
    signal: AbortSignal | undefined,
  ): InterceptedDeadline | undefined {
    return timeoutMs === undefined ? undefined : new InterceptedDeadline(this.#deadlines, timeoutMs, signal);
  }

  #interceptors(deadline: InterceptedDeadline | undefined): Interceptor[] {
    const { interceptors } = this.#options;
    return deadline === undefined ? interceptors : [deadline.interceptor, ...interceptors];
  }

  /** What interceptors see. */
  #request(
    desc: DescMethod,
    method: Method,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    contextValues: ContextValues | undefined,
  ): Pick<
    import("@connectrpc/connect").UnaryRequest,
    "service" | "requestMethod" | "url" | "header" | "contextValues"
  > {
    return {
      service: desc.parent,
      requestMethod: "POST",
      url: method.url,
      header: requestHeaders(this.#options, timeoutMs, header),
      contextValues: contextValues ?? createContextValues(),
    };
  }
}
