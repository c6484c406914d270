/**
 * What needs Node, Bun or Deno: the gRPC connector, a DNS resolver and draining of servers.
 *
 * @module
 */
export { dnsResolver } from "./node/dns/resolver.ts";
export type { DnsResolverOptions } from "./node/dns/resolver.ts";
export type { DnsLookup, SrvRecord } from "./node/dns/lookup.ts";
export * from "./node/drain.ts";
export { grpcConnector } from "./node/grpc-connector.ts";
export type {
  Dial,
  DialTarget,
  GrpcConnectorOptions,
  KeepaliveOptions,
  ProxySource,
  TlsOptions,
  TlsSource,
} from "./node/grpc-connector.ts";
export { httpsFetch } from "./node/https-fetch.ts";
export { proxyFromEnvironment } from "./node/proxy-environment.ts";
export type { ProxyEnvironment } from "./node/proxy-environment.ts";
export { transportConnector } from "./connection/transport-connector.ts";
export type { TransportConnectorOptions } from "./connection/transport-connector.ts";
export { requestListener } from "./node/request-listener.ts";
export type { Fetch } from "./fetcher.ts";
