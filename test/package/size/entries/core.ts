export { createBalancedTransport, staticResolver, transportConnector } from "../../../../src/index.ts";
