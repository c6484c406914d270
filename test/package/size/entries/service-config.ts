export { createBalancedTransport } from "../../../../src/index.ts";
export { withServiceConfig } from "../../../../src/service-config.ts";
