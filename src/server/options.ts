import type { ConnectRouter } from "@connectrpc/connect";
import { type RouteOptions, SERVICE_OPTIONS, type ServiceOptions } from "../grpc/server/options.ts";
import {
  CONNECTION_LIMITS,
  CONNECTION_TIMES,
  type ConnectionLimits,
  type ConnectionTimes,
} from "../http2/server/options.ts";
import { HTTP2_LIMITS, type Http2Limits } from "../http2/limits.ts";
import {
  anything,
  bytes,
  type Check,
  type Checks,
  clock as aClock,
  flag,
  group,
  makes,
  milliseconds,
  millisecondsFrom0,
  or,
  wholeNumber,
} from "../option.ts";
import type { Clock } from "../time/clock.ts";
import type { ServerHealth } from "./health.ts";
import type { LoadReports } from "./load-report.ts";
import type { ReflectionOptions } from "./reflection.ts";
import type { ServerSnapshot } from "./snapshot.ts";

/** Limits of a server, for its clients and for itself. All have defaults that suit gRPC. */
export interface ServerLimits extends Omit<Http2Limits, "maxRequestHeaderListBytes">, ConnectionLimits {
  /** How many connections are open at a time; further ones are closed at once. Defaults to no limit. */
  maxConnections?: number | undefined;
  /**
   * The largest header section sent, counted as `maxHeaderListBytes`; a client's own limit applies where it is smaller.
   * Defaults to 60 KiB.
   */
  maxResponseHeaderListBytes?: number | undefined;
}

/** Keepalive of a server's connections (gRFC A8 and A9), and what it allows its clients. */
export interface ServerKeepalive {
  /**
   * How long a client may be silent before a PING is sent, in milliseconds. Defaults to 7,200,000, two hours, as in
   * gRPC's other servers.
   */
  intervalMs?: number | undefined;
  /** How long its answer may take before the connection counts as lost, in milliseconds. Defaults to 20,000. */
  timeoutMs?: number | undefined;
  /**
   * How far apart a client's own PINGs must be, in milliseconds, unless it is being answered. A client that pings more
   * often loses its connection (GOAWAY with `too_many_pings`). Defaults to 10,000; 0 allows all that is no flood.
   */
  minPingIntervalMs?: number | undefined;
  /** Whether clients may ping while they have no calls (A8's `permit_without_stream`). Defaults to true. */
  pingsWithoutCalls?: boolean | undefined;
}

/** What a server needs of channelz. */
export interface ServedChannelz {
  /** Adds the service to a router. */
  readonly routes: (router: ConnectRouter, options?: RouteOptions) => void;
  /** Shows a server. */
  add(server: { snapshot(): ServerSnapshot }): void;
}

/** Options of `createGrpcServer`, of which `Tls` are those for TLS on its runtime. */
export interface GrpcServerOptions<Tls> extends ServiceOptions, ConnectionTimes {
  /** The server's certificate and key, which turn TLS on. Defaults to plaintext. */
  tls?: Tls | undefined;
  limits?: ServerLimits | undefined;
  keepalive?: ServerKeepalive | undefined;
  /**
   * Serves `grpc.health.v1.Health`: true, or what `createHealth()` returned, by which the status of services is set.
   * Defaults to false.
   */
  health?: boolean | ServerHealth | undefined;
  /** Serves reflection, for grpcurl and `buf curl`: true, or options. Defaults to false. */
  reflection?: boolean | ReflectionOptions | undefined;
  /**
   * Reports load to clients (ORCA, gRFC A51): true, or what `reportLoad()` returned, by which more than what is measured
   * can be reported. Defaults to false.
   */
  loadReports?: boolean | LoadReports | undefined;
  /**
   * Serves `grpc.channelz.v1.Channelz`, for `grpcdebug`: what `createChannelz()` of `connect-lb/channelz` returned,
   * which then shows this server, too. Defaults to none.
   */
  channelz?: ServedChannelz | undefined;
  /** The clock. Defaults to the runtime's; tests can pass their own. */
  clock?: Clock | undefined;
}

const { maxRequestHeaderListBytes: _, ...RECEIVED } = HTTP2_LIMITS;

/** The checks of {@link ServerLimits}. */
export const SERVER_LIMITS: Checks<ServerLimits> = {
  ...RECEIVED,
  ...CONNECTION_LIMITS,
  maxConnections: or(Infinity, wholeNumber(1)),
  maxResponseHeaderListBytes: bytes(1_024, 0x7fff_ffff),
};

/** The checks of {@link ServerKeepalive}. */
export const SERVER_KEEPALIVE: Checks<ServerKeepalive> = {
  intervalMs: milliseconds,
  timeoutMs: milliseconds,
  minPingIntervalMs: millisecondsFrom0,
  pingsWithoutCalls: flag,
};

/** The checks of {@link GrpcServerOptions}, save for `tls`. */
export const GRPC_SERVER_OPTIONS: Checks<GrpcServerOptions<unknown>> = {
  ...SERVICE_OPTIONS,
  ...CONNECTION_TIMES,
  tls: anything,
  limits: group("an object such as { maxConcurrentStreams }", "limits", SERVER_LIMITS),
  keepalive: group("an object such as { intervalMs, timeoutMs }", "keepalive", SERVER_KEEPALIVE),
  health: standard("true or what createHealth() returned"),
  channelz: makes("what createChannelz() returned", (value) => {
    return typeof (value as Partial<ServedChannelz> | null)?.routes === "function";
  }),
  reflection: (name, value) => {
    if (typeof value !== "boolean") {
      group("true or an object such as { types }", "reflection", { types: anything })(name, value);
    }
  },
  loadReports: standard("true or what reportLoad() returned"),
  clock: aClock,
};

function standard(expected: string): Check {
  return makes(expected, (value) => {
    return typeof value === "boolean" || typeof (value as { routes?: unknown } | null)?.routes === "function";
  });
}
