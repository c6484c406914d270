export { createBalancedTransport } from "../../../../src/index.ts";
export { grpcConnector } from "../../../../src/node.ts";
export { createProxy } from "../../../../src/server.ts";
