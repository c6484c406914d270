export { createBalancedTransport, staticResolver } from "../../../../src/index.ts";
export { fetchConnector } from "../../../../src/fetch.ts";
