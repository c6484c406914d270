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

/** How many informational (1xx) responses may precede a response. */
export const MAX_INFORMATIONAL = 16;
/** How many bytes of answers (acknowledgements, window updates) may wait for a peer that doesn't read. */
export const MAX_WAITING_CONTROL_BYTES: number = 64 * 1024;

/** How many frames without use for any call a peer may send … */
const MAX_NOISE = 10_000;
/** … in how many milliseconds, … */
const NOISE_PERIOD_MS = 10_000;
/** … unless so many useful frames went over the connection meanwhile. */
const ENOUGH_USEFUL = MAX_NOISE / 2;

/**
 * Tells a flood (RFC 9113 section 10.5) from honest traffic: PING, acknowledgements, PRIORITY, DATA without content, frames of
 * closed streams and of unknown types all cost work and serve no call. An honest server sends some with each call, and
 * gRPC servers one PING per round trip in which content came or went, to measure the bandwidth; so they count against
 * the useful frames of the same time, whichever side sent those.
 */
export class NoiseMeter {
  readonly #now: () => number;
  readonly #sent: () => number;
  #noise = 0;
  #useful = 0;
  #since: number | undefined;
  #sentBefore = 0;

  /** `sent` gives how many DATA frames with content this side ever sent. */
  constructor(now: () => number, sent: () => number) {
    this.#now = now;
    this.#sent = sent;
  }

  useful(): void {
    this.#useful++;
  }

  /** Counts a frame of no use; false: it is a flood. */
  noise(): boolean {
    if (this.#noise++ === 0) this.#since = this.#now();
    if (this.#noise < MAX_NOISE) return true;
    const sent = this.#sent();
    const useful = this.#useful + sent - this.#sentBefore;
    if (useful < ENOUGH_USEFUL && this.#now() - this.#since! < NOISE_PERIOD_MS) return false;
    this.#noise = 0;
    this.#useful = 0;
    this.#sentBefore = sent;
    return true;
  }
}

/**
 * The rate of SETTINGS and GOAWAY, which useful frames don't excuse: they concern all streams at once, and no amount of
 * calls needs many. gRPC's C servers, which change their windows as they measure the bandwidth, send some ten a second.
 */
export class RateMeter {
  readonly #now: () => number;
  #count = 0;
  #since = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Counts a frame; false: there were too many in too short a time. */
  count(): boolean {
    if (this.#count++ === 0) this.#since = this.#now();
    if (this.#count < MAX_NOISE) return true;
    if (this.#now() - this.#since < NOISE_PERIOD_MS) return false;
    this.#count = 0;
    return true;
  }
}

/** How many cancelled streams are remembered: as many as a client may have in flight and give up at once. */
const MAX_CANCELLED = 10_000;
/** What the headers and trailers of a stream may take, as {@link CancelledStreams} counts. */
const CANCELLED_FRAMES_BYTES = 64 * 1024;

/**
 * The streams that this side reset lately. Until the server hears of it, it goes on sending (RFC 9113 section 5.1,
 * "closed"): as much as the stream's window still allows is honest, and what is more is noise.
 */
export class CancelledStreams {
  /** By id: how many bytes may still come. */
  readonly #bytesLeft = new Map<number, number>();
  /** The ids as they came, around and around: the oldest is forgotten first. */
  readonly #ids: number[] = [];
  #next = 0;

  add(id: number, windowLeft: number): void {
    this.#bytesLeft.set(id, windowLeft + CANCELLED_FRAMES_BYTES);
    if (this.#ids.length === MAX_CANCELLED) this.#bytesLeft.delete(this.#ids[this.#next]!);
    this.#ids[this.#next] = id;
    this.#next = (this.#next + 1) % MAX_CANCELLED;
  }

  /** Whether a frame of so many bytes may still be on its way on a closed stream. `last`: it is the stream's last. */
  expects(id: number, bytes: number, last: boolean): boolean {
    const left = this.#bytesLeft.get(id);
    if (left === undefined) return false;
    if (last || left <= bytes) this.#bytesLeft.delete(id);
    else this.#bytesLeft.set(id, left - bytes);
    return left >= bytes;
  }
}
