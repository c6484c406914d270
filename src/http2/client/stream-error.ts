import { Http2Error } from "../wire/error.ts";
import * as ErrorCode from "../wire/error-code.ts";

/**
 * Whether the server may have processed a request. `not-sent`: nothing of it was sent; `refused`: the server says that
 * it did not (REFUSED_STREAM, a GOAWAY with a smaller last stream id; RFC 9113 section 8.7); `maybe`: unknown.
 */
export type Processed = "not-sent" | "refused" | "maybe";

/**
 * How far a request is to blame for the end of its connection, if that can be known. `cause`: it was the last thing
 * sent before the peer ended the connection with an error that requests cause; `perhaps`: it was one of several in
 * flight.
 */
export type Blame = "cause" | "perhaps";

/** The error codes with which servers close a connection because of a request they can't handle. */
const BLAMING: ReadonlySet<number> = new Set([
  ErrorCode.PROTOCOL_ERROR,
  ErrorCode.COMPRESSION_ERROR,
  ErrorCode.ENHANCE_YOUR_CALM,
]);

/** Whether a request may have caused a GOAWAY. Too many pings are this side's fault, not a request's (gRFC A8). */
export function blamesRequests(code: number, debug: string): boolean {
  return BLAMING.has(code) && !debug.includes("too_many_pings");
}

/** Why one stream ended without a complete response. */
export class StreamError extends Http2Error {
  override readonly name: string = "StreamError";
  readonly processed: Processed;
  /** What ended it: the peer's RST_STREAM, this side because of what the stream did, or the end of the connection. */
  readonly by: "reset" | "stream" | "connection";
  blame: Blame | undefined = undefined;

  constructor(
    code: number,
    message: string,
    processed: Processed,
    by: "reset" | "stream" | "connection",
    options?: ErrorOptions,
  ) {
    super(code, message, options);
    this.processed = processed;
    this.by = by;
  }
}

/** The server's MAX_CONCURRENT_STREAMS leaves no room for a request that its caller would rather send elsewhere. */
export class NoRoomError extends StreamError {
  override readonly name = "NoRoomError";

  constructor(allowed: number) {
    const why = `the server allows ${allowed} concurrent streams (MAX_CONCURRENT_STREAMS), and all are in use`;
    super(ErrorCode.REFUSED_STREAM, why, "not-sent", "connection");
  }
}

/** A request's header section is larger than the server allows, or than this side's own limit. */
export function headersTooLarge(bytes: number, allowed: number, ownLimit: number): StreamError {
  const most = Math.min(allowed, ownLimit);
  const whose = most === allowed ? "that the server allows" : "of limits.maxRequestHeaderListBytes";
  const why = `the request's headers are ${bytes} bytes, larger than the ${most} bytes ${whose}`;
  return new StreamError(ErrorCode.ENHANCE_YOUR_CALM, why, "not-sent", "stream");
}

/** The error of a stream whose connection ended. */
export function connectionEnded(processed: Processed, cause: Error | undefined): StreamError {
  const why = cause?.message ?? "it is closed";
  const text = processed === "maybe" ? `the connection was lost: ${why}` : `the connection accepts no requests: ${why}`;
  const code = cause instanceof Http2Error ? cause.code : ErrorCode.INTERNAL_ERROR;
  return new StreamError(code, text, processed, "connection", cause === undefined ? {} : { cause });
}
