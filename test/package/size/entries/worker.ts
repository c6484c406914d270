export { createBalancedTransport } from "../../../../src/index.ts";
export { createGrpcTransport } from "../../../../src/grpc/client/transport.ts";
export { Http2Connection } from "../../../../src/http2/client/connection.ts";
export { createConnectDriver } from "../../../../src/etcd/driver/connect/connect-driver.ts";
export { createRegistryOver } from "../../../../src/etcd/registry.ts";
