import { corsOption, type CorsOptions } from "../grpc/server/cors.ts";
import { CONNECTION_TIMES, type ConnectionTimes } from "../http2/server/options.ts";
import { anything, type Check, type Checks, clock as aClock, group, listOf, quoted, required } from "../option.ts";
import {
  type ServedChannelz,
  SERVER_KEEPALIVE,
  SERVER_LIMITS,
  type ServerKeepalive,
  type ServerLimits,
} from "../server/options.ts";
import type { Clock } from "../time/clock.ts";
import type { BalancedTransportOptions } from "../transport/options.ts";
import type { BalancedTransport } from "../transport/transport.ts";

/**
 * One way through a proxy: which calls take it, and which service they go to. Of the routes that fit a call, the most
 * specific one counts: one with a port, then one with an authority, then the one with the longest path.
 */
export interface ProxyRoute {
  /**
   * The host that clients call, `:authority`: `api.example` on any port, or `api.example:9000`. Defaults to any.
   */
  readonly authority?: string | undefined;
  /**
   * How the paths of its calls begin: `/package.Service/Method`, `/package.Service` for all methods of a service, or
   * `/package.` for a package. Defaults to `/`, all.
   */
  readonly path?: string | undefined;
  /** The port on which its calls come in. Defaults to any port that the proxy listens on. */
  readonly port?: number | undefined;
  /**
   * Whether its servers speak `application/grpc+json`, so that JSON from clients of Connect and gRPC-Web can be passed on
   * to them. Defaults to false: such calls are refused with 415 or Unimplemented, because a proxy has no schema to
   * translate by.
   */
  readonly json?: boolean | undefined;
  /**
   * Where its calls go: the options of a balanced transport, which the proxy makes and closes, or one that exists, which
   * stays open when the proxy closes. Its connector is `grpcConnector()`, whose options say how servers are reached, TLS
   * included. Neither may have interceptors: messages pass through a proxy unread.
   */
  readonly to: BalancedTransportOptions | BalancedTransport;
}

/** Options of `createProxy`, of which `Tls` are those for TLS on its runtime. */
export interface ProxyOptions<Tls> extends ConnectionTimes {
  /** Where calls go. Calls that fit none fail with Unimplemented. */
  readonly routes: readonly ProxyRoute[];
  /**
   * Methods whose calls may be repeated although a server may have processed them already, as their routes' `retry` says:
   * `/package.Service/Method`, or `/package.Service` for all methods of a service. Defaults to none: as a proxy has no
   * schema, only attempts that were surely not processed are repeated.
   */
  readonly idempotent?: readonly string[] | undefined;
  /** The proxy's certificate and key, which turn TLS on for clients. Defaults to plaintext. */
  readonly tls?: Tls | undefined;
  /**
   * Which pages of other origins may call, over Connect and gRPC-Web. Defaults to none: browsers then refuse what they
   * get.
   */
  readonly cors?: CorsOptions | undefined;
  /** What clients may do. All have defaults that suit gRPC. */
  readonly limits?: ServerLimits | undefined;
  /** Keepalive of the clients' connections. */
  readonly keepalive?: ServerKeepalive | undefined;
  /** Shows the proxy in channelz: what `createChannelz()` of `connect-lb/channelz` returned. Defaults to none. */
  readonly channelz?: Pick<ServedChannelz, "add"> | undefined;
  /** The clock. Defaults to the runtime's; tests can pass their own. */
  readonly clock?: Clock | undefined;
}

const METHOD = /^\/[\x21-\x2e\x30-\x7e]+(?:\/[\x21-\x2e\x30-\x7e]+)?$/;

const routes: Check = required((name, value) => {
  if (!Array.isArray(value) || value.length === 0) {
    throw new TypeError(
      `option ${name} is ${quoted(value)}: expected an array of routes, such as [{ to: { resolver, connector } }]`,
    );
  }
});

/** The checks of {@link ProxyOptions}, save for `tls` and what each route has. */
export const PROXY_OPTIONS: Checks<ProxyOptions<unknown>> = {
  ...CONNECTION_TIMES,
  routes,
  idempotent: listOf(
    'an array of "/package.Service/Method" or "/package.Service"',
    (item) => typeof item === "string" && METHOD.test(item),
  ),
  tls: anything,
  cors: corsOption,
  limits: group("an object such as { maxConcurrentStreams }", "limits", SERVER_LIMITS),
  keepalive: group("an object such as { intervalMs, timeoutMs }", "keepalive", SERVER_KEEPALIVE),
  channelz: anything,
  clock: aClock,
};
