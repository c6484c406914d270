import type {
  DescMessage,
  DescMethod,
  DescMethodStreaming,
  DescMethodUnary,
  MessageInitShape,
} from "@bufbuild/protobuf";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import type {
  ContextValues,
  Interceptor,
  StreamResponse,
  Transport,
  UnaryRequest,
  UnaryResponse,
} from "@connectrpc/connect";
import { runStreamingCall, runUnaryCall } from "@connectrpc/connect/protocol";
import type { EndReportingTransport, UnaryEndListener } from "../../connection/end-reporting.ts";
import type { Http2Connection } from "../../http2/client/connection.ts";
import type { Clock } from "../../time/clock.ts";
import { isRawMethod } from "../../raw-method.ts";
import { deadlinesOf } from "../../time/deadline.ts";
import type { Deadlines } from "../../time/deadline.ts";
import { InterceptedDeadline } from "./intercepted-deadline.ts";
import { createMethod } from "./method.ts";
import type { Method, Target } from "./method.ts";
import { resolveGrpcOptions } from "./options.ts";
import type { FormatOption, GrpcOptions, ResolvedGrpcOptions } from "./options.ts";
import { requestHeaders, requestSection } from "./request-header.ts";
import { GrpcStreamCall } from "./stream.ts";
import { GrpcUnaryCall } from "./unary.ts";

/** Options of {@link createGrpcTransport}. */
export interface GrpcTransportOptions extends GrpcOptions, FormatOption, Target {
  /** Defaults to the runtime's. */
  clock?: Clock | undefined;
}

/**
 * gRPC over one of this library's HTTP/2 connections as a Connect Transport (gRPC's PROTOCOL-HTTP2).
 *
 * A call that is itself at fault (a message that can't be encoded or is too large, a header field that HTTP/2 forbids)
 * fails without a mark, since no other connection would change that.
 *
 * @param connection returns the connection for a call. What it throws becomes the call's error, with its mark.
 */
export function createGrpcTransport(connection: () => Http2Connection, options: GrpcTransportOptions): Transport {
  return new GrpcTransport(connection, options);
}

/** A caller's request, with the timeout that applies. */
interface Request<Input> {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  readonly header: HeadersInit | undefined;
  readonly input: Input;
}

/** Outermost where there is no deadline: Connect's runner does no cleanup if an interceptor throws. */
const rejecting: Interceptor = (next) => async (request) => await next(request);

class GrpcTransport implements EndReportingTransport {
  readonly #connection: () => Http2Connection;
  readonly #target: Target;
  readonly #options: ResolvedGrpcOptions;
  readonly #deadlines: Deadlines;
  readonly #methods = new Map<DescMethod, Method>();
  /** Methods without a schema are created and dropped by callers. */
  readonly #rawMethods = new WeakMap<DescMethod, Method>();

  constructor(connection: () => Http2Connection, options: GrpcTransportOptions) {
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
    const request = { signal, timeoutMs: this.#timeout(timeoutMs), header, input };
    if (this.#options.interceptors.length === 0) {
      return this.#unary(method, request, undefined) as Promise<UnaryResponse<I, O>>;
    }
    return this.#intercept(request, (deadline, release) =>
      runUnaryCall<I, O>({
        ...this.#around(deadline, signal),
        req: { stream: false, method: desc, message: input, ...this.#interceptable(method, request, contextValues) },
        next: async (req) => {
          release();
          return await this.#unary(method, changed(req, deadline), undefined) as UnaryResponse<I, O>;
        },
      }));
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
    const request = { signal, timeoutMs: this.#timeout(timeoutMs), header, input };
    const ends = listener as unknown as UnaryEndListener<UnaryResponse>;
    return this.#unary(this.#method(desc), request, ends) as Promise<UnaryResponse<I, O>>;
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
    const request = { signal, timeoutMs: this.#timeout(timeoutMs), header, input };
    if (this.#options.interceptors.length === 0) {
      return this.#stream(method, request) as Promise<StreamResponse<I, O>>;
    }
    return this.#intercept(request, (deadline, release) =>
      runStreamingCall<I, O>({
        ...this.#around(deadline, signal),
        req: { stream: true, method: desc, message: input, ...this.#interceptable(method, request, contextValues) },
        next: async (req) => {
          release();
          const response = await this.#stream(method, changed(req, deadline));
          if (deadline !== undefined) (response.message as GrpcStreamCall).whenComplete(() => deadline.end());
          return response as StreamResponse<I, O>;
        },
      }));
  }

  /** Runs a call in its interceptors: meanwhile its deadline is enforced here, and a place is reserved for it. */
  #intercept<T>(
    { timeoutMs, signal }: Request<unknown>,
    run: (deadline: InterceptedDeadline | undefined, release: () => void) => Promise<T>,
  ): Promise<T> {
    const release = this.#reserve();
    const deadline = timeoutMs === undefined ? undefined : new InterceptedDeadline(this.#deadlines, timeoutMs, signal);
    try {
      return run(deadline, release).finally(release);
    } catch (error) {
      release();
      deadline?.end();
      return Promise.reject(ConnectError.from(error, Code.Internal));
    }
  }

  /** Reserves a place for a call while its interceptors run. The function that it returns releases the place. */
  #reserve(): () => void {
    try {
      return this.#connection().requests.reserve();
    } catch {
      return () => {}; // Interceptors run anyway; the call inside them fails then.
    }
  }

  #unary(
    method: Method<DescMethodUnary>,
    request: Request<MessageInitShape<DescMessage>>,
    listener: UnaryEndListener<UnaryResponse> | undefined,
  ): Promise<UnaryResponse> {
    // Outside of the closure, so that compilers need not allocate the request.
    const { signal, timeoutMs, header, input } = request;
    return new Promise((resolve, reject) => {
      try {
        const message = method.codec.serialize(input);
        const section = requestSection(method, timeoutMs, header);
        const call = new GrpcUnaryCall(method, resolve, reject, listener);
        call.start(this.#connection(), section, message, signal, timeoutMs);
      } catch (thrown) {
        const error = ConnectError.from(thrown, Code.Internal);
        if (listener === undefined) reject(error);
        else resolve(listener.failed(error));
      }
    });
  }

  #stream(
    method: Method<DescMethodStreaming>,
    request: Request<AsyncIterable<MessageInitShape<DescMessage>>>,
  ): Promise<StreamResponse> {
    // Outside of the closure, so that compilers need not allocate the request.
    const { signal, timeoutMs, header, input } = request;
    return new Promise((resolve, reject) => {
      try {
        const section = requestSection(method, timeoutMs, header);
        const call = new GrpcStreamCall(method, resolve, reject);
        call.start(this.#connection(), section, input, signal, timeoutMs);
      } catch (error) {
        reject(ConnectError.from(error, Code.Internal));
      }
    });
  }

  #method<D extends DescMethod>(desc: D): Method<D> {
    let method = this.#methods.get(desc) ?? this.#rawMethods.get(desc);
    if (method === undefined) {
      method = createMethod(desc, this.#target, this.#options, this.#deadlines);
      (isRawMethod(desc) ? this.#rawMethods : this.#methods).set(desc, method);
    }
    return method as Method<D>;
  }

  /** As in Connect, 0 and less mean no timeout. */
  #timeout(timeoutMs: number | undefined): number | undefined {
    if (timeoutMs === undefined) return this.#options.defaultTimeoutMs;
    return timeoutMs > 0 ? timeoutMs : undefined;
  }

  /** What runs around a request. */
  #around(deadline: InterceptedDeadline | undefined, signal: AbortSignal | undefined) {
    const { interceptors } = this.#options;
    return { interceptors: [deadline?.interceptor ?? rejecting, ...interceptors], signal: deadline?.signal ?? signal! };
  }

  /** The parts of a request that interceptors see. */
  #interceptable(
    { desc, url }: Method,
    { timeoutMs, header }: Request<unknown>,
    contextValues: ContextValues | undefined,
  ): Pick<UnaryRequest, "service" | "requestMethod" | "url" | "header" | "contextValues"> {
    return {
      service: desc.parent,
      requestMethod: "POST",
      url,
      header: requestHeaders(this.#options, timeoutMs, header),
      contextValues: contextValues ?? createContextValues(),
    };
  }
}

/** A request as interceptors changed it, with the time that they left. */
function changed<Input>(
  { signal, header, message: input }: Pick<UnaryRequest, "signal" | "header"> & { readonly message: Input },
  deadline: InterceptedDeadline | undefined,
): Request<Input> {
  return { signal, timeoutMs: deadline?.leftMs(), header, input };
}
