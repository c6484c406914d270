export { createBalancedTransport, staticResolver, transportConnector } from "../../../../src/index.ts";
export { grpcConnector } from "../../../../src/node.ts";
