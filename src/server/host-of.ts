import type { ConnectionTimes, ServerConnectionOptions } from "../http2/server/options.ts";
import { guarded } from "../listener.ts";
import type { Http1Server } from "../socket/listener.ts";
import type { Clock } from "../time/clock.ts";
import { ServerHost } from "./host.ts";
import type { ServerKeepalive, ServerLimits } from "./options.ts";
import type { ServerRuntime } from "./runtime.ts";

/** The options that a server and a proxy have in common. */
export interface CommonOptions<Tls> extends ConnectionTimes {
  readonly tls?: Tls | undefined;
  readonly limits?: ServerLimits | undefined;
  readonly keepalive?: ServerKeepalive | undefined;
  readonly clock?: Clock | undefined;
}

/** What is a server's or a proxy's own. */
export interface OwnOfHost extends Pick<ServerConnectionOptions, "accept" | "maxResets"> {
  /** What serves the sockets of clients that speak HTTP/1.1. */
  readonly http1: Http1Server | undefined;
  /** Whose option `tls` it is, for messages. */
  readonly tlsOf: "the server" | "the proxy";
}

/** Hosts the connections of a server or a proxy, by its options. */
export function hostOf<Tls>(
  options: CommonOptions<Tls>,
  runtime: ServerRuntime<Tls>,
  { http1, tlsOf, ...streams }: OwnOfHost,
): ServerHost<Tls> {
  const { keepalive = {}, limits = {}, clock } = options;
  const { maxConnections = Infinity, maxBufferedBytes, maxConcurrentStreams, ...others } = limits;
  const { maxResponseHeaderListBytes, ...received } = others;
  return new ServerHost<Tls>({
    connection: {
      ...streams,
      maxConcurrentStreams,
      times: options,
      keepalive: { intervalMs: keepalive.intervalMs ?? 7_200_000, timeoutMs: keepalive.timeoutMs ?? 20_000 },
      enforcement: keepalive,
      limits: { ...received, maxRequestHeaderListBytes: maxResponseHeaderListBytes },
      clock,
      scheduleFlush: runtime.scheduleFlush,
      scheduleStreamFlush: runtime.scheduleStreamFlush,
      random: runtime.random,
    },
    nextTurn: runtime.nextTurn,
    maxConnections,
    maxBufferedBytes,
    handshakeTimeoutMs: options.handshakeTimeoutMs ?? 10_000,
    listen: runtime.listen,
    tls: options.tls,
    http1,
    onTlsError: (error) => guarded(`${tlsOf}'s tls option`, () => Promise.reject(error)),
  });
}
