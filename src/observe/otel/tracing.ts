import { textOf } from "../../error-text.ts";
import { shownText } from "../../shown-text.ts";
import {
  type Attributes,
  type Context,
  type ContextManager,
  type Span,
  SpanStatusCode,
  type TextMapPropagator,
  type Tracer,
} from "./api.ts";
import { type Conventions, isGrpc, isOtel } from "./conventions.ts";
import { OTHER } from "./method-names.ts";
import { headerSetter } from "./span-context.ts";
import { STATUS_NAMES } from "./status.ts";

/** How spans are made. */
export interface TracingOptions {
  readonly tracer: Tracer;
  readonly propagator: TextMapPropagator | undefined;
  readonly context: ContextManager | undefined;
  readonly conventions: Conventions;
}

/** Makes spans by the chosen conventions; what they show is names, addresses and statuses, never metadata or messages. */
export class Tracing {
  readonly tracer: Tracer;
  readonly #propagator: TextMapPropagator | undefined;
  readonly #context: ContextManager | undefined;
  readonly #conventions: Conventions;

  constructor({ tracer, propagator, context, conventions }: TracingOptions) {
    this.tracer = tracer;
    this.#propagator = propagator;
    this.#context = context;
    this.#conventions = conventions;
  }

  /** Whether spans are gRPC's: attempts have their own, and messages are events. */
  get grpcNames(): boolean {
    return isGrpc(this.#conventions);
  }

  get propagator(): TextMapPropagator | undefined {
    return this.#propagator;
  }

  get contextManager(): ContextManager | undefined {
    return this.#context;
  }

  /** gRPC's name of a span, `Sent.pkg.Service.Method`, or OpenTelemetry's, `pkg.Service/Method`. */
  name(prefix: "Sent" | "Attempt" | "Recv", method: string, system: string): string {
    if (isGrpc(this.#conventions)) return `${prefix}.${method.replaceAll("/", ".")}`;
    return method === OTHER ? system : method;
  }

  /** OpenTelemetry's attributes at the start of a call's span. */
  startAttributes(system: string, method: string, server: Attributes): Attributes {
    if (!isOtel(this.#conventions)) return {};
    return { "rpc.system.name": system, "rpc.method": method === OTHER ? "_OTHER" : method, ...server };
  }

  /** Sets how a call or an attempt ended. `failed`: whether OpenTelemetry counts it as an error. */
  setStatus(span: Span, status: string, error: unknown, failed: boolean): void {
    if (isOtel(this.#conventions)) {
      span.setAttributes({ "rpc.status_code": status, ...failed && { "error.type": status } });
    }
    const text = error === undefined ? "" : shownText(textOf(error));
    if (isGrpc(this.#conventions)) {
      if (status === STATUS_NAMES[0]) span.setStatus({ code: SpanStatusCode.OK });
      else span.setStatus({ code: SpanStatusCode.ERROR, message: text === "" ? status : `${status}, ${text}` });
    } else if (failed) {
      span.setStatus({ code: SpanStatusCode.ERROR, ...text !== "" && { message: text } });
    }
  }

  /** Adds gRPC's event of a message to the span of an attempt, or of a server's call. `number`: from 0. */
  addMessage(
    span: Span,
    direction: "Outbound" | "Inbound",
    number: number,
    { bytes, uncompressedBytes }: { readonly bytes: number; readonly uncompressedBytes: number },
  ): void {
    span.addEvent(`${direction} message`, {
      "sequence-number": number,
      "message-size": uncompressedBytes,
      ...bytes !== uncompressedBytes && { "message-size-compressed": bytes },
    });
  }

  /** Sends a context with a request. */
  inject(context: Context, headers: Headers): void {
    this.#propagator?.inject(context, headers, headerSetter);
  }
}
