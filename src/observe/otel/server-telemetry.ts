import { ConnectError, type ContextKey, createContextKey, type Interceptor } from "@connectrpc/connect";
import type {
  ServerCallEnd,
  ServerCallMessage,
  ServerCallStart,
  ServerCallWatch,
  ServerObserver,
} from "../../grpc/server/observer.ts";
import { type Context, type ContextManager, type Span, SpanKind } from "./api.ts";
import { ByMethod, methodName } from "./method-names.ts";
import { isServerError, ServerSeries } from "./server-series.ts";
import { headerGetter, ROOT, withSpan } from "./span-context.ts";
import { STATUS_NAMES, statusNumber } from "./status.ts";
import { type System, systemOf } from "./system.ts";
import { peerAttributes } from "./target.ts";
import type { Tracing } from "./tracing.ts";
import type { TelemetryHost } from "./transport-telemetry.ts";

/** The context of a call's span, for its handler. */
const spanContext: ContextKey<Context | undefined> = createContextKey<Context | undefined>(undefined, {
  description: "connect-lb: the context of the call's span",
});

/** The telemetry of servers. */
export class ServerTelemetry implements ServerObserver {
  /** Runs handlers in the context of their call's span. Undefined without spans, or where no context can be active. */
  readonly interceptor: Interceptor | undefined;
  readonly #host: TelemetryHost;
  /** By the name of the RPC system. */
  #series: Record<System, ByMethod<ServerSeries>> | undefined;

  constructor(host: TelemetryHost) {
    this.#host = host;
    const manager = host.tracing?.contextManager;
    this.interceptor = manager && interceptorWith(manager);
  }

  #measure(): Record<System, ByMethod<ServerSeries>> | undefined {
    const { measures, methodFilter } = this.#host;
    if (measures === undefined) return undefined;
    const of = (system: System) => new ByMethod(methodFilter, (name) => new ServerSeries(measures, system, name));
    return this.#series = { grpc: of("grpc"), connectrpc: of("connectrpc") };
  }

  callStarted(start: ServerCallStart): ServerCallWatch | undefined {
    const { tracing, methodFilter } = this.#host;
    const system = systemOf(start.protocol);
    const series = (this.#series ?? this.#measure())?.[system].of(start.method);
    series?.started();
    if (tracing === undefined) return series;
    return new TracedServerCall(tracing, { system, method: methodName(start.method, methodFilter), start }, series);
  }
}

/** The span of one call of a server. */
class TracedServerCall implements ServerCallWatch {
  readonly #tracing: Tracing;
  readonly #span: Span;
  readonly #measured: ServerCallWatch | undefined;
  #sent = 0;
  #received = 0;

  constructor(
    tracing: Tracing,
    { system, method, start }: { system: System; method: string; start: ServerCallStart },
    measured: ServerCallWatch | undefined,
  ) {
    this.#tracing = tracing;
    this.#measured = measured;
    // Whatever is active where the connection was accepted has nothing to do with the call.
    const parent = tracing.propagator?.extract(ROOT, start.header, headerGetter) ?? ROOT;
    const { address } = start.peer;
    this.#span = tracing.tracer.startSpan(tracing.name("Recv", method, system), {
      kind: SpanKind.SERVER,
      attributes: {
        ...tracing.startAttributes(system, method, {}),
        ...address !== undefined && peerAttributes(address),
      },
    }, parent);
    if (tracing.contextManager !== undefined) start.contextValues.set(spanContext, withSpan(parent, this.#span));
  }

  messageSent(message: ServerCallMessage): void {
    if (this.#messages) this.#tracing.addMessage(this.#span, "Outbound", this.#sent++, message);
  }

  messageReceived(message: ServerCallMessage): void {
    if (this.#messages) this.#tracing.addMessage(this.#span, "Inbound", this.#received++, message);
  }

  /** OpenTelemetry's conventions have no events of messages. */
  get #messages(): boolean {
    return this.#tracing.grpcNames && this.#span.isRecording();
  }

  ended(end: ServerCallEnd): void {
    this.#measured?.ended(end);
    const status = STATUS_NAMES[statusNumber(end.code)]!;
    // Of other errors, the client gets no text, and neither do those who read traces.
    const shown = end.error === undefined || end.error instanceof ConnectError ? end.error : "internal error";
    this.#tracing.setStatus(this.#span, status, shown, isServerError(status));
    this.#span.end();
  }
}

function interceptorWith(manager: ContextManager): Interceptor {
  return (next) => async (request) => {
    const context = request.contextValues.get(spanContext);
    if (context === undefined) return await next(request);
    const response = await manager.with(context, () => next(request));
    return response.stream ? { ...response, message: within(manager, context, response.message) } : response;
  };
}

/** The messages of a handler, which runs in a context whenever the next one is asked for. */
function within<T>(manager: ContextManager, context: Context, messages: AsyncIterable<T>): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = manager.with(context, () => messages[Symbol.asyncIterator]());
      return {
        next: () => manager.with(context, () => iterator.next()),
        ...iterator.throw !== undefined && {
          throw: (error: unknown) => manager.with(context, () => iterator.throw!(error)),
        },
        ...iterator.return !== undefined && {
          return: (value?: unknown) => manager.with(context, () => iterator.return!(value)),
        },
      };
    },
  };
}
