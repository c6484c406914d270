import type { Lender } from "../lender.ts";
import type { Sender } from "../sender.ts";
import { Stream } from "../stream.ts";
import * as ErrorCode from "../wire/error-code.ts";
import type { StreamWindow } from "../wire/flow.ts";
import type { HeaderBlock } from "../wire/header-block.ts";
import type { HeaderTemplate } from "../wire/hpack-encoder.ts";
import type { StreamError } from "./stream-error.ts";

/**
 * The states of a request's stream (RFC 9113 section 5.1, as a client sees them). A `waiting` stream is still `idle` to
 * the RFC: it waits for the server's SETTINGS, for a keepalive ping's answer, for room under MAX_CONCURRENT_STREAMS, or
 * for room in the byte stream.
 *
 *     new ──► waiting ──► open ──► half-closed (local) ──► closed
 *                │          │                                ▲
 *                └──────────┴────────────────────────────────┘   the whole response, a reset, an error, a lost connection
 *
 * There is no `half-closed (remote)`: a response that is complete before its request closes the stream.
 */
export type StreamState = "new" | "waiting" | "open" | "half-closed (local)" | "closed";

/** What a stream needs from its connection. */
export interface StreamConnection {
  readonly sender: Sender;
  readonly lender: Lender;
  readonly requests: {
    open(stream: ClientStream): void;
    cancel(stream: ClientStream, code: number): void;
  };
}

/**
 * One request and its response. A protocol on top extends it and receives the response through the `on…` methods, which
 * the connection calls and which must not throw. None is called after `onEnd` or `onFailed`.
 */
export abstract class ClientStream extends Stream {
  state: StreamState = "new";
  connection: StreamConnection | undefined = undefined;
  /** Whether it may last as long as its user likes: a closing connection gives it more time. */
  readonly longLived: boolean = false;
  // The request's header section, until it is sent.
  template: HeaderTemplate | undefined = undefined;
  extra: readonly string[] | undefined = undefined;
  // What has been received so far.
  headReceived = false;
  informational = 0;
  contentLeft = -1;

  /** Whether nobody waits for it: it does not keep the process alive, and ends when the connection begins to drain. */
  get background(): boolean {
    return false;
  }

  /** The response's header section; informational (1xx) ones are skipped. */
  abstract onHead(head: HeaderBlock): void;
  /**
   * A piece of the response's content. Bytes count against the stream's window until {@link consumed} is called.
   * Returns true if nothing of the chunk is kept.
   */
  abstract onData(chunk: Uint8Array, start: number, end: number): boolean | void;
  /** The response is complete. */
  abstract onEnd(trailers: HeaderBlock | undefined): void;
  /** There will be no complete response. */
  abstract onFailed(error: StreamError): void;

  /** Whether nothing more can be sent or received. */
  get closed(): boolean {
    return this.state === "closed";
  }

  /** Sends the request's header section, now or as soon as the connection has room for it. */
  open(connection: StreamConnection, template: HeaderTemplate, extra: readonly string[] | undefined): void {
    this.connection = connection;
    this.template = template;
    this.extra = extra;
    connection.requests.open(this);
  }

  /**
   * Sends content in two pieces: `head` is copied immediately, `body` may be kept; `end` marks the last. Returns false
   * if enough is buffered: continue after `onWritable`.
   */
  write(head: Uint8Array, body: Uint8Array, end: boolean): boolean {
    if (this.state !== "open" && this.state !== "waiting") return true;
    return this.connection!.sender.write(this, head, body, end);
  }

  /** Sends a range of bytes, of which nothing is kept, as {@link write} does. */
  writeRange(bytes: Uint8Array, start: number, end: number, last: boolean): boolean {
    if (this.state !== "open" && this.state !== "waiting") return true;
    return this.connection!.sender.writeRange(this, bytes, start, end, last);
  }

  /** Ends the request. */
  end(): void {
    if (this.state === "open" || this.state === "waiting") this.connection!.sender.end(this);
  }

  /** The reader took bytes that `onData` delivered: the peer may send as many more. */
  consumed(bytes: number): void {
    if (this.state !== "closed") this.connection?.lender.consumed(this, bytes);
    else this.unreadLoan?.read(bytes);
  }

  /** The reader waits for a message of which this many bytes are missing: the peer may send them at once. */
  expects(bytes: number): void {
    if (this.state !== "closed") this.connection?.lender.expects(this, bytes);
  }

  /** Cancels the request, with RST_STREAM if the server needs to know. No `on…` method is called afterwards. */
  cancel(code: number = ErrorCode.CANCEL): void {
    if (this.state === "closed") return;
    if (this.connection === undefined) this.state = "closed";
    else this.connection.requests.cancel(this, code);
  }

  /** Whether nothing of the request was sent. */
  get unsent(): boolean {
    return this.id === 0;
  }

  // Transitions, called only by the connection and its sender.

  /** HEADERS were sent. */
  opened(id: number, receiveWindow: StreamWindow): void {
    this.id = id;
    this.receiveWindow = receiveWindow;
    this.template = undefined;
    this.extra = undefined;
    this.state = "open";
  }

  /** END_STREAM was sent. */
  endedLocally(): void {
    this.state = "half-closed (local)";
  }

  /** Nothing more is sent or received. */
  close(): void {
    this.state = "closed";
    this.outgoing = undefined;
    this.outgoingBytes = 0;
    this.connection?.lender.closed(this);
  }
}
