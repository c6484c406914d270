import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { ServerStream } from "../../http2/server/stream.ts";
import { ErrorCode } from "../../http2/wire/error.ts";
import type { Http2Error } from "../../http2/wire/error.ts";
import type { HeaderBlock } from "../../http2/wire/header-block.ts";
import type { HeaderTemplate } from "../../http2/wire/hpack-encoder.ts";
import { fieldListBytes } from "../../http2/wire/hpack-encoder.ts";
import type { CallCounter } from "../../snapshot.ts";
import type { Deadline, Deadlines, DeadlineTarget } from "../../time/deadline.ts";
import { COMPRESSED, messagePrefix } from "../envelope.ts";
import { lazyHeaders } from "../lazy-headers.ts";
import { PrefixedMessage } from "../prefixed-message.ts";
import { GrpcCallStart } from "./call-start.ts";
import { CallContext, urlOf } from "./context.ts";
import type { ErrorReport } from "./error-report.ts";
import { ObservedCall, type Observers } from "./observed-call.ts";
import type { IncomingRequest } from "./options.ts";
import { type CallRecorder, withRecorded } from "./recorder.ts";
import type { CallInfo } from "./request.ts";
import { canceledBy } from "./request-error.ts";
import type { Exchange, Route } from "./route.ts";
import { NO_FIELDS, OK, statusFields } from "./status.ts";

/** What all calls of a server share. */
export interface CallHost {
  readonly deadlines: Deadlines;
  readonly report: ErrorReport;
  readonly contextValues: ((request: IncomingRequest) => ContextValues) | undefined;
  readonly recorder: CallRecorder | undefined;
  readonly observers: Observers | undefined;
  readonly calls: CallCounter;
}

/** What unary and streaming calls share: the gate, the deadline, the response's messages and a single end. */
export abstract class ServerCall extends ServerStream implements DeadlineTarget {
  protected readonly route: Route;
  protected readonly exchange: Exchange;
  /** Set from {@link onOpen} on. */
  protected context!: CallContext;
  /** Whether the handler may get the request: its gate let it pass. */
  protected admitted = false;
  /** Whether the response is complete, or will never be. */
  protected ended = false;
  /** The call as observers see it; undefined if none watches it. */
  protected observed: ObservedCall | undefined = undefined;
  readonly #host: CallHost;
  readonly #head: HeaderBlock;
  readonly #info: CallInfo;
  #deadline: Deadline | undefined = undefined;
  /** Set while the recorder waits for its end. */
  #arrivedAtMs: number | undefined = undefined;
  #error: unknown = undefined;

  constructor(host: CallHost, head: HeaderBlock, info: CallInfo) {
    super();
    this.route = info.route;
    this.exchange = info.exchange;
    this.#host = host;
    this.#head = head;
    this.#info = info;
  }

  protected get deadlines(): Deadlines {
    return this.#host.deadlines;
  }

  /** The call passed its gate. */
  protected abstract begin(): void;
  /** The call has ended. Without an error, it succeeded. */
  protected abstract onEnded(error: unknown): void;

  override onOpen(): void {
    const head = this.#head, { timeoutMs } = this.#info;
    const { calls, deadlines, contextValues, recorder } = this.#host;
    calls.started++;
    if (recorder !== undefined) this.#arrivedAtMs = recorder.arrived(this.route.desc);
    if (timeoutMs !== undefined) this.#deadline = deadlines.add(timeoutMs, this);
    let values: ContextValues | undefined;
    try {
      values = contextValues?.(incomingRequest(head, this));
    } catch (error) {
      this.#meet(undefined);
      return this.fail(error);
    }
    this.#meet(values);
    const { requestGate } = this.route.options;
    if (requestGate === undefined) this.#admit();
    else void this.#pass(requestGate);
  }

  /** Creates what handlers and observers see of the call. */
  #meet(values: ContextValues | undefined): void {
    this.context = new CallContext(this.route, this.exchange, this.#head, this.#deadline, values);
    const { observers } = this.#host;
    if (observers === undefined) return;
    this.observed = ObservedCall.start(observers, new GrpcCallStart(this.context, this.connection!.client), true);
  }

  async #pass(gate: (context: CallContext) => void | Promise<void>): Promise<void> {
    this.beginHandling();
    try {
      await gate(this.context);
    } catch (error) {
      this.endHandling();
      return this.fail(error);
    }
    this.endHandling();
    if (!this.ended) this.#admit();
  }

  #admit(): void {
    const { problem } = this.#info;
    if (problem !== undefined) return this.fail(problem);
    this.admitted = true;
    this.begin();
  }

  /** Sends the only message of a response, and its end. */
  protected answer(message: unknown): void {
    if (this.ended) return;
    try {
      // First, as it may throw: then the response is that error alone.
      const trailers = this.#trailers();
      const sent = this.send(message);
      if (typeof sent === "boolean") return this.#succeed(trailers);
      sent.then(() => this.#succeed(trailers)).catch((error) => this.fail(error));
    } catch (error) {
      this.fail(error);
    }
  }

  /**
   * Sends a message, later if it is compressed. Returns false if enough is buffered: continue after `onWritable`.
   *
   * @throws ConnectError
   */
  send(message: unknown): boolean | Promise<boolean> {
    const { codec, head, responseCompression } = this.exchange;
    const headers = this.headSent ? undefined : this.#headers();
    const prefixed = PrefixedMessage.of(codec, message as MessageInitShape<DescMessage>);
    if (responseCompression !== undefined && prefixed.length >= this.route.options.compressMinBytes) {
      return this.#sendCompressed(prefixed.takeBytes(), responseCompression);
    }
    if (!this.headSent) this.respond(head, headers);
    this.observed?.sent(prefixed.length, prefixed.length);
    return prefixed.writeTo(this, false);
  }

  async #sendCompressed(bytes: Uint8Array, compression: Compression): Promise<boolean> {
    const compressed = await compression.compress(bytes as Uint8Array<ArrayBuffer>);
    if (this.ended) return true;
    if (!this.headSent) this.respond(this.exchange.head, this.#headers());
    this.observed?.sent(compressed.length, bytes.length);
    return this.write(messagePrefix(COMPRESSED, compressed.length), compressed);
  }

  /** Ends the response with the status OK. @throws ConnectError */
  complete(): void {
    const trailers = this.#trailers();
    if (!this.headSent) this.respond(this.exchange.head, this.#headers());
    this.#succeed(trailers);
  }

  #succeed(trailers: string[] | undefined): void {
    if (this.ended) return;
    this.#end(undefined);
    this.finish(OK, this.#recorded(OK.bytes, trailers));
  }

  /** The handler's own fields for the header section. @throws ConnectError */
  #headers(): string[] | undefined {
    return this.#sendable(this.exchange.head, this.context.headerFields);
  }

  /** The same for the trailers. @throws ConnectError */
  #trailers(): string[] | undefined {
    return this.#sendable(OK, this.context.trailerFields);
  }

  /** Ends the response with an error: a ConnectError as it is, anything else as an internal error without its text. */
  fail(thrown: unknown): void {
    if (this.ended) return;
    let error = thrown;
    if (!(error instanceof ConnectError)) {
      this.#host.report(thrown, this.context);
      error = new ConnectError("internal error", Code.Internal);
    }
    this.#end(thrown);
    this.#sendStatus(error as ConnectError);
  }

  #sendStatus(error: ConnectError): void {
    const most = this.connection!.maxResponseHeaderListBytes;
    let own: string[] | undefined, more: string[] | undefined;
    try {
      own = this.context.headerFields;
      more = this.context.trailerFields;
    } catch { /* The status matters more. */ }
    if (error === this.exchange.problem) more = [...more ?? [], "grpc-accept-encoding", this.route.acceptEncoding];
    if (!this.headSent && own !== undefined && fieldListBytes(own) + this.exchange.head.bytes <= most) {
      this.respond(this.exchange.head, own);
    }
    const template = this.headSent ? NO_FIELDS : this.exchange.statusAlone;
    this.finish(template, this.#recorded(template.bytes, statusFields(error, more, most - template.bytes)));
  }

  /** Trailers with the recorder's, unless the client would not accept so many bytes. */
  #recorded(templateBytes: number, fields: string[] | undefined): string[] | undefined {
    const { recorder } = this.#host;
    if (recorder === undefined) return fields;
    const all = withRecorded(recorder, recorder.trailer(this.context.givenValues), fields);
    return templateBytes + fieldListBytes(all) <= this.connection!.maxResponseHeaderListBytes ? all : fields;
  }

  #sendable(template: HeaderTemplate, fields: string[] | undefined): string[] | undefined {
    if (fields === undefined) return undefined;
    const bytes = template.bytes + fieldListBytes(fields), most = this.connection!.maxResponseHeaderListBytes;
    if (bytes <= most) return fields;
    throw new ConnectError(
      `the response's header fields take ${bytes} bytes, and the client accepts ${most}`,
      Code.ResourceExhausted,
    );
  }

  #end(error: unknown): void {
    this.ended = true;
    if (error === undefined) this.#host.calls.succeeded++;
    else this.#host.calls.failed++;
    this.#deadline?.cancel();
    this.context.end(error);
    this.onEnded(error);
    this.observed?.end(error);
    this.#error = error;
    if (!this.handling) this.#leave();
  }

  override endHandling(): void {
    super.endHandling();
    if (this.ended) this.#leave();
  }

  /** Neither is its response incomplete, nor does its handler run. */
  #leave(): void {
    const arrivedAtMs = this.#arrivedAtMs;
    if (arrivedAtMs === undefined) return;
    this.#arrivedAtMs = undefined;
    this.#host.recorder!.ended(this.route.desc, arrivedAtMs, this.#error);
  }

  onDeadline(): void {
    if (this.ended) return;
    // Content that the client doesn't take would keep its status waiting for as long.
    const stuck = this.outgoing !== undefined;
    const error = new ConnectError("the operation timed out", Code.DeadlineExceeded);
    if (!stuck) return this.fail(error);
    this.#end(error);
    this.reset(ErrorCode.CANCEL);
  }

  onFailed(error: Http2Error): void {
    if (this.ended) return;
    this.#end(canceledBy(error));
  }

  override onOverloaded(): void {
    this.fail(new ConnectError("the server holds too much of unfinished requests", Code.ResourceExhausted));
  }

  override onRequestTimeout(): void {
    this.fail(new ConnectError("the request did not arrive in time", Code.DeadlineExceeded));
  }
}

/** A request as the `contextValues` option sees it. */
export function incomingRequest(head: HeaderBlock, { connection }: ServerStream): IncomingRequest {
  return { peer: connection!.client, method: head.method, url: urlOf(head), header: lazyHeaders(head) };
}
