import type {
  DescMessage,
  DescMethod,
  DescMethodStreaming,
  DescMethodUnary,
  MessageInitShape,
} from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ContextValues, StreamResponse, UnaryResponse } from "@connectrpc/connect";
import type {
  EndReportingTransport,
  MessageListener,
  MessageReportingTransport,
  UnaryEndListener,
} from "../../connection/end-reporting.ts";
import type { Http2Connection } from "../../http2/client/connection.ts";
import type { Clock } from "../../time/clock.ts";
import { isRawMethod } from "../../raw-method.ts";
import { deadlinesOf } from "../../time/deadline.ts";
import type { Deadlines } from "../../time/deadline.ts";
import { createMethod } from "./method.ts";
import type { Method, Target } from "./method.ts";
import { resolveGrpcOptions } from "./options.ts";
import type { FormatOption, GrpcOptions, ResolvedGrpcOptions } from "./options.ts";
import { PrefixedMessage } from "../prefixed-message.ts";
import { requestSection } from "./request-header.ts";
import { GrpcStreamCall } from "./stream.ts";
import { GrpcUnaryCall } from "./unary.ts";

/** Options of {@link GrpcTransport}. */
export interface GrpcTransportOptions extends GrpcOptions, FormatOption, Target {
  /** Defaults to the runtime's. */
  clock?: Clock | undefined;
}

/** A caller's request, with the timeout that applies. */
interface Request<Input> {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  readonly header: HeadersInit | undefined;
  readonly input: Input;
}

/** Calls over a connection, without interceptors; see `transport.ts`. */
export class GrpcTransport implements EndReportingTransport, MessageReportingTransport {
  /**
   * The connection for a call, for relays that bring streams of their own. What it throws is the call's error, with its
   * mark.
   */
  readonly connection: () => Http2Connection;
  /** What all requests have in common. */
  readonly target: Target;
  readonly #options: ResolvedGrpcOptions;
  readonly #deadlines: Deadlines;
  readonly #methods = new Map<DescMethod, Method>();
  /** Methods without a schema are created and dropped by callers. */
  readonly #rawMethods = new WeakMap<DescMethod, Method>();

  constructor(connection: () => Http2Connection, options: GrpcTransportOptions) {
    this.connection = connection;
    const { authority, scheme, background } = options;
    this.target = { authority, scheme, background };
    this.#options = resolveGrpcOptions(options);
    this.#deadlines = deadlinesOf(options.clock, background ? "background" : "held");
  }

  unary<I extends DescMessage, O extends DescMessage>(
    desc: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: MessageInitShape<I>,
    _contextValues?: ContextValues,
  ): Promise<UnaryResponse<I, O>> {
    const method = this.#method(desc);
    const request = { signal, timeoutMs: this.#timeout(timeoutMs), header, input };
    return this.#unary(method, request, undefined) as Promise<UnaryResponse<I, O>>;
  }

  unaryReporting<I extends DescMessage, O extends DescMessage>(
    desc: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: MessageInitShape<I>,
    _contextValues: ContextValues | undefined,
    listener: UnaryEndListener<UnaryResponse<I, O>>,
  ): Promise<UnaryResponse<I, O>> {
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
    _contextValues?: ContextValues,
  ): Promise<StreamResponse<I, O>> {
    const method = this.#method(desc);
    const request = { signal, timeoutMs: this.#timeout(timeoutMs), header, input };
    return this.#stream(method, request, undefined) as Promise<StreamResponse<I, O>>;
  }

  streamReporting<I extends DescMessage, O extends DescMessage>(
    desc: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: AsyncIterable<MessageInitShape<I>>,
    _contextValues: ContextValues | undefined,
    listener: MessageListener,
  ): Promise<StreamResponse<I, O>> {
    const request = { signal, timeoutMs: this.#timeout(timeoutMs), header, input };
    return this.#stream(this.#method(desc), request, listener) as Promise<StreamResponse<I, O>>;
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
        const message = PrefixedMessage.of(method.codec, input);
        const section = requestSection(method, timeoutMs, header);
        const call = new GrpcUnaryCall(method, resolve, reject, listener);
        call.start(this.connection(), section, message, signal, timeoutMs);
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
    listener: MessageListener | undefined,
  ): Promise<StreamResponse> {
    // Outside of the closure, so that compilers need not allocate the request.
    const { signal, timeoutMs, header, input } = request;
    return new Promise((resolve, reject) => {
      try {
        const section = requestSection(method, timeoutMs, header);
        const call = new GrpcStreamCall(method, resolve, reject, listener);
        call.start(this.connection(), section, input, signal, timeoutMs);
      } catch (error) {
        reject(ConnectError.from(error, Code.Internal));
      }
    });
  }

  #method<D extends DescMethod>(desc: D): Method<D> {
    let method = this.#methods.get(desc) ?? this.#rawMethods.get(desc);
    if (method === undefined) {
      method = createMethod(desc, this.target, this.#options, this.#deadlines);
      (isRawMethod(desc) ? this.#rawMethods : this.#methods).set(desc, method);
    }
    return method as Method<D>;
  }

  /** As in Connect, 0 and less mean no timeout. */
  #timeout(timeoutMs: number | undefined): number | undefined {
    if (timeoutMs === undefined) return this.#options.defaultTimeoutMs;
    return timeoutMs > 0 ? timeoutMs : undefined;
  }
}
