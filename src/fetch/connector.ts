import type { CommonTransportOptions } from "@connectrpc/connect/protocol";
import { createTransport as createConnectTransport } from "@connectrpc/connect/protocol-connect";
import { createTransport as createGrpcWebTransport } from "@connectrpc/connect/protocol-grpc-web";
import type { Connector } from "../connection/link.ts";
import { readMark } from "../connection/mark.ts";
import { transportConnector } from "../connection/transport-connector.ts";
import { type Endpoint, parseAddress } from "../endpoint.ts";
import {
  DEFAULT_COMPRESS_MIN_BYTES,
  DEFAULT_READ_MAX_BYTES,
  GRPC_OPTIONS,
  MAX_MESSAGE_BYTES,
} from "../grpc/client/options.ts";
import { checkOptions, givenOf, made } from "../option.ts";
import { fetchTransport } from "./fetch-transport.ts";
import { fetchClient } from "./http-client.ts";
import { FETCH_OPTIONS, type FetchConnectorOptions } from "./options.ts";

/**
 * The Connect or gRPC-Web protocol over `fetch`, for browsers, Workers and everything else without sockets.
 *
 * It carries unary calls and server streams; the messages of a client stream are collected and sent as one request.
 * Bidirectional streams fail with Unimplemented: fetch has none.
 *
 * Fetch opens its connections itself, so a dead server is noticed by the call that it fails: idempotent methods then go
 * elsewhere, others fail with Unavailable, and the endpoint is left out until its backoff is over and one call was
 * answered.
 *
 * An endpoint is called by its `authority`, if it has one, in place of its address, since fetch finds servers by the
 * name in the URL; so each needs its own.
 *
 * ```ts
 * import { createBalancedTransport, staticResolver } from "connect-lb";
 * import { fetchConnector } from "connect-lb/fetch";
 *
 * const transport = createBalancedTransport({
 *   resolver: staticResolver(["a.example.com:443", "b.example.com:443"]),
 *   connector: fetchConnector({ protocol: "connect", secure: true }),
 * });
 * ```
 *
 * @throws TypeError or RangeError for options of the wrong type or range.
 */
export function fetchConnector(options: FetchConnectorOptions): Connector {
  checkOptions("fetchConnector()", options, FETCH_OPTIONS);
  const { protocol } = options;
  if (options.useHttpGet && protocol !== "connect") throw new TypeError("option useHttpGet needs the Connect protocol");
  const common: Omit<CommonTransportOptions, "baseUrl"> = {
    interceptors: [],
    useBinaryFormat: true,
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: DEFAULT_COMPRESS_MIN_BYTES,
    readMaxBytes: DEFAULT_READ_MAX_BYTES,
    writeMaxBytes: MAX_MESSAGE_BYTES,
    ...givenOf(options, PASSED_ON) as Partial<CommonTransportOptions>,
    httpClient: fetchClient(options.fetch),
  };
  const createTransport = protocol === "connect" ? createConnectTransport : createGrpcWebTransport;
  const create = (endpoint: Endpoint) => {
    const transport = createTransport({ ...common, baseUrl: baseUrlOf(endpoint, options) });
    return fetchTransport(transport, options.headers);
  };
  return transportConnector(create, { classify: readMark });
}

made(fetchConnector);

/** The options that Connect's transports take as they are. */
const PASSED_ON = Object.keys({
  ...GRPC_OPTIONS,
  useBinaryFormat: true,
  jsonOptions: true,
  useHttpGet: true,
});

function baseUrlOf(endpoint: Endpoint, { secure = pageIsSecure(), pathPrefix = "" }: FetchConnectorOptions): string {
  const { port } = parseAddress(endpoint.address);
  const { authority = endpoint.address } = endpoint;
  const host = /:[0-9]+$/.test(authority) ? authority : `${authority}:${port}`;
  return new URL(pathPrefix, `${endpoint.secure ?? secure ? "https" : "http"}://${host}`).href;
}

function pageIsSecure(): boolean {
  return globalThis.location?.protocol === "https:";
}
