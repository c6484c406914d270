export { createBalancerObject, createWorkerEtcdRegistry, objectTransport } from "../../../../src/workers.ts";
