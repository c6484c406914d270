export { createBalancedTransport } from "../../../../src/index.ts";
export { fetchConnector } from "../../../../src/fetch.ts";
export { createGatewayRegistry } from "../../../../src/etcd-gateway.ts";
