import { KEEPALIVE_OPTIONS, type KeepaliveOptions } from "../../http2/keepalive.ts";
import { HTTP2_LIMITS, type Http2Limits } from "../../http2/limits.ts";
import type { ScheduleFlush } from "../../http2/wire/frame-writer.ts";
import { type Checks, clock, givenOf, group, milliseconds, or, wholeNumber } from "../../option.ts";
import { type Clock, systemClock } from "../../time/clock.ts";
import { createGrpcTransport, type CreateTransport, plainTransport } from "../client/transport.ts";
import { FurtherConnections, type FurtherHost } from "./further-connections.ts";
import { type FormatOption, GRPC_OPTIONS, type GrpcOptions } from "../client/options.ts";

/** The options of gRPC's connectors, whatever sockets they use. */
export interface GrpcLinkOptions extends GrpcOptions {
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

/** The checks of {@link GrpcLinkOptions}. */
export const GRPC_LINK_OPTIONS: Checks<GrpcLinkOptions> = {
  ...GRPC_OPTIONS,
  keepalive: or(false, group("an object or false", "keepalive", KEEPALIVE_OPTIONS)),
  connectTimeoutMs: milliseconds,
  maxAgeMs: milliseconds,
  maxConnectionsPerEndpoint: wholeNumber(1),
  limits: group("an object", "limits", HTTP2_LIMITS),
  clock,
};

/** What a connector decides for all of its links. */
export interface LinkSettings extends GrpcOptions, FormatOption {
  readonly limits?: Http2Limits | undefined;
  readonly maxAgeMs?: number | undefined;
  readonly createTransport: CreateTransport;
  /** Creates the further connections of a link. Undefined: each has one connection. */
  readonly further?: ((host: FurtherHost) => FurtherConnections) | undefined;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  readonly keepalive: (KeepaliveOptions & { readonly intervalMs: number }) | undefined;
  readonly scheduleFlush: ScheduleFlush;
  /** For the jitter of a connection's maximum age, and of backoffs. */
  readonly random: () => number;
}

/** Fills in defaults. */
export function linkSettings(
  options: GrpcLinkOptions,
  scheduleFlush: ScheduleFlush,
  random: () => number = Math.random,
): LinkSettings {
  const settings = { ...plainLinkSettings(options, scheduleFlush, random), createTransport: createGrpcTransport };
  const { maxConnectionsPerEndpoint = 1 } = options;
  if (maxConnectionsPerEndpoint === 1) return settings;
  return { ...settings, further: (host) => new FurtherConnections(maxConnectionsPerEndpoint - 1, settings, host) };
}

/** The same for connectors that have neither interceptors nor further connections, without the code for those. */
export function plainLinkSettings(
  options: Omit<GrpcLinkOptions, "interceptors" | "maxConnectionsPerEndpoint">,
  scheduleFlush: ScheduleFlush,
  random: () => number = Math.random,
): LinkSettings {
  const { keepalive = {} } = options;
  return {
    ...givenOf(options, Object.keys(GRPC_LINK_OPTIONS)),
    clock: options.clock ?? systemClock,
    connectTimeoutMs: options.connectTimeoutMs ?? 20_000,
    keepalive: keepalive === false ? undefined : {
      withoutCalls: keepalive.withoutCalls ?? false,
      intervalMs: keepalive.intervalMs ?? 30_000,
      timeoutMs: keepalive.timeoutMs ?? 10_000,
    },
    scheduleFlush,
    random,
    createTransport: plainTransport,
  };
}
