export { createBalancedTransport } from "../../../../src/index.ts";
export { createWorkerEtcdRegistry, workerConnector } from "../../../../src/workers.ts";
