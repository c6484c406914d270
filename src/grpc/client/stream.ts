import type { DescMessage, DescMethodStreaming, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { StreamResponse } from "@connectrpc/connect";
import type { EndReportingMessages } from "../../connection/end-reporting.ts";
import type { Http2Connection } from "../../http2/client/connection.ts";
import type { HeaderBlock } from "../../http2/wire/header-block.ts";
import { GrpcCall } from "./call.ts";
import { decompressed } from "../compression.ts";
import { EnvelopeReader, PREFIX_BYTES } from "../envelope.ts";
import { lazyHeaders } from "../lazy-headers.ts";
import type { LazyHeaders } from "../lazy-headers.ts";
import type { HeaderSection, Method } from "./method.ts";
import { afterTurn } from "../reading-turn.ts";
import { RequestMessages } from "./request-messages.ts";
import { headError, incomplete, sectionInfo, trailerError, unreadable } from "./status.ts";

type Message = MessageShape<DescMessage>;
type Result = IteratorResult<Message, undefined>;

interface Reader {
  resolve(result: Result | Promise<Result>): void;
  reject(error: unknown): void;
}

const DONE: Result = { done: true, value: undefined };

/**
 * One streaming call of any kind. It is itself the response's iterable: messages are parsed when they are read, and
 * what isn't read fills the stream's window, which holds the server back.
 */
export class GrpcStreamCall extends GrpcCall<DescMethodStreaming>
  implements AsyncIterableIterator<Message>, EndReportingMessages {
  override readonly longLived = true;
  readonly #resolve: (response: StreamResponse) => void;
  readonly #reject: (error: ConnectError) => void;
  #request: RequestMessages | undefined = undefined;
  readonly #envelopes: EnvelopeReader;
  readonly #readers: Reader[] = [];
  #trailer: LazyHeaders | undefined = undefined;
  /** Bytes received for which the stream's window was not credited yet. */
  #uncredited = 0;
  /** How the response ended, once it did; without an error, it succeeded. */
  #end: { error: unknown } | undefined = undefined;
  #endListener: ((error: unknown) => unknown) | undefined = undefined;
  #complete = false;
  #completeListener: (() => void) | undefined = undefined;

  constructor(
    method: Method<DescMethodStreaming>,
    resolve: (response: StreamResponse) => void,
    reject: (error: ConnectError) => void,
  ) {
    super(method);
    this.#envelopes = new EnvelopeReader(method.options.readMaxBytes);
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
    this.#envelopes.push(chunk, start, end);
    this.#uncredited += end - start;
    this.#serve();
  }

  onEnd(trailers: HeaderBlock | undefined): void {
    if (this.settled) return;
    this.settle();
    this.#complete = true;
    this.#completeListener?.();
    this.#trailer?.fill(trailers);
    // A status in the header section means that no trailers follow.
    const found = sectionInfo(this.head!).status !== "none";
    this.#end = { error: found ? undefined : trailerError(this.head!, trailers) };
    this.#request?.finish(undefined);
    this.#serve();
  }

  protected failed(error: ConnectError): void {
    // A server's error comes after its messages; cancellation takes effect immediately.
    if (this.#end === undefined) this.#end = { error };
    if (this.gaveUp) this.#drop();
    this.#reject(error);
    this.#request?.finish(error);
    this.#serve();
    if (this.gaveUp) this.#tellGivenUp();
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
    if (this.gaveUp) this.#tellGivenUp();
  }

  /** Nothing more will be read: the listener must not wait for a reader that is busy, or gone. */
  #tellGivenUp(): void {
    const error = this.#end?.error;
    if (error !== undefined && this.#endListener !== undefined) this.#end = { error: this.#ended(error) };
  }

  next(): Promise<Result> {
    if (this.#readers.length === 0) {
      try {
        const before = this.#envelopes.bytes;
        const result = this.#take();
        if (result !== undefined) return afterTurn(result, before - this.#envelopes.bytes);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    return new Promise<Result>((resolve, reject) => {
      this.#readers.push({ resolve, reject });
    });
  }

  /** Ends the call early. */
  return(): Promise<Result> {
    if (!this.settled) this.fail(new ConnectError("the response is no longer read", Code.Canceled));
    this.#drop();
    this.#end = { error: undefined };
    return Promise.resolve(DONE);
  }

  /** Serves waiting readers with what has arrived. */
  #serve(): void {
    for (let reader = this.#readers.shift(); reader !== undefined; reader = this.#readers.shift()) {
      try {
        const result = this.#take();
        if (result === undefined) {
          this.#readers.unshift(reader);
          return;
        }
        reader.resolve(result);
      } catch (error) {
        reader.reject(error);
      }
    }
  }

  /** The next message; undefined if it hasn't arrived. @throws the error that ended the response, if any. */
  #take(): Result | Promise<Result> | undefined {
    let envelope;
    try {
      envelope = this.#envelopes.next();
      if (envelope !== undefined) {
        this.#credit(PREFIX_BYTES + envelope.bytes.length);
        const bytes = decompressed(envelope, this.compression, this.method.options.readMaxBytes);
        if (bytes instanceof Uint8Array) return { done: false, value: this.method.codec.parse(bytes) };
        return bytes.then((whole): Result => ({ done: false, value: this.method.codec.parse(whole) }))
          .catch((error) => this.#broken(error));
      }
    } catch (error) {
      return this.#broken(error);
    }
    if (this.#end === undefined) {
      // A reader waits for a message that may be larger than the window.
      this.#credit(this.#uncredited);
      if (this.#envelopes.missing > 0) this.expects(this.#envelopes.missing);
      return undefined;
    }
    const { error } = this.#end;
    this.#end = { error: undefined };
    if (error !== undefined) throw this.#ended(error);
    if (this.#envelopes.incomplete) {
      this.#envelopes.clear();
      throw this.#ended(incomplete(this.head!, undefined));
    }
    this.#ended(undefined);
    return DONE;
  }

  /** A message that can't be read ends the call. */
  #broken(error: unknown): never {
    this.#envelopes.clear();
    this.#end = { error: undefined };
    const broken = unreadable(error);
    // Before other readers see the end, which to them is a normal one.
    const seen = this.#ended(broken);
    this.fail(broken);
    this.#drop();
    throw seen;
  }

  /** Reports the end to the listener; returns what the reader gets. */
  #ended(error: unknown): unknown {
    const listener = this.#endListener;
    this.#endListener = undefined;
    return listener?.(error) ?? error;
  }

  /** Drops what has arrived: it is no longer read. */
  #drop(): void {
    this.#envelopes.clear();
    this.#credit(this.#uncredited);
  }

  #credit(bytes: number): void {
    const credited = Math.min(bytes, this.#uncredited);
    if (credited === 0) return;
    this.#uncredited -= credited;
    this.consumed(credited);
  }
}
