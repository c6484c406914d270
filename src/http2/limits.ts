import { bytes, checkOptions, type Checks } from "../option.ts";

/** What a connection allows its peer, and itself; all have defaults that fit gRPC. */
export interface Http2Limits {
  /**
   * How many bytes each stream may receive beyond what its reader took. Defaults to 64 KiB, and more where it is lent. A
   * value of one's own also sets `maxLentBytes` to 0: windows are then fixed, and the bandwidth isn't measured (as with
   * grpc-go's `WithInitialWindowSize`).
   */
  streamWindowBytes?: number | undefined;
  /** How many bytes the connection may receive beyond what it has parsed. Defaults to 16 MiB. */
  connectionWindowBytes?: number | undefined;
  /**
   * How much more the streams of the connection may have at a time, all together, in bytes: it is lent to streams that are
   * read as fast as they come, by bandwidth × delay (measured with PINGs, as gRPC's other clients do), and to calls that
   * wait for a large message. Defaults to 16 MiB; 0: nothing is lent and no such PING is sent.
   */
  maxLentBytes?: number | undefined;
  /** Nothing is lent while all connections of the process have lent so many bytes together. Defaults to 128 MiB. */
  maxProcessLentBytes?: number | undefined;
  /** The largest header section that is received, counted as RFC 7541 section 4.1 does. Defaults to 64 KiB. */
  maxHeaderListBytes?: number | undefined;
  /**
   * The largest header section that is sent, counted in the same way: the lengths of name and value, and 32, of each
   * field. A larger one fails its call with ResourceExhausted, and no other server is tried. The server's own limit
   * (SETTINGS_MAX_HEADER_LIST_SIZE) holds where it is smaller. Defaults to 60 KiB: many servers end a connection, with
   * all its calls, at 64 KiB, and don't announce it.
   */
  maxRequestHeaderListBytes?: number | undefined;
}

/** {@link Http2Limits} with all defaults in place. */
export interface ResolvedHttp2Limits {
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  readonly maxLentBytes: number;
  readonly maxProcessLentBytes: number;
  readonly maxHeaderListBytes: number;
  readonly maxRequestHeaderListBytes: number;
}

/** The most that HTTP/2 can express of a window. */
const MAX_BYTES = 0x7fff_ffff;

/** The checks of {@link Http2Limits}. */
export const HTTP2_LIMITS: Checks<Http2Limits> = {
  streamWindowBytes: bytes(1, MAX_BYTES),
  connectionWindowBytes: bytes(65_535, MAX_BYTES),
  maxLentBytes: bytes(0, MAX_BYTES),
  maxProcessLentBytes: bytes(0, MAX_BYTES),
  maxHeaderListBytes: bytes(1_024, MAX_BYTES),
  maxRequestHeaderListBytes: bytes(1_024, MAX_BYTES),
};

/** Fills in defaults. @throws TypeError or RangeError for a value that HTTP/2 can't express. */
export function resolveLimits(limits: Http2Limits = {}): ResolvedHttp2Limits {
  checkOptions("limits", limits, HTTP2_LIMITS, "limits.");
  return {
    streamWindowBytes: limits.streamWindowBytes ?? 64 * 1024,
    connectionWindowBytes: limits.connectionWindowBytes ?? 16 * 1024 * 1024,
    maxLentBytes: limits.maxLentBytes ?? (limits.streamWindowBytes === undefined ? 16 * 1024 * 1024 : 0),
    maxProcessLentBytes: limits.maxProcessLentBytes ?? 128 * 1024 * 1024,
    maxHeaderListBytes: limits.maxHeaderListBytes ?? 64 * 1024,
    maxRequestHeaderListBytes: limits.maxRequestHeaderListBytes ?? 60 * 1024,
  };
}
