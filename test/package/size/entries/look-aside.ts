export { createBalancedTransport } from "../../../../src/index.ts";
export { grpcConnector } from "../../../../src/node.ts";
export { lookAsideResolver } from "../../../../src/look-aside.ts";
