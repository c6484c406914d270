import type { DescMessage, DescMethodStreaming, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { StreamResponse } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { EndReportingMessages, MessageListener } from "../../connection/end-reporting.ts";
import type { Http2Connection } from "../../http2/client/connection.ts";
import type { HeaderBlock } from "../../http2/wire/header-block.ts";
import { GrpcCall } from "./call.ts";
import { type IncomingCall, IncomingMessages, type MessageResult } from "../incoming-messages.ts";
import { lazyHeaders } from "../lazy-headers.ts";
import type { LazyHeaders } from "../lazy-headers.ts";
import type { HeaderSection, Method } from "./method.ts";
import { RequestMessages } from "./request-messages.ts";
import { headError, incomplete, sectionInfo, trailerError, unreadable } from "./status.ts";

type Message = MessageShape<DescMessage>;

/**
 * One streaming call of any kind. It is itself the response's iterable: messages are parsed when they are read, and
 * what isn't read fills the stream's window, which holds the server back.
 */
export class GrpcStreamCall extends GrpcCall<DescMethodStreaming>
  implements AsyncIterableIterator<Message, undefined>, EndReportingMessages, IncomingCall {
  override readonly longLived = true;
  readonly #resolve: (response: StreamResponse) => void;
  readonly #reject: (error: ConnectError) => void;
  readonly #listener: MessageListener | undefined;
  #request: RequestMessages | undefined = undefined;
  readonly #responses: IncomingMessages;
  #trailer: LazyHeaders | undefined = undefined;
  #endListener: ((error: unknown) => unknown) | undefined = undefined;
  #complete = false;
  #completeListener: (() => void) | undefined = undefined;

  constructor(
    method: Method<DescMethodStreaming>,
    resolve: (response: StreamResponse) => void,
    reject: (error: ConnectError) => void,
    listener: MessageListener | undefined,
  ) {
    super(method);
    this.#listener = listener;
    this.#responses = new IncomingMessages(this, method.options.readMaxBytes);
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Sends the request. */
  start(
    connection: Http2Connection,
    section: HeaderSection,
    input: AsyncIterable<MessageInitShape<DescMessage>>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
  ): void {
    try {
      this.#request = new RequestMessages(input);
    } catch (error) {
      return this.fail(ConnectError.from(error, Code.Internal));
    }
    if (!this.watchCancellation(signal, timeoutMs)) return;
    this.open(connection, section.template, section.extra);
    this.#request.sendTo(this, this.method.codec, this.method.options)
      .catch((error) => this.fail(ConnectError.from(error, Code.Internal)));
  }

  override onWritable(): void {
    this.#request?.room();
  }

  protected override began(head: HeaderBlock): void {
    const error = headError(head);
    if (error !== undefined) return this.fail(error);
    this.#trailer = lazyHeaders();
    this.#resolve({
      stream: true,
      service: this.method.desc.parent,
      method: this.method.desc,
      header: lazyHeaders(head),
      trailer: this.#trailer,
      message: this,
    });
  }

  onData(chunk: Uint8Array, start: number, end: number): void {
    this.#responses.push(chunk, start, end);
  }

  onEnd(trailers: HeaderBlock | undefined): void {
    if (this.settled) return;
    this.settle();
    this.#complete = true;
    this.#completeListener?.();
    this.#trailer?.fill(trailers);
    // A status in the header section means that no trailers follow.
    const found = sectionInfo(this.head!).status !== "none";
    const error = found ? undefined : trailerError(this.head!, trailers);
    this.#request?.finish(undefined);
    this.#responses.end(error);
  }

  protected failed(error: ConnectError): void {
    this.#reject(error);
    this.#request?.finish(error);
    // A server's error comes after its messages; cancellation takes effect immediately.
    if (!this.gaveUp) return this.#responses.end(error);
    this.#responses.abort(error);
    // Nothing more will be read: the listener must not wait for a reader that is busy, or gone.
    if (this.#endListener !== undefined) this.#responses.reportEnd();
  }

  /** Calls `listener` when the response is complete, read or not. */
  whenComplete(listener: () => void): void {
    if (this.#complete) listener();
    else this.#completeListener = listener;
  }

  // The response's messages

  [Symbol.asyncIterator](): this {
    return this;
  }

  reportEndTo(listener: (error: unknown) => unknown): void {
    this.#endListener = listener;
    if (this.gaveUp) this.#responses.reportEnd();
  }

  next(): Promise<MessageResult> {
    return this.#responses.next();
  }

  /** Ends the call early. */
  return(): Promise<MessageResult> {
    if (!this.settled) this.fail(new ConnectError("the response is no longer read", Code.Canceled));
    return this.#responses.return();
  }

  // What their reading needs

  get incomingCompression(): Compression | undefined {
    return this.compression;
  }

  messageSent(bytes: number, uncompressedBytes: number): void {
    this.#listener?.messageSent(bytes, uncompressedBytes);
  }

  messageReceived(bytes: number, uncompressedBytes: number): void {
    this.#listener?.messageReceived(bytes, uncompressedBytes);
  }

  parse(bytes: Uint8Array): Message {
    return this.method.codec.parse(bytes);
  }

  /** Reports the end to the listener, which decides what the reader gets. */
  endSeen(error: unknown): unknown {
    const listener = this.#endListener;
    this.#endListener = undefined;
    return listener?.(error) ?? error;
  }

  broken(error: unknown): unknown {
    const failure = error === undefined ? incomplete(this.head!, undefined) : unreadable(error);
    const seen = this.endSeen(failure);
    this.fail(failure);
    return seen;
  }
}
