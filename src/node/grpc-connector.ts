import type { JsonReadOptions, JsonWriteOptions } from "@bufbuild/protobuf";
import type { Connector } from "../connection/link.ts";
import { GRPC_OPTIONS, type GrpcOptions } from "../grpc/client/options.ts";
import { jsonFormat } from "../grpc/json-format.ts";
import { KEEPALIVE_OPTIONS, type KeepaliveOptions } from "../http2/keepalive.ts";
import { HTTP2_LIMITS, type Http2Limits } from "../http2/limits.ts";
import {
  checkOptions,
  type Checks,
  clock,
  flag,
  fn,
  givenOf,
  group,
  made,
  milliseconds,
  object,
  or,
  wholeNumber,
} from "../option.ts";
import { systemClock } from "../time/clock.ts";
import type { Clock } from "../time/clock.ts";
import type { Dial, DialTarget } from "./dial.ts";
import { GrpcLink, type LinkSettings } from "./grpc-link.ts";
import { proxyDial, type ProxySource, proxySource } from "./proxy.ts";
import { destinationOf } from "./socket.ts";
import { type TlsOptions, type TlsSource, tlsSource } from "./tls-options.ts";

export type { Dial, DialTarget, KeepaliveOptions, ProxySource, TlsOptions, TlsSource };

/** Options of {@link grpcConnector}. */
export interface GrpcConnectorOptions extends GrpcOptions {
  /** Whether messages are binary; false: JSON (`application/grpc+json`). Defaults to true. */
  useBinaryFormat?: boolean | undefined;
  /** Options for JSON. Unknown fields are ignored unless set otherwise. */
  jsonOptions?: Partial<JsonReadOptions & JsonWriteOptions> | undefined;
  /**
   * TLS for endpoints that don't say `secure: false`. Undefined: plaintext, except for `secure: true`. A function is
   * called for each new connection, for certificates that change.
   */
  tls?: TlsSource | undefined;
  /**
   * The HTTP proxy through which servers are reached (CONNECT), as a URL like `http://user:password@proxy:3128`, or a
   * function that chooses one for each server: `proxyFromEnvironment()`. The proxy resolves the servers' names, and
   * TLS, if on, runs inside the tunnel. Defaults to none.
   */
  proxy?: string | URL | ProxySource | undefined;
  /** Opens connections in your own way; can't be combined with `proxy`. Defaults to TCP and Unix sockets. */
  dial?: Dial | undefined;
  /**
   * Pings when nothing arrives, to detect peers that vanished silently; false: no pings. Defaults to a ping after 30 s
   * of silence, 10 s for the acknowledgement, and no pings while no call is open. A server that complains of too many
   * pings is pinged half as often from then on (gRFC A8).
   */
  keepalive?: KeepaliveOptions | false | undefined;
  /** How long connecting may take until the server's SETTINGS arrive, in milliseconds. Defaults to 20,000 (gRPC). */
  connectTimeoutMs?: number | undefined;
  /**
   * The maximum age of a connection, in milliseconds, give or take a tenth: then another is opened and, once that is
   * ready, the old one takes no new calls and ends with its last. For certificates that change, and load balancers in
   * between. Defaults to none.
   */
  maxAgeMs?: number | undefined;
  /**
   * The maximum number of connections to one endpoint. While all open ones have as many calls in flight as the server
   * allows (MAX_CONCURRENT_STREAMS), another is opened, for long-lived streams that fill them (gRFC A105). Defaults to
   * 1.
   */
  maxConnectionsPerEndpoint?: number | undefined;
  /** Limits of each connection, for the server and for itself. */
  limits?: Http2Limits | undefined;
  /** Defaults to the runtime's. */
  clock?: Clock | undefined;
}

/**
 * This library's own gRPC over HTTP/2 for Node, Bun and Deno: one connection per endpoint (or more: see
 * `maxConnectionsPerEndpoint`), opened ahead of calls, over plaintext or TLS.
 *
 * An endpoint's address is `host:port` or `unix:/path`. Its `authority`, if any, is the server's name whatever the
 * address: `:authority`, and the TLS server name unless `tls.servername` is set.
 *
 * Calls on a link that isn't open are not sent: the balanced transport opens links and waits for them.
 *
 * @throws TypeError or RangeError for options of the wrong type or range.
 */
export function grpcConnector(options: GrpcConnectorOptions = {}): Connector {
  checkOptions("grpcConnector()", options, OPTIONS);
  const { keepalive = {} } = options;
  const settings: LinkSettings = {
    ...givenOf(options, Object.keys(OPTIONS)),
    format: options.useBinaryFormat === false ? jsonFormat(options.jsonOptions) : undefined,
    clock: options.clock ?? systemClock,
    connectTimeoutMs: options.connectTimeoutMs ?? 20_000,
    maxConnectionsPerEndpoint: options.maxConnectionsPerEndpoint ?? 1,
    keepalive: keepalive === false ? undefined : {
      withoutCalls: keepalive.withoutCalls ?? false,
      intervalMs: keepalive.intervalMs ?? 30_000,
      timeoutMs: keepalive.timeoutMs ?? 10_000,
    },
  };
  if (options.dial !== undefined && options.proxy !== undefined) {
    throw new TypeError("options dial and proxy can't be combined");
  }
  const dial = options.proxy === undefined ? options.dial : proxyDial(options.proxy);
  return (endpoint, events) => new GrpcLink(endpoint, destinationOf(endpoint, options.tls, dial), settings, events);
}

made(grpcConnector);

const OPTIONS: Checks<GrpcConnectorOptions> = {
  ...GRPC_OPTIONS,
  useBinaryFormat: flag,
  jsonOptions: object,
  tls: tlsSource,
  proxy: proxySource,
  dial: fn("a function, ({ host, port, path, endpoint }, signal) => an open duplex stream"),
  keepalive: or(false, group("an object or false", "keepalive", KEEPALIVE_OPTIONS)),
  connectTimeoutMs: milliseconds,
  maxAgeMs: milliseconds,
  maxConnectionsPerEndpoint: wholeNumber(1),
  limits: group("an object", "limits", HTTP2_LIMITS),
  clock,
};
