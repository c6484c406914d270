import type { Lender } from "../lender.ts";
import type { Sender } from "../sender.ts";
import { Stream } from "../stream.ts";
import * as ErrorCode from "../wire/error-code.ts";
import type { Http2Error } from "../wire/error.ts";
import type { StreamWindow } from "../wire/flow.ts";
import type { HeaderBlock } from "../wire/header-block.ts";
import type { HeaderTemplate } from "../wire/hpack-encoder.ts";
import type { Peer } from "./peer.ts";

/**
 * The states of a stream that a client opened (RFC 9113 section 5.1, as a server sees them).
 *
 *     new ──► open ──► half-closed (remote) ──► closed
 *              │                                  ▲
 *              └──────────────────────────────────┘   the whole response, a reset, an error, a lost connection
 *
 * There is no `half-closed (local)`: a response that is complete before its request closes the stream. `new` is a
 * stream that its protocol has made and its connection has not opened yet.
 */
export type ServerStreamState = "new" | "open" | "half-closed (remote)" | "closed";

/** What a stream needs from its connection. */
export interface ServerStreamConnection {
  readonly sender: Sender;
  readonly lender: Lender;
  readonly writer: { readonly blocked: boolean };
  /** Set when a stream sends content for the second time. */
  streaming: boolean;
  /** The client. */
  readonly client: Peer;
  /** The largest header section that the client accepts, in bytes as RFC 7541 section 4.1 counts them. */
  readonly maxResponseHeaderListBytes: number;
  readonly requests: {
    /** How many requests were answered, and how many ended otherwise. */
    readonly answered: number;
    readonly failed: number;
    headers(stream: ServerStream, template: HeaderTemplate, extra: readonly string[] | undefined): void;
    trailers(stream: ServerStream, template: HeaderTemplate, extra: readonly string[] | undefined): void;
    /** END_STREAM was sent. */
    ended(stream: ServerStream): void;
    reset(stream: ServerStream, code: number): void;
    /** The handler of a closed stream has ended. */
    handled(stream: ServerStream): void;
    /** The reader took bytes of a request that may be long. */
    consumed(stream: ServerStream, bytes: number): void;
  };
}

/**
 * One request and its response. A protocol on top extends it: the connection's `accept` makes one for each request and
 * keeps what it needs of the request's header section. The connection then calls the `on…` methods, which must not
 * throw: `onOpen` first, then `onData` and `onEnd` as the request arrives, or `onFailed`. They may respond at once.
 */
export abstract class ServerStream extends Stream {
  state: ServerStreamState = "new";
  connection: ServerStreamConnection | undefined = undefined;
  /**
   * Whether its request may take as long as the client likes, as in client streaming. Others must be complete within
   * the connection's request timeout, and all that arrived of them counts as buffered until then. May become true.
   */
  longLived: boolean = false;
  // What has been received so far.
  contentLeft = -1;
  /** Bytes of the request that count as buffered. */
  bufferedBytes = 0;
  // What has been sent so far.
  headSent = false;
  /** Trailers that follow the content that still waits to be sent. */
  tail: HeaderTemplate | undefined = undefined;
  tailExtra: readonly string[] | undefined = undefined;
  /** Whether a handler runs: see {@link beginHandling}. */
  handling = false;
  // When a sweep first saw it where it is now, in milliseconds, and how many bytes of its response waited then.
  stuckSince = 0;
  stuckBytes = 0;

  /** The stream is open: it can be responded to from now on. */
  onOpen(): void {}
  /**
   * A piece of the request's content. Bytes count against the stream's window until {@link consumed} is called.
   * Returns true if nothing of the chunk is kept.
   */
  abstract onData(chunk: Uint8Array, start: number, end: number): boolean | void;
  /** The request is complete. */
  abstract onEnd(trailers: HeaderBlock | undefined): void;
  /**
   * There will be no complete request, or the response can't be delivered: the client reset the stream, did something
   * that HTTP/2 forbids, or left. Nothing can be sent any more. Not called after {@link finish}, {@link end} or
   * {@link reset}.
   */
  abstract onFailed(error: Http2Error): void;
  /**
   * The server holds as much of unfinished requests as it may (`maxBufferedBytes`), so this one can't go on. It may be
   * answered now; otherwise it is reset and has failed.
   */
  onOverloaded(): void {}
  /**
   * The request was not complete within the connection's request timeout. It may be answered now; otherwise it is reset
   * and has failed.
   */
  onRequestTimeout(): void {}

  /** Whether nothing more can be sent or received. */
  get closed(): boolean {
    return this.state === "closed";
  }

  /** Whether the response can still be added to: it is not finished, reset or lost. */
  get responding(): boolean {
    return this.state !== "closed" && this.tail === undefined && !this.endAfterOutgoing;
  }

  /** Sends the response's header section. `extra`: fields that vary, as name, value, name, value … */
  respond(template: HeaderTemplate, extra: readonly string[] | undefined): void {
    if (!this.responding || this.headSent) return;
    this.headSent = true;
    this.connection!.requests.headers(this, template, extra);
  }

  /**
   * Sends content in two pieces: `head` is copied immediately, `body` may be kept. Returns false if enough is buffered,
   * for the client's windows or for the socket: continue after `onWritable`.
   */
  write(head: Uint8Array, body: Uint8Array): boolean {
    if (!this.responding) return true;
    if (this.sendCredit < 0) this.connection!.streaming = true;
    return this.connection!.sender.write(this, head, body, false) && this.#hasRoom();
  }

  /** Sends a range of bytes, of which nothing is kept, as {@link write} does. */
  writeRange(bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.responding) return true;
    if (this.sendCredit < 0) this.connection!.streaming = true;
    return this.connection!.sender.writeRange(this, bytes, start, end, false) && this.#hasRoom();
  }

  #hasRoom(): boolean {
    // A stream that watched its own buffer alone would fill it while the client doesn't read.
    if (this.outgoing === undefined || !this.connection!.writer.blocked) return true;
    this.wantsRoom = true;
    return false;
  }

  /**
   * Ends the response with trailers, sent once all content is. Before {@link respond}, they are the whole response: its
   * only header section, with END_STREAM.
   */
  finish(template: HeaderTemplate, extra: readonly string[] | undefined): void {
    if (!this.responding) return;
    if (this.outgoing === undefined) return this.connection!.requests.trailers(this, template, extra);
    this.tail = template;
    this.tailExtra = extra;
  }

  /** Ends the response without trailers, once all content is sent. */
  end(): void {
    if (this.responding) this.connection!.sender.end(this);
  }

  /** Ends the stream at once, with RST_STREAM. No `on…` method is called afterwards. */
  reset(code: number = ErrorCode.CANCEL): void {
    if (this.state === "closed") return;
    if (this.connection === undefined) this.state = "closed";
    else this.connection.requests.reset(this, code);
  }

  /** The reader took bytes that `onData` delivered: the client may send as many more. */
  consumed(bytes: number): void {
    if (this.state === "closed") {
      this.unreadLoan?.read(bytes);
      return;
    }
    const { lender, requests } = this.connection!;
    lender.consumed(this, bytes);
    if (this.bufferedBytes > 0) requests.consumed(this, bytes);
  }

  /** The reader waits for a message of which this many bytes are missing: the client may send them at once. */
  expects(bytes: number): void {
    if (this.state !== "closed") this.connection!.lender.expects(this, bytes);
  }

  /**
   * A handler begins. Until {@link endHandling}, the stream keeps its place under MAX_CONCURRENT_STREAMS even if it is
   * closed before that: a client that resets its requests can't make a server run more handlers than it allows.
   */
  beginHandling(): void {
    this.handling = true;
  }

  /** The handler has ended. */
  endHandling(): void {
    if (!this.handling) return;
    this.handling = false;
    if (this.state === "closed") this.connection?.requests.handled(this);
  }

  // Transitions, called only by the connection and its sender.

  /** The connection has a place for it. */
  opened(id: number, connection: ServerStreamConnection, receiveWindow: StreamWindow): void {
    this.id = id;
    this.connection = connection;
    this.receiveWindow = receiveWindow;
    this.state = "open";
  }

  /** END_STREAM arrived. */
  endedRemotely(): void {
    this.endReceived = true;
    this.state = "half-closed (remote)";
  }

  /** END_STREAM was sent. */
  endedLocally(): void {
    this.connection!.requests.ended(this);
  }

  /** All content that waited was sent. */
  override onDrained(): void {
    const { tail, tailExtra } = this;
    if (tail === undefined) return;
    this.tail = this.tailExtra = undefined;
    this.connection!.requests.trailers(this, tail, tailExtra);
  }

  /** Nothing more is sent or received. */
  close(): void {
    this.state = "closed";
    this.outgoing = undefined;
    this.outgoingBytes = 0;
    this.wantsRoom = false;
    this.tail = this.tailExtra = undefined;
    this.connection!.lender.closed(this);
  }
}
