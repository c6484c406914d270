import type { Compression } from "@connectrpc/connect/protocol";
import { type Fetch, type Fetcher, isFetch } from "../fetcher.ts";
import { GRPC_OPTIONS, type GrpcOptions } from "../grpc/client/options.ts";
import type { MessageFormat } from "../grpc/message-format.ts";
import { type Check, type Checks, flag, kind, makes, required, wrongOption } from "../option.ts";

/** Options of {@link fetchConnector}. */
export interface FetchConnectorOptions extends GrpcOptions {
  /** What the servers speak: the Connect protocol, or gRPC-Web. Plain gRPC needs trailers, which fetch doesn't have. */
  protocol: "connect" | "grpc-web";
  /**
   * Sends the requests: a function like `fetch`, or an object with such a method, such as a Worker's binding
   * (`fetch: env.VPC`). Defaults to the runtime's `fetch`. A function may set what fetch takes and this does not, such
   * as `(url, init) => fetch(url, { ...init, credentials: "include" })`.
   */
  fetch?: Fetch | Fetcher | undefined;
  /**
   * Whether endpoints that don't say (`secure`) are called over https. Defaults to true on a page that was loaded over
   * https, which may call nothing else; otherwise to false.
   */
  secure?: boolean | undefined;
  /** The path before the service's name: `/api`. Defaults to none. */
  pathPrefix?: string | undefined;
  /** Sent with each call that doesn't set the same names itself, such as `{ authorization }`. Defaults to none. */
  headers?: HeadersInit | undefined;
  /**
   * How messages are written: `jsonFormat()` for JSON, which a browser's tools can show. It is imported by itself, as it
   * takes a fifth of a bundle. Defaults to the binary format.
   */
  format?: MessageFormat | undefined;
  /**
   * Whether methods marked NO_SIDE_EFFECTS are called with GET, which caches can answer. Only for the Connect protocol.
   * Defaults to false.
   */
  useHttpGet?: boolean | undefined;
  /**
   * Compressions that the server may use for single messages: in streams, and in gRPC-Web. Defaults to none: the header
   * that offers them is one that servers must allow browsers to send (CORS). What a whole response is compressed with,
   * as in unary calls of the Connect protocol, is a matter between fetch and the server. `gzip` of `connect-lb/fetch` is
   * one that works everywhere.
   */
  acceptCompression?: Compression[] | undefined;
}

/** The check of `protocol`. */
const protocol: Check = required((name, value) => {
  if (value === "connect" || value === "grpc-web") return;
  const hint = value === "grpc"
    ? "; gRPC needs grpcConnector() of connect-lb/node, or createWorkerTransport() of connect-lb/workers"
    : "";
  throw wrongOption(name, value, `"connect" or "grpc-web"${hint}`);
});

/** The check of `headers`. */
const headers: Check = (name, value) => {
  try {
    new Headers(value as HeadersInit);
  } catch (error) {
    throw wrongOption(name, value, `headers, { name: value }: ${(error as Error).message}`);
  }
};

function isFormat(value: unknown): boolean {
  const { encoder, decoder } = (value ?? {}) as Partial<MessageFormat>;
  return typeof encoder === "function" && typeof decoder === "function";
}

/** The checks of {@link FetchConnectorOptions}. */
export const FETCH_OPTIONS: Checks<FetchConnectorOptions> = {
  ...GRPC_OPTIONS,
  protocol,
  fetch: kind("a function like fetch, or an object with such a method", isFetch),
  secure: flag,
  pathPrefix: kind(
    'a path such as "/api"',
    (value) => typeof value === "string" && /^\/(?![\\/])[^\s?#]*$/.test(value),
  ),
  headers,
  format: makes("a format, such as that of jsonFormat()", isFormat),
  useHttpGet: flag,
};
