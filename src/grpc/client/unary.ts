import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { UnaryResponse } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { UnaryEndListener } from "../../connection/end-reporting.ts";
import type { Http2Connection } from "../../http2/client/connection.ts";
import { readUint32 } from "../../http2/wire/bytes.ts";
import type { HeaderBlock } from "../../http2/wire/header-block.ts";
import { GrpcCall } from "./call.ts";
import { decompressed } from "../compression.ts";
import { checkLength, COMPRESSED, EnvelopeReader, messagePrefix, PREFIX_BYTES } from "../envelope.ts";
import type { Envelope } from "../envelope.ts";
import { lazyHeaders } from "../lazy-headers.ts";
import type { HeaderSection, Method } from "./method.ts";
import type { PrefixedMessage } from "../prefixed-message.ts";
import { brokenReply, headError, incomplete, sectionInfo, trailerError } from "./status.ts";

/** One unary call: on its usual path one object, one promise and the response. */
export class GrpcUnaryCall extends GrpcCall<DescMethodUnary> {
  readonly #resolve: (response: UnaryResponse | Promise<UnaryResponse>) => void;
  readonly #reject: (error: ConnectError) => void;
  readonly #listener: UnaryEndListener<UnaryResponse> | undefined;
  /** The message, if it arrived in one piece, as it usually does. */
  #whole: Uint8Array | undefined = undefined;
  #wholeFlags = 0;
  #reader: EnvelopeReader | undefined = undefined;
  #envelope: Envelope | undefined = undefined;

  constructor(
    method: Method<DescMethodUnary>,
    resolve: (response: UnaryResponse | Promise<UnaryResponse>) => void,
    reject: (error: ConnectError) => void,
    listener: UnaryEndListener<UnaryResponse> | undefined,
  ) {
    super(method);
    this.#resolve = resolve;
    this.#reject = reject;
    this.#listener = listener;
  }

  /** Sends the request. */
  start(
    connection: Http2Connection,
    section: HeaderSection,
    message: PrefixedMessage,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
  ): void {
    if (!this.watchCancellation(signal, timeoutMs)) return message.drop();
    const { compressMinBytes, sendCompression } = this.method.options;
    if (sendCompression === undefined || message.length < compressMinBytes) {
      this.open(connection, section.template, section.extra);
      this.#listener?.messageSent?.(message.length, message.length);
      message.writeTo(this, true);
      return;
    }
    void this.compressAndSend(connection, section, message.takeBytes(), sendCompression);
  }

  private async compressAndSend(
    connection: Http2Connection,
    section: HeaderSection,
    message: Uint8Array,
    compression: Compression,
  ): Promise<void> {
    const release = connection.requests.reserve();
    try {
      const bytes = await compression.compress(message as Uint8Array<ArrayBuffer>);
      release();
      if (this.settled) return;
      this.open(connection, section.template, section.extra);
      this.#listener?.messageSent?.(bytes.length, message.length);
      this.write(messagePrefix(COMPRESSED, bytes.length), bytes, true);
    } catch (error) {
      release();
      this.fail(ConnectError.from(error, Code.Internal));
    }
  }

  onData(chunk: Uint8Array, start: number, end: number): void {
    this.consumed(end - start);
    try {
      const length = end - start - PREFIX_BYTES;
      if (this.#reader === undefined && this.#whole === undefined && length >= 0) {
        if (readUint32(chunk, start + 1) === length) {
          checkLength(length, this.method.options.readMaxBytes);
          this.#wholeFlags = chunk[start]!;
          this.#whole = chunk.subarray(start + PREFIX_BYTES, end);
          return;
        }
      }
      this.pieces(chunk, start, end);
    } catch (error) {
      this.failAnswered(error);
    }
  }

  private pieces(chunk: Uint8Array, start: number, end: number): void {
    if (this.#reader === undefined) {
      this.#reader = new EnvelopeReader(this.method.options.readMaxBytes);
      if (this.#whole !== undefined) this.#envelope = { flags: this.#wholeFlags, bytes: this.#whole };
      this.#listener?.partArrived?.();
    }
    this.#reader.push(chunk, start, end);
    this.#envelope ??= this.#reader.next();
    // A following message isn't awaited: it would be held in memory beside the first.
    if (this.#envelope !== undefined && this.#reader.incomplete) {
      throw new ConnectError("protocol error: received extra output message for unary method", Code.Unimplemented);
    }
    if (this.#reader.missing > 0) this.expects(this.#reader.missing);
  }

  onEnd(trailers: HeaderBlock | undefined): void {
    if (this.settled) return;
    try {
      if (this.#reader?.incomplete) return this.fail(incomplete(this.head!, trailers));
      let envelope = this.#envelope;
      if (this.#whole !== undefined && envelope === undefined) {
        // The usual path: one uncompressed message, and a status of OK.
        if (this.#wholeFlags === 0) {
          this.#listener?.messageReceived?.(this.#whole.length, this.#whole.length);
          return this.finish(trailers, this.method.codec.parse(this.#whole));
        }
        envelope = { flags: this.#wholeFlags, bytes: this.#whole };
      }
      if (envelope === undefined) return this.finish(trailers, undefined);
      const { length } = envelope.bytes;
      const bytes = decompressed(envelope, this.compression, this.method.options.readMaxBytes);
      if (bytes instanceof Uint8Array) return this.received(trailers, bytes, length);
      bytes.then((whole) => this.received(trailers, whole, length)).catch((error) => this.failAnswered(error));
    } catch (error) {
      this.failAnswered(error);
    }
  }

  /** `length`: how many bytes were sent for the message. */
  private received(trailers: HeaderBlock | undefined, message: Uint8Array, length: number): void {
    if (this.settled) return;
    this.#listener?.messageReceived?.(length, message.length);
    this.finish(trailers, this.method.codec.parse(message));
  }

  private finish(trailers: HeaderBlock | undefined, message: MessageShape<DescMessage> | undefined): void {
    if (this.settled) return;
    const head = this.head!;
    const error = trailerError(head, trailers) ?? this.mismatch(head, trailers, message);
    if (error !== undefined) return this.fail(error);
    this.settle();
    const answer: UnaryResponse = {
      stream: false,
      service: this.method.desc.parent,
      method: this.method.desc,
      header: lazyHeaders(head),
      message: message!,
      trailer: lazyHeaders(trailers),
    };
    this.#listener?.answered(answer);
    this.#resolve(answer);
  }

  /** A status in the header section means that there is no message; without one, there must be a message. */
  private mismatch(head: HeaderBlock, trailers: HeaderBlock | undefined, message: unknown): ConnectError | undefined {
    if (message !== undefined && sectionInfo(head).status === "none") return undefined;
    const error = headError(head);
    if (message === undefined) {
      return error ?? brokenReply(
        "protocol error: missing output message for unary method",
        trailers?.get("grpc-status") !== undefined ? Code.Unimplemented : Code.Unknown,
      );
    }
    if (error === undefined) return undefined;
    return brokenReply("protocol error: received output message for unary method with error status", Code.Unknown);
  }

  protected failed(error: ConnectError): void {
    if (this.#listener === undefined) this.#reject(error);
    else this.#resolve(this.#listener.failed(error));
  }
}
