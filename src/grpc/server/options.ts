import type {
  ConnectRouter,
  ConnectRouterOptions,
  ContextValues,
  HandlerContext,
  Interceptor,
} from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { Peer } from "../../http2/server/peer.ts";
import { type Checks, flag, fn, interceptors, kind, listOf, milliseconds, object, required } from "../../option.ts";
import { deflate, gzip } from "../compression.ts";
import {
  DEFAULT_COMPRESS_MIN_BYTES,
  DEFAULT_READ_MAX_BYTES,
  MAX_MESSAGE_BYTES,
  MESSAGE_OPTIONS,
} from "../message-options.ts";
import { corsOption, type CorsOptions } from "./cors.ts";
import type { ServerObserver } from "./observer.ts";

/**
 * Options of a router, or of one service or method on it, which then apply in place of the router's: Connect's own, with
 * these defaults:
 *
 * - `readMaxBytes`: 4 MiB, gRPC's usual limit (connect-node's is 2³²−1).
 * - `acceptCompression`: gzip and deflate. Without this option a gRPC response is compressed only if its request was, as
 *   in grpc-go; with it, whenever the client accepts one of the compressions, as in connect-node.
 */
export type RouteOptions = ConnectRouterOptions;

/** What is known of a request before its handler runs. */
export interface IncomingRequest {
  /** The client: its address and, with mutual TLS, its certificate. */
  readonly peer: Peer;
  /** `POST`, or `GET` where Connect allows it. */
  readonly method: string;
  readonly url: string;
  readonly header: Headers;
}

/** The call in which a handler, an interceptor or a gate failed unexpectedly. */
export type FailedCall = Pick<HandlerContext, "method" | "url" | "requestHeader">;

/** What a server serves, and how. */
export interface ServiceOptions extends RouteOptions {
  /**
   * Registers the services: `(router) => router.service(Simple, { … })`. Not an async function: what the services need is
   * awaited before the server is created.
   */
  routes: (router: ConnectRouter) => unknown;
  /**
   * Which pages of other origins may call, over Connect and gRPC-Web. Defaults to none: browsers then refuse what they
   * get.
   */
  cors?: CorsOptions;
  /** A path that precedes those of all methods, such as `/api`. Defaults to none. */
  requestPathPrefix?: string;
  /** Creates the context values of a request, for interceptors and handlers. Defaults to empty ones. */
  contextValues?: (request: IncomingRequest) => ContextValues;
  /**
   * Is called with what a handler, an interceptor or a gate threw that is not a ConnectError. The client gets `internal
   * error` and none of its text. Defaults to printing it.
   */
  onError?: (error: unknown, call: FailedCall) => void;
  /**
   * Called at the beginning and the end of every call, in every protocol, of methods that there are not included: for
   * spans and metrics. Defaults to none.
   */
  observers?: readonly ServerObserver[];
}

const signal = kind("an AbortSignal", (value) => value instanceof AbortSignal);

/** The checks of {@link RouteOptions}. */
export const ROUTE_OPTIONS: Checks<RouteOptions> = {
  ...MESSAGE_OPTIONS,
  interceptors,
  requestGate: fn("a function of a HandlerContext"),
  maxTimeoutMs: milliseconds,
  shutdownSignal: signal,
  jsonOptions: object,
  requireConnectProtocolHeader: flag,
  grpc: flag,
  grpcWeb: flag,
  connect: flag,
};

/** The checks of {@link ServiceOptions}. */
export const SERVICE_OPTIONS: Checks<ServiceOptions> = {
  ...ROUTE_OPTIONS,
  routes: required(fn("a function of a router: (router) => router.service(…)")),
  requestPathPrefix: kind(
    'a path such as "/api"',
    (value) => typeof value === "string" && /^(?:\/[\x21\x23-\x3e\x40-\x7e]*[^/])?$/.test(value),
  ),
  cors: corsOption,
  contextValues: fn("a function that returns Connect's context values"),
  onError: fn("a function of an error"),
  observers: listOf("an array of observers, { callStarted }", isObserver),
};

function isObserver(value: unknown): boolean {
  return typeof (value as Partial<ServerObserver> | null | undefined)?.callStarted === "function";
}

/** The options that apply to one method. */
export interface ResolvedRouteOptions {
  readonly interceptors: readonly Interceptor[];
  readonly requestGate: ((context: HandlerContext) => void | Promise<void>) | undefined;
  readonly acceptCompression: readonly Compression[];
  /** Whether responses are compressed for every client that accepts it, or only if the request was. */
  readonly compressUnasked: boolean;
  readonly compressMinBytes: number;
  readonly readMaxBytes: number;
  readonly writeMaxBytes: number;
  readonly maxTimeoutMs: number;
  readonly shutdownSignal: AbortSignal | undefined;
  readonly jsonOptions: RouteOptions["jsonOptions"];
  readonly binaryOptions: RouteOptions["binaryOptions"];
  readonly grpc: boolean;
}

/** The compressions that servers accept by default. */
export const SERVER_COMPRESSIONS: readonly Compression[] = [gzip, deflate];

/** Fills in defaults. */
export function resolveRouteOptions(options: RouteOptions): ResolvedRouteOptions {
  return {
    interceptors: options.interceptors ?? [],
    requestGate: options.requestGate,
    acceptCompression: options.acceptCompression ?? SERVER_COMPRESSIONS,
    compressUnasked: options.acceptCompression !== undefined,
    compressMinBytes: options.compressMinBytes ?? DEFAULT_COMPRESS_MIN_BYTES,
    readMaxBytes: options.readMaxBytes ?? DEFAULT_READ_MAX_BYTES,
    writeMaxBytes: options.writeMaxBytes ?? MAX_MESSAGE_BYTES,
    maxTimeoutMs: options.maxTimeoutMs ?? Number.MAX_SAFE_INTEGER,
    shutdownSignal: options.shutdownSignal,
    jsonOptions: options.jsonOptions,
    binaryOptions: options.binaryOptions,
    grpc: options.grpc !== false,
  };
}
