import type { Connector } from "../connection/link.ts";
import { readMark } from "../connection/mark.ts";
import { transportConnector } from "../connection/transport-connector.ts";
import { type Endpoint, parseAddress } from "../endpoint.ts";
import { checkOptions, made } from "../option.ts";
import { FetchTransport } from "./fetch-transport.ts";
import { FETCH_OPTIONS, type FetchConnectorOptions } from "./options.ts";
import { settingsOf } from "./settings.ts";

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
  const { protocol, useHttpGet } = options;
  if (useHttpGet && protocol !== "connect") throw new TypeError("option useHttpGet needs the Connect protocol");
  const settings = settingsOf(options);
  const create = (endpoint: Endpoint) => new FetchTransport(baseUrlOf(endpoint, options), protocol, settings);
  return transportConnector(create, { classify: readMark, protocol });
}

made(fetchConnector);

function baseUrlOf(endpoint: Endpoint, { secure = pageIsSecure(), pathPrefix = "" }: FetchConnectorOptions): string {
  const { port } = parseAddress(endpoint.address);
  const { authority = endpoint.address } = endpoint;
  const host = /:[0-9]+$/.test(authority) ? authority : `${authority}:${port}`;
  return new URL(pathPrefix, `${endpoint.secure ?? secure ? "https" : "http"}://${host}`).href;
}

function pageIsSecure(): boolean {
  return globalThis.location?.protocol === "https:";
}
