export { createBalancedTransport } from "../../../../src/index.ts";
export { telemetry } from "../../../../src/otel.ts";
