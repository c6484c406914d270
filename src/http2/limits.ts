import { bytes, checkOptions, type Checks } from "../option.ts";

/** Limits of a connection, for its peer and for itself. All have defaults that suit gRPC. */
export interface Http2Limits {
  /**
   * How many bytes each stream may receive ahead of its reader. Defaults to 64 KiB, plus what is lent. If set,
   * `maxLentBytes` defaults to 0: windows are then fixed, and the bandwidth isn't measured (as with grpc-go's
   * `WithInitialWindowSize`).
   */
  streamWindowBytes?: number | undefined;
  /** How many bytes the connection may receive ahead of what it has parsed. Defaults to 16 MiB. */
  connectionWindowBytes?: number | undefined;
  /**
   * How many bytes more may be lent to all streams of the connection together: to streams that are read as fast as data
   * arrives, by the bandwidth-delay product (measured with PINGs, as gRPC's other clients do), and to calls that wait
   * for a large message. Defaults to 16 MiB; with 0, nothing is lent and no such PINGs are sent.
   */
  maxLentBytes?: number | undefined;
  /** Nothing is lent while all connections of the process together have lent this many bytes. Defaults to 128 MiB. */
  maxProcessLentBytes?: number | undefined;
  /** The largest header section accepted, in bytes as RFC 7541 section 4.1 counts them. Defaults to 64 KiB. */
  maxHeaderListBytes?: number | undefined;
  /**
   * The largest header section sent, counted the same way: the lengths of name and value plus 32 for each field. A call
   * with a larger one fails with ResourceExhausted, and no other server is tried. The server's own limit
   * (SETTINGS_MAX_HEADER_LIST_SIZE) applies where it is smaller. Defaults to 60 KiB: many servers close a connection,
   * with all its calls, at 64 KiB without announcing it.
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

/** The largest window that HTTP/2 can express. */
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
