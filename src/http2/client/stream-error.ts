import { ErrorCode, Http2Error } from "../wire/error.ts";

/**
 * Whether the server can have processed a request: `not-sent`: nothing of it left; `refused`: the server says that it
 * did not (REFUSED_STREAM, a GOAWAY with a smaller last stream id; RFC 9113 section 8.7); `maybe`: nobody can tell.
 */
export type Processed = "not-sent" | "refused" | "maybe";

/**
 * What a request had to do with the end of its connection, if that can be told: `cause`: it was the last thing that was
 * sent before the peer ended the connection for something like it; `perhaps`: it was one of several that were in flight.
 */
export type Blame = "cause" | "perhaps";

/** The error codes with which servers end a connection for a request that they can't bear. */
const BLAMING: ReadonlySet<number> = new Set([
  ErrorCode.PROTOCOL_ERROR,
  ErrorCode.COMPRESSION_ERROR,
  ErrorCode.ENHANCE_YOUR_CALM,
]);

/** Whether a GOAWAY may have been caused by a request. Too many pings are this side's, and no request's (gRFC A8). */
export function blamesRequests(code: number, debug: string): boolean {
  return BLAMING.has(code) && !debug.includes("too_many_pings");
}

/** Why one stream ended without a complete response. */
export class StreamError extends Http2Error {
  override readonly name: string = "StreamError";
  readonly processed: Processed;
  /** Who ended it: the peer's RST_STREAM, this side for what the stream did, or the end of the connection. */
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

/** The server's MAX_CONCURRENT_STREAMS leaves no room for a request, which its maker wants back rather than let it wait. */
export class NoRoomError extends StreamError {
  override readonly name = "NoRoomError";

  constructor(allowed: number) {
    const why = `the server allows ${allowed} concurrent streams (MAX_CONCURRENT_STREAMS), and all are in use`;
    super(ErrorCode.REFUSED_STREAM, why, "not-sent", "connection");
  }
}
