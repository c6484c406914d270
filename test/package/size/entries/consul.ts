export { createConsulRegistry } from "../../../../src/consul.ts";
export { createBalancedTransport } from "../../../../src/index.ts";
export { grpcConnector } from "../../../../src/node.ts";
