/**
 * The Connect and gRPC-Web protocols over `fetch`: for browsers, for Workers and their private networks, and wherever
 * there are no sockets.
 *
 * @module
 */
export { fetchConnector } from "./fetch/connector.ts";
export { gzip } from "./grpc/compression.ts";
export { jsonFormat } from "./grpc/json-format.ts";
export type { MessageFormat } from "./grpc/message-format.ts";
export type { FetchConnectorOptions } from "./fetch/options.ts";
export type { Fetch, Fetcher } from "./fetcher.ts";
