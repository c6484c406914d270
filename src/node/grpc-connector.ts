import type { JsonReadOptions, JsonWriteOptions } from "@bufbuild/protobuf";
import type { Connector } from "../connection/link.ts";
import { COMPILED_CODERS } from "../grpc/compiled-coders.ts";
import { jsonFormat } from "../grpc/json-format.ts";
import { GrpcLink } from "../grpc/link/grpc-link.ts";
import { GRPC_LINK_OPTIONS, type GrpcLinkOptions, linkSettings } from "../grpc/link/options.ts";
import { binaryFormat } from "../grpc/message-format.ts";
import type { KeepaliveOptions } from "../http2/keepalive.ts";
import { checkOptions, type Checks, flag, fn, made, object } from "../option.ts";
import type { Dial, DialTarget } from "./dial.ts";
import { scheduleFlush } from "./flush-scheduler.ts";
import { proxyDial, type ProxySource, proxySource } from "./proxy.ts";
import { destinationOf } from "./socket.ts";
import { type TlsOptions, type TlsSource, tlsSource } from "./tls-options.ts";

export type { Dial, DialTarget, KeepaliveOptions, ProxySource, TlsOptions, TlsSource };

/** Options of {@link grpcConnector}. */
export interface GrpcConnectorOptions extends GrpcLinkOptions {
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
  if (options.dial !== undefined && options.proxy !== undefined) {
    throw new TypeError("options dial and proxy can't be combined");
  }
  const dial = options.proxy === undefined ? options.dial : proxyDial(options.proxy);
  const format = options.useBinaryFormat === false
    ? jsonFormat(options.jsonOptions)
    : binaryFormat(options.binaryOptions, COMPILED_CODERS);
  const settings = { ...linkSettings(options, scheduleFlush), format };
  return (endpoint, events) => new GrpcLink(endpoint, destinationOf(endpoint, options.tls, dial), settings, events);
}

made(grpcConnector);

const OPTIONS: Checks<GrpcConnectorOptions> = {
  ...GRPC_LINK_OPTIONS,
  useBinaryFormat: flag,
  jsonOptions: object,
  tls: tlsSource,
  proxy: proxySource,
  dial: fn("a function, ({ host, port, path, endpoint }, signal) => an open duplex stream"),
};
